"""MATH-APS: a tree of partial solutions with Monte Carlo values, nested or as a flat list.

Nested: `question`, `final_answer`, `reasoning_steps{text, mc_value, children[]}`; the root's text
is the question. Flat: the same with `reasoning_steps[{solution_prefix, mc_value}]`; a prefix holds
the question and all steps so far, and its parent is the longest other prefix that begins it. A
node's value is the share of rollouts from it that end well, so labels are values in [0, 1] from
rollouts; the counts behind them are not in the file.

Each leaf reads to one trace. What comes back after MATH-APS -> Trace -> MATH-APS: the whole tree
in its layout, if the traces of a record are written one after the other (`meta["math-aps"]`
keeps the path of child positions). Other traces are written nested, each as a tree of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace

_USED = ("question", "final_answer", "reasoning_steps")
_OWN = "math-aps"
_Node = dict[str, Any]

_DEEPEST = 300
"""Steps of the longest path that is written."""


def looks_like(record: Record) -> bool:
    """A record with `question` and `reasoning_steps`."""
    return {"question", "reasoning_steps"} <= record.keys()


def read(record: Record) -> list[Trace]:
    """One trace for each leaf of the tree."""
    question = fields.text(record, "question")
    given = record["reasoning_steps"]
    if isinstance(given, dict):
        root, layout = given, "tree"
        if given.get("text") != question:
            raise RowError("the root's text is not the question", field="reasoning_steps.text")
    elif isinstance(given, list):
        root, layout = _grow(question, given), "flat"
    else:
        raise RowError("must be a tree or a list of prefixes", field="reasoning_steps")
    shared = {
        "record": fields.record_key(record),
        "layout": layout,
        "root": {k: v for k, v in root.items() if k not in ("text", "children", "joint")},
    }
    extra = fields.others(record, _USED)
    answer = fields.maybe_text(record, "final_answer")
    traces = [_trace(question, answer, path, shared, extra) for path in _leaves(root)]
    if not traces:
        raise RowError("the tree has no steps", field="reasoning_steps")
    return traces


def _leaves(root: _Node) -> list[list[tuple[int, _Node]]]:
    """Every path from below the root to a leaf, as (child position, node)."""
    found: list[list[tuple[int, _Node]]] = []
    open_paths: list[list[tuple[int, _Node]]] = [[]]
    while open_paths:
        path = open_paths.pop()
        node = path[-1][1] if path else root
        place = "reasoning_steps" + "".join(f".children.{i}" for i, _ in path)
        if not isinstance(node, dict):
            raise RowError(f"must be an object, not {fields.kind(node)}", field=place)
        children = node.get("children") or []
        if not isinstance(children, list):
            raise RowError("must be a list", field=f"{place}.children")
        _value(node, place)
        if path and not children:
            found.append(path)
        open_paths.extend([*path, (i, child)] for i, child in reversed(list(enumerate(children))))
    return found


def _value(node: _Node, place: str) -> float | None:
    value = node.get("mc_value")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value <= 1):
        raise RowError(f"{value!r} is not a number in [0, 1]", field=f"{place}.mc_value")
    return value


def _trace(
    question: str,
    answer: str | None,
    path: list[tuple[int, _Node]],
    shared: dict[str, Any],
    extra: dict[str, Any],
) -> Trace:
    nodes = [node for _, node in path]
    kept = {**shared, "node": [i for i, _ in path]}
    if shared["layout"] == "flat":
        kept["joints"] = [node["joint"] for node in nodes]
    used = ("text", "mc_value", "children", "joint")
    if any(details := [fields.others(node, used) for node in nodes]):
        kept["nodes"] = details
    labels = StepLabels(
        tuple(node.get("mc_value") for node in nodes), source="rollout", scale="value"
    )
    return fields.build(
        "reasoning_steps",
        problem=question,
        steps=[node.get("text") for node in nodes],
        reference=answer,
        source=_OWN,
        labels=[labels],
        meta=fields.with_own(extra, _OWN, kept),
    )


def _grow(question: str, items: list[Any]) -> _Node:
    """The tree of a list of prefixes."""
    root: _Node = {"text": question, "children": []}
    placed: list[tuple[str, _Node]] = []
    for i, item in enumerate(items):
        place = f"reasoning_steps.{i}"
        if not isinstance(item, dict) or not isinstance(item.get("solution_prefix"), str):
            raise RowError("must be an object with a text solution_prefix", field=place)
        prefix = item["solution_prefix"]
        extra = {k: v for k, v in item.items() if k != "solution_prefix"}
        if prefix == question:
            root.update(extra, listed=i)
            continue
        if not prefix.startswith(question):
            raise RowError("does not begin with the question", field=f"{place}.solution_prefix")
        placed.append((prefix, {**extra, "children": [], "listed": i}))
    for prefix, node in placed:
        begun = [(p, n) for p, n in placed if len(p) < len(prefix) and prefix.startswith(p)]
        before, parent = max(begun, key=lambda pair: len(pair[0]), default=(question, root))
        rest = prefix[len(before) :]
        node["text"] = rest.lstrip()
        node["joint"] = rest[: len(rest) - len(node["text"])]
        parent["children"].append(node)
    return root


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record whose tree is a single path."""
    return join([trace], rule)


def join(traces: Sequence[Trace], rule: LabelRule) -> Written:
    """One record whose tree has the traces as paths, with equal beginnings shared."""
    first = traces[0]
    own = fields.own(first, _OWN)
    flat = own.get("layout") == "flat"
    if (longest := max(len(trace.steps) for trace in traces)) > _DEEPEST:
        raise TraceError(
            f"{longest} steps are more than the {_DEEPEST} levels that a tree may be deep here; "
            "most JSON readers fail on deeper ones"
        )
    root_extra = own.get("root") or {}
    root: _Node = {"text": first.problem, "mc_value": None, **root_extra, "children": []}
    index: dict[tuple[Any, ...], _Node] = {}
    lost: set[str] = set()
    for trace in traces:
        labels = labelling.needed_labels(trace)
        values, more = labelling.soft(labels, rule)
        lost |= more | labelling.field_losses(
            trace,
            "math-aps",
            holds=("reference",),
            meta=(_OWN,),
            labels=labels,
            label_source="rollout",
        )
        _insert(root, index, trace, values)
    steps: Any = root
    if flat:
        steps = _prefixes(root)
    else:
        _tidy(root)
    row = {"question": first.problem, "final_answer": first.reference, "reasoning_steps": steps}
    return Written((row,), tuple(sorted(lost)))


def _insert(
    root: _Node,
    index: dict[tuple[Any, ...], _Node],
    trace: Trace,
    values: list[float | None],
) -> None:
    """Add one path to the tree; a beginning that is there already is shared."""
    n, own = len(trace.steps), fields.own(trace, _OWN)
    names = _per_step(own.get("node"), n)
    joints = _per_step(own.get("joints"), n)
    details = _per_step(own.get("nodes"), n)
    parent = root
    key: tuple[Any, ...] = ()
    for i, step in enumerate(trace.steps):
        key = (*key, (names[i] if names else None, step.text, values[i]))
        if key not in index:
            index[key] = {
                "text": step.text,
                "mc_value": values[i],
                **(details[i] if details else {}),
                "children": [],
                "joint": joints[i] if joints else "\n\n",
            }
            parent["children"].append(index[key])
        parent = index[key]


def _per_step(value: Any, n: int) -> list[Any] | None:
    return value if isinstance(value, list) and len(value) == n else None


def _tidy(root: _Node) -> None:
    nodes = [root]
    while nodes:
        node = nodes.pop()
        node.pop("joint", None)
        nodes.extend(node["children"])


def _prefixes(root: _Node) -> list[dict[str, Any]]:
    """The nodes as prefixes, in the order in which they were listed, as far as that is known."""
    listed: list[tuple[int, dict[str, Any]]] = []
    open_nodes = [(root, "")]
    while open_nodes:
        node, before = open_nodes.pop()
        prefix = before + node.pop("joint", "") + node.pop("text")
        children = node.pop("children")
        order = node.pop("listed", None)
        if node is not root or order is not None:
            position = len(listed) if order is None else order
            listed.append((position, {"solution_prefix": prefix, **node}))
        open_nodes.extend((child, prefix) for child in reversed(children))
    return [item for _, item in sorted(listed, key=lambda pair: pair[0])]


MATH_APS = Format("math-aps", "MATH-APS", looks_like, read, write, join)

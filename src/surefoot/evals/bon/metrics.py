"""Everything that was measured on pools, as the `metrics.json` of a run.

`rows`, `leads`, `curves`, `paired` and `warnings` are those of every evaluation; in `pools` is what
only best-of-N has. With several pools, a row's name says which it is of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.evals.benchmark import LENGTH
from surefoot.evals.bon.cost import cost
from surefoot.evals.bon.diagnostics import discrimination, least_scores
from surefoot.evals.bon.measuring import Figure, Method, PoolResult
from surefoot.evals.bon.verdicts import Verdict, chief_methods, verdicts
from surefoot.evals.bon.warnings import warnings
from surefoot.evals.pools import STEP_LENGTH

TITLE = "best of N on frozen pools"
REFERENCE = (
    "Chen et al. 2021, arXiv:2107.03374, section 2.1; Lightman et al. 2023, arXiv:2305.20050"
)
FIGURES: tuple[Figure, ...] = ("accuracy", "sound", "flawed_share")


def metrics(
    results: Sequence[PoolResult],
    *,
    against: Sequence[str] = (),
    files: Mapping[str, Mapping[str, Any]] | None = None,
    prepared: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The metrics of a run over one pool or several.

    Args:
        results: What was measured.
        against: Methods that all others are compared with, besides the majority vote.
        files: What became of the rows of each score file.
        prepared: What was done to make the pools ready.

    Raises:
        UsageError: a pool has no such method to compare with.
    """
    pools: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    lines: dict[str, list[dict[str, Any]]] = {}
    paired: list[dict[str, Any]] = []
    found: list[Verdict] = []
    for result in results:
        chiefs = chief_methods(result)
        own = verdicts(result, chiefs)
        apart = {
            "discrimination": discrimination(result),
            "least_scores": least_scores(result),
        }
        pool = _pool(result, chiefs, own, apart, against)
        pools.append(pool)
        suffix = f" ({result.name})" if len(results) > 1 else ""
        shown = [*_plain(result), *chiefs]
        rows += [_row(result, one, suffix, apart["discrimination"]) for one in shown]
        lines |= {f"{one.name}{suffix}": _curve(result, one.name) for one in shown}
        paired += _pairs(result, shown, suffix)
        found += own
    left_out = sum((Counter(one.left_out) for one in results), Counter[str]())
    counts = sum((Counter(one.counts) for one in results), Counter[str]())
    return {
        "kind": "bon",
        "title": TITLE,
        "reference": REFERENCE,
        "headline": {
            "accuracy": "right at the largest N",
            "flawed_share": "of these, with a flawed step",
            "within": "AUROC of right answers within problems",
        },
        "num_traces": sum(len(one.traces) for one in results),
        "left_out": dict(left_out),
        "counts": dict(counts),
        "rows": sorted(rows, key=lambda row: bool(row["is_baseline"])),
        "rival": "majority",
        "lower_is_better": ["flawed_share"],
        "leads": _leads(results[0], len(results) > 1),
        "curves": {"x": "N", "lines": lines},
        "paired": paired,
        "verdict": "; ".join(map(str, found)) or "no scorer was measured",
        "verdicts": [one.to_json() for one in found],
        "pools": pools,
        "files": dict(files or {}),
        "prepared": dict(prepared or {}),
        "warnings": warnings(results, found, pools, files or {}, prepared or {}),
        "details": {
            "least scores at the last step": {
                f"{scorer} ({pool['name']})": one
                for pool in pools
                for scorer, one in pool["least_scores"].items()
            },
            "tokens": {pool["name"]: pool["cost"]["by_n"] for pool in pools},
        },
    }


def _pool(
    result: PoolResult,
    chiefs: Sequence[Method],
    own: Sequence[Verdict],
    apart: Mapping[str, Any],
    against: Sequence[str],
) -> dict[str, Any]:
    return {
        "name": result.name,
        "num_problems": result.num_problems,
        "num_candidates": len(result.traces),
        "ns": list(result.ns),
        "left_out": dict(result.left_out),
        "counts": dict(result.counts),
        "votes": {
            kind: {str(n): "exact" if one else "sampled" for n, one in by_n.items()}
            for kind, by_n in result.exact.items()
        },
        "num_subsets": result.options.num_subsets,
        "methods": {
            one.name: {
                "kind": one.kind,
                "scorer": one.scorer,
                "rule": one.reward.rule if one.reward else None,
                "is_chief": one.is_chief,
                "num_unscored": one.reward.num_missing if one.reward else 0,
                **{figure: _curve(result, one.name, figure) for figure in FIGURES},
                "less": {other: _gaps(result, one.name, other) for other in ("majority", *against)},
            }
            for one in result.methods
        },
        "verdicts": [one.to_json() for one in own],
        **apart,
        "cost": cost(result, chiefs),
    }


def _plain(result: PoolResult) -> list[Method]:
    """What needs no scorer."""
    return [one for one in result.methods if one.kind == "baseline"]


def _row(
    result: PoolResult, method: Method, suffix: str, apart: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for figure in FIGURES:
        one = result.estimate(method.name, result.num, figure)
        figures[figure] = one and one.to_json()
    is_argmax = method.reward is not None and method.name == method.reward.name
    figures["within"] = apart[method.name].get("within") if is_argmax else None
    figures["pooled"] = apart[method.name].get("pooled") if is_argmax else None
    return {
        "name": f"{method.name}{suffix}",
        "is_baseline": method.kind == "baseline",
        "figures": figures,
        "thresholds": {},
    }


def _leads(result: PoolResult, several: bool) -> dict[str, Any]:
    """By how much the first scorer beats what needs none, on the first pool."""
    chiefs = chief_methods(result)
    if not chiefs or several:
        return {}
    found: dict[str, Any] = {}
    for method in _plain(result):
        name = LENGTH if method.name == STEP_LENGTH else method.name
        gaps = {
            figure: result.difference(chiefs[0].name, method.name, result.num, figure)
            for figure in FIGURES
        }
        found[name] = {figure: one.to_json() for figure, one in gaps.items() if one}
    return found


def _curve(result: PoolResult, method: str, figure: Figure = "accuracy") -> list[dict[str, Any]]:
    found = [(n, result.estimate(method, n, figure)) for n in result.ns]
    return [{"n": n, **one.to_json()} for n, one in found if one is not None]


def _gaps(result: PoolResult, method: str, other: str) -> list[dict[str, Any]]:
    found = [(n, result.difference(method, other, n)) for n in result.ns]
    return [{"n": n, **one.to_json()} for n, one in found if one is not None]


def _pairs(result: PoolResult, shown: Sequence[Method], suffix: str) -> list[dict[str, Any]]:
    """Every two of the methods shown, at the largest N."""
    rows = []
    for i, ours in enumerate(shown):
        for theirs in shown[:i]:
            for figure in FIGURES:
                gap = result.difference(ours.name, theirs.name, result.num, figure)
                if gap is not None:
                    rows.append(
                        {
                            "method": f"{ours.name}{suffix}",
                            "against": f"{theirs.name}{suffix}",
                            "n": result.num,
                            "figure": figure,
                            "difference": gap.to_json(),
                            "p_value": gap.p_value,
                        }
                    )
    return rows

"""MATH-APS trees, nested and flat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

APS = FORMATS["math-aps"]
RULE = LabelRule()


def node(text, value, *children):
    return {"text": text, "mc_value": value, "children": list(children)}


TREE = {
    "question": "Q?",
    "final_answer": "5",
    "reasoning_steps": node(
        "Q?", 0.9375, node("a", 0.5, node("b", 1.0), node("c", 0.0)), node("a", 0.5), node("d", 1)
    ),
}


def test_a_leaf_is_a_trace():
    traces = APS.read(TREE)
    assert [t.texts for t in traces] == [("a", "b"), ("a", "c"), ("a",), ("d",)]
    assert traces[1].labels == (StepLabels((0.5, 0.0), source="rollout", scale="value"),)
    assert traces[1].meta["math-aps"]["node"] == [0, 1]
    assert traces[0].reference == "5"


def test_the_tree_comes_back_even_with_equal_siblings():
    written = APS.join(APS.read(TREE), RULE)
    assert (written.rows, written.lost) == ((TREE,), ())


def prefix(text, value):
    return {"solution_prefix": text, "mc_value": value}


FLAT = {
    "question": "Q?",
    "final_answer": "5",
    "reasoning_steps": [
        prefix("Q?", 0.75),
        prefix("Q?\n\n\na", 0.5),
        prefix("Q?\n\nd\n\ne", 1.0),
        prefix("Q?\n\n\na\n\nb", 1.0),
        prefix("Q?\n\n\na\nc", 0.0),
    ],
}


def test_flat_prefixes_become_paths_and_come_back():
    traces = APS.read(FLAT)
    assert sorted(t.texts for t in traces) == [("a", "b"), ("a", "c"), ("d\n\ne",)]
    values = {t.texts: t.labels[0].values for t in traces}
    assert values["a", "c"] == (0.5, 0.0)
    written = APS.join(traces, RULE)
    assert (written.rows, written.lost) == ((FLAT,), ())


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        (node("Other?", 1.0, node("a", 1.0)), "reasoning_steps.text"),
        (node("Q?", 1.0), "reasoning_steps"),
        (node("Q?", 1.0, node("a", 1.5)), "reasoning_steps.children.0.mc_value"),
        (node("Q?", 1.0, node("a", 1.0, "b")), "reasoning_steps.children.0.children.0"),
        (node("Q?", 1.0, node("", 1.0)), "reasoning_steps"),
        (node("Q?", 1.0, node(None, 1.0)), "reasoning_steps"),
        ([prefix("Other", 1.0)], "reasoning_steps.0.solution_prefix"),
        ([{"mc_value": 1.0}], "reasoning_steps.0"),
        ([prefix("Q?", 1.0)], "reasoning_steps"),
        ("Q?", "reasoning_steps"),
    ],
)
def test_bad_trees_name_the_field(steps, field):
    with pytest.raises(RowError) as caught:
        APS.read({"question": "Q?", "final_answer": "5", "reasoning_steps": steps})
    assert caught.value.field == field


def test_a_trace_of_ratings_says_what_it_lost():
    trace = Trace("Q?", ["a", "b"], labels=[StepLabels((1, 0))])
    written = APS.write(trace, RULE)
    assert written.lost == ("label scale", "label source", "neutral labels")
    first = written.rows[0]["reasoning_steps"]["children"][0]
    assert (first["mc_value"], first["children"][0]["mc_value"]) == (1.0, 1.0)


def test_a_path_too_deep_for_json_is_refused_both_ways():
    tree = node("s0", 1.0)
    for i in range(1, 5000):
        tree = node(f"s{i}", 1.0, tree)
    record = {"question": "Q?", "final_answer": "1", "reasoning_steps": node("Q?", 1.0, tree)}
    with pytest.raises(RowError, match="deep"):
        APS.read(record)
    trace = Trace("Q?", ["s"] * 5000, labels=[StepLabels((1,) * 5000)])
    with pytest.raises(TraceError, match="5000"):
        APS.write(trace, RULE)


trees = st.recursive(
    st.builds(node, st.text("ab", min_size=1, max_size=2), st.floats(0, 1)),
    lambda inner: st.builds(
        lambda text, value, children: node(text, value, *children),
        st.text("ab", min_size=1, max_size=2),
        st.floats(0, 1),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(trees, min_size=1, max_size=3), st.floats(0, 1))
def test_any_tree_comes_back(children, value):
    record = {"question": "Q?", "final_answer": None, "reasoning_steps": node("Q?", value)}
    record["reasoning_steps"]["children"] = children
    written = APS.join(APS.read(record), RULE)
    assert (written.rows, written.lost) == ((record,), ())

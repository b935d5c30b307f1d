"""Several traces of the same steps as one."""

import pytest

from surefoot.errors import UsageError
from surefoot.traces.joining import joined
from surefoot.traces.types import StepLabels, StepScores, Trace

HUMAN = StepLabels((1, -1))
JUDGE = StepLabels((1, 1), source="judge")


def test_labels_scores_and_meta_of_all_parts_once():
    scores = StepScores((0.5, 0.5), model="m")
    first = Trace("p", ["a", "b"], labels=[HUMAN], meta={"rollout": {"tokens": 3}, "x": 1})
    second = Trace(
        "p",
        ["a", "b"],
        answer="4",
        outcome=False,
        labels=[JUDGE, HUMAN],
        scores=[scores],
        meta={"judge": {"tokens": 5}, "rollout": {"n": 2}},
    )
    trace, differing = joined([first, second])
    assert trace.labels == (HUMAN, JUDGE)
    assert trace.scores == (scores,)
    assert (trace.answer, trace.outcome) == ("4", False)
    assert trace.meta == {"rollout": {"tokens": 3, "n": 2}, "x": 1, "judge": {"tokens": 5}}
    assert differing == ()
    assert first.meta["rollout"] == {"tokens": 3}


def test_what_differs_is_named_and_the_first_kept():
    first = Trace("p", ["a"], outcome=True, meta={"a": 1, "b": {"c": 1}})
    second = Trace("p", ["a"], outcome=False, meta={"a": 2, "b": {"c": 3}})
    trace, differing = joined([first, second])
    assert trace == first
    assert differing == ("outcome", "meta.a", "meta.b.c")


def test_one_part_is_itself_and_other_steps_are_refused():
    one = Trace("p", ["a"])
    assert joined([one]) == (one, ())
    with pytest.raises(UsageError, match="other steps"):
        joined([one, Trace("p", ["b"])])
    with pytest.raises(UsageError, match="nothing to join"):
        joined([])


def test_accounts_of_two_annotators_are_kept_in_turn_and_what_they_wrote_together():
    def judged(name, tokens, *earlier):
        account = {"annotator": name, "tokens": tokens}
        more = {"earlier": list(earlier)} if earlier else {}
        return Trace("p", ["a"], meta={"judge": {**account, **more}, "verdicts": [{"by": name}]})

    a, b, c = ({"annotator": name, "tokens": i} for i, name in enumerate("abc"))
    trace, differing = joined([judged("b", 1, a), judged("c", 2, a), judged("c", 2)])
    assert trace.meta["judge"] == {**c, "earlier": [a, b]}
    assert trace.meta["verdicts"] == [{"by": "b"}, {"by": "c"}]
    assert differing == ()
    _, differing = joined([judged("a", 1), judged("a", 2)])
    assert differing == ("meta.judge.tokens",)

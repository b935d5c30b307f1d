"""Agreement of the sources of traces: who is compared, on what, and with which interval."""

import pytest

from surefoot.labels.agreement import agreement
from surefoot.labels.votes import VoteRule
from surefoot.traces.types import StepLabels, Trace


def trace(number, **sources):
    """A trace of four steps; values by `source` or `source_annotator`."""
    labels = []
    for name, values in sources.items():
        source, _, annotator = name.partition("_")
        labels.append(StepLabels(tuple(values), source=source, annotator=annotator or None))
    return Trace(f"problem {number}", ["a", "b", "c", "d"], labels=labels)


R, W, N = 1, -1, None


def test_first_errors_exact_and_within_one():
    traces = [
        trace(0, human_ann=(R, W, N, N), human_bob=(R, W, N, N)),  # the same
        trace(1, human_ann=(R, R, W, N), human_bob=(R, W, N, N)),  # one apart
        trace(2, human_ann=(R, R, R, R), human_bob=(R, R, R, W)),  # none is near no last step
        trace(3, human_ann=(R, R, R, R), human_bob=(R, R, R, R)),  # both none
        trace(4, human_ann=(R, R, R, R), human_bob=(R, N, R, R)),  # bob does not settle it
        trace(5, human_ann=(W, N, N, N)),  # ann alone
    ]
    report = agreement(traces, num_resamples=50)
    (pair,) = report.pairs
    assert (pair.first, pair.second) == ("human:ann", "human:bob")
    assert (pair.num_traces, pair.num_settled) == (5, 4)
    assert pair.exact.mean == 0.5
    assert pair.within_one.mean == 0.75
    assert 0 <= pair.exact.low < 0.5 < pair.exact.high <= 1
    assert report.num_traces == 5
    # Steps on which both speak: 2 + 2 + 4 + 4 + 3, of which two are not alike.
    assert pair.num_steps == report.num_steps == 15
    # Of these ann calls 1 wrong and bob 3, by chance they would differ on (1 * 12 + 14 * 3) / 225.
    assert pair.kappa["unweighted"].mean == pytest.approx(1 - (2 / 15) / ((1 * 12 + 14 * 3) / 225))


def test_what_stands_behind_a_source_s_first_error_counts_only_where_asked():
    traces = [trace(i, human=(W, R, R, R), judge=(W, W, W, W)) for i in range(3)]
    traces.append(trace(9, human=(R, R, R, R), judge=(R, R, R, R)))
    masked = agreement(traces, num_resamples=20)
    assert masked.num_steps == 3 + 4
    assert masked.alpha["nominal"].mean == 1.0
    whole = agreement(traces, rule=VoteRule(after_error="as-labelled"), num_resamples=20)
    assert whole.num_steps == 16
    assert whole.alpha["nominal"].mean < 0.5


def test_neutral_lies_between_in_ordinal_alpha():
    near = [trace(i, human=(R, 0, R, W), judge=(R, R, R, W)) for i in range(4)]
    far = [trace(i, human=(R, W, R, W), judge=(R, R, R, W)) for i in range(4)]
    rule = VoteRule(after_error="as-labelled")
    close = agreement(near, rule=rule, num_resamples=20).alpha
    apart = agreement(far, rule=rule, num_resamples=20).alpha
    assert close["interval"].mean > apart["interval"].mean
    assert close["interval"].mean > close["nominal"].mean


def test_two_sets_of_one_name_are_two_sources():
    report = agreement([trace(0, judge=(R, R, R, R))], num_resamples=20)
    assert report.pairs == ()
    assert report.alpha["nominal"] is None
    labels = [StepLabels((R, R, W, N), source="judge")] * 2
    twice = Trace("p", ["a", "b", "c", "d"], labels=labels)
    assert agreement([twice], num_resamples=20).sources == ("judge", "judge#2")
    named = agreement([twice], sources=["judge#2"], num_resamples=20)
    assert named.sources == ("judge#2",)

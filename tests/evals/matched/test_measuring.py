"""Accuracy against tokens and differences at equal tokens, on attempts with numbers by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.matched.attempts import Attempt, Line, keys_of
from surefoot.evals.matched.measuring import NO_REFERENCE, measure, read_off
from surefoot.evals.matched.metrics import metrics, warnings

OPTIONS = Options(seed=0, num_resamples=400)


def attempts(right, tokens, **further):
    """One attempt for each problem p0, p1, ... with the same tokens."""
    return {
        f"p{i}": Attempt(right=one, new_tokens=tokens, **further) for i, one in enumerate(right)
    }


def a_line(name, kind, **sizes):
    return Line(name, kind, {int(n[1:]): some for n, some in sizes.items()})


def half_and_all():
    """Best-of-n is right on a half of 40 problems with 100 tokens, on all with 400."""
    return a_line(
        "best-of-n",
        "best of n",
        n1=attempts([1, 0] * 20, 100),
        n4=attempts([1, 1] * 20, 400),
    )


def test_a_rival_is_read_off_half_way_between_its_sizes_over_log_tokens():
    beam = a_line("beam", "search", n2=attempts([1] * 36 + [0] * 4, 200))
    found = measure([beam, half_and_all()], OPTIONS)
    gap = found.difference("beam", 2, "best-of-n")
    assert gap.mean == pytest.approx(0.9 - 0.75)
    assert gap.low < gap.mean < gap.high
    assert found.mean("accuracy", "beam", 2) == pytest.approx(0.9)
    assert found.mean("policy tokens", "best-of-n", 4) == 400


def test_the_interval_at_one_common_size_is_that_of_the_paired_mean():
    ours = attempts([1] * 30 + [0] * 10, 100)
    theirs = attempts([1] * 20 + [0] * 20, 100)
    lines = [a_line("beam", "search", n1=ours), a_line("vote", "best of n", n1=theirs)]
    gap = measure(lines, Options(num_resamples=4000)).difference("beam", 1, "vote")
    spread = 1.96 * math.sqrt(0.25 * 0.75 / 40)
    assert gap.mean == pytest.approx(0.25)
    assert gap.low == pytest.approx(0.25 - spread, abs=0.02)
    assert gap.high == pytest.approx(0.25 + spread, abs=0.02)
    assert gap.p_value < 0.01


@pytest.mark.parametrize(
    ("tokens", "is_compared"), [(95.3, True), (95, False), (420, True), (421, False)]
)
def test_a_line_is_not_extrapolated(tokens, is_compared):
    beam = a_line("beam", "search", n1=attempts([1] * 40, tokens))
    found = measure([beam, half_and_all()], OPTIONS)
    gap = found.difference("beam", 1, "best-of-n")
    assert (gap is not None) is is_compared
    if is_compared:
        assert gap.mean == pytest.approx(0.5 if tokens < 100 else 0.0)
    else:
        assert any("beam at n = 1" in one and "not compared" in one for one in warnings(found))


def test_tokens_of_the_scorer_count_at_their_rate():
    scored = {"scored_tokens": 50, "read_tokens": 10}
    beam = a_line("beam", "search", n1=attempts([1] * 40, 100, **scored))
    found = measure([beam, half_and_all()], OPTIONS, exchange=3.8)
    assert found.mean("all tokens", "beam", 1) == pytest.approx(100 + 10 + 190)
    gap = found.difference("beam", 1, "best-of-n", cost="all tokens")
    assert gap.mean == pytest.approx(0.5 * (1 - math.log(3) / math.log(4)))


def test_tokens_that_a_scorer_does_not_tell_are_never_zero():
    beam = a_line("beam", "search", n1=attempts([1] * 40, 100, scored_tokens=None))
    found = measure([beam, half_and_all()], OPTIONS)
    assert found.mean("all tokens", "beam", 1) is None
    assert found.difference("beam", 1, "best-of-n", cost="all tokens") is None
    assert any("does not say how many tokens" in one for one in warnings(found))


def test_problems_without_a_reference_are_counted_and_left_out():
    right = [1, 0, None, 1, None]
    lines = [
        a_line("beam", "search", n1=attempts(right, 100)),
        a_line("best-of-n", "best of n", n1=attempts(right, 100)),
    ]
    found = measure(lines, OPTIONS)
    assert (found.num_problems, found.left_out) == (3, {NO_REFERENCE: 2})
    assert found.mean("accuracy", "beam", 1) == pytest.approx(2 / 3)
    assert any(one.startswith("2 problems are left out") for one in warnings(found))
    with pytest.raises(UsageError, match="none of 2 problems has a reference"):
        measure([a_line("beam", "search", n1=attempts([None, None], 1))])


def test_other_problems_are_refused_and_named():
    lines = [
        a_line("beam", "search", n1=attempts([1, 1, 1], 100)),
        a_line("vote", "best of n", n4=attempts([1, 1], 100)),
    ]
    with pytest.raises(UsageError, match="1 only in beam at n = 1, such as 'p2'"):
        measure(lines)
    with pytest.raises(UsageError, match="1 only in beam at n = 4, such as 'p2'"):
        measure([a_line("beam", "search", n1=attempts([1, 1], 1), n4=attempts([1, 1, 1], 1))])


def test_the_order_of_problems_means_nothing():
    own = attempts([1, 0, 1, 0], 100)
    turned = dict(reversed(own.items()))
    lines = [a_line("beam", "search", n1=own), a_line("vote", "best of n", n1=turned)]
    gap = measure(lines, OPTIONS).difference("beam", 1, "vote")
    assert (gap.mean, gap.low, gap.high) == (0, 0, 0)


def test_a_problem_that_comes_twice_is_two():
    assert keys_of(["a", "b", "a"]) == ["a", "b", "a (number 2)"]


def test_it_is_loud_where_search_loses_and_where_it_is_not_shown_to_win():
    lines = [
        a_line("beam", "search", n1=attempts([0] * 40, 100)),
        a_line("dvts", "search", n1=attempts([1, 1] + [0, 1] * 19, 100)),
        a_line("mcts", "search", n1=attempts([1] * 40, 100)),
        half_and_all(),
    ]
    told = metrics(measure(lines, OPTIONS))["warnings"]
    assert told[0].startswith("beam at n = 1 (100 policy tokens a problem) DOES HARM: it loses to")
    assert any(one.startswith("dvts") and "DOES NOT BEAT best-of-n" in one for one in told)
    assert not any(one.startswith("mcts") for one in told)


def test_searches_that_ended_early_are_told():
    some = attempts([1, 0, 0], 100)
    some["p2"] = Attempt(right=0, new_tokens=3, ended="budget")
    found = measure([a_line("beam", "search", n1=some)], OPTIONS)
    assert found.mean("accuracy", "beam", 1) == pytest.approx(1 / 3)
    assert any("1 of 3 searches ended early (1 budget)" in one for one in warnings(found))


def test_two_methods_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two methods are called 'best-of-n'"):
        measure([half_and_all(), half_and_all()])


@given(
    st.lists(st.floats(1, 1e6), min_size=1, max_size=6, unique=True),
    st.floats(0.5, 2e6),
    st.randoms(use_true_random=False),
)
def test_reading_off_is_interpolation_over_log_tokens(tokens, wanted, draw):
    reached = [draw.random() for _ in tokens]
    order = np.argsort(tokens)
    expected = np.interp(
        math.log(wanted), np.log(np.array(tokens)[order]), np.array(reached)[order]
    )
    got = read_off(np.array([wanted]), np.array([tokens]), np.array([reached]))
    assert got[0] == pytest.approx(expected, abs=1e-6)

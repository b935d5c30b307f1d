"""The sentences say what the intervals carry, for good and for bad."""

import pytest

from surefoot.reports import verdicts
from surefoot.reports.words import at, interval, method, p_value, points, sizes_of
from surefoot.traces.display.text import visible


def plain(text):
    return text.replace("\u00a0", " ")


def shift(summary, mean, half):
    """The paired difference of the title replaced."""
    summary["paired"][0]["difference"] = {"mean": mean, "low": mean - half, "high": mean + half}
    return summary


@pytest.mark.parametrize(
    ("figure", "low", "high", "tone"),
    [
        ("accuracy", 0.01, 0.2, "better"),
        ("accuracy", -0.2, -0.01, "worse"),
        ("accuracy", -0.01, 0.2, "same"),
        ("accuracy", 0.0, 0.2, "same"),
        ("accuracy", -0.2, 0.0, "same"),
        ("accuracy", 0.0, 0.0, "same"),
        ("sound", 0.01, 0.2, "better"),
        ("flawed_share", 0.01, 0.2, "worse"),
        ("flawed_share", -0.2, -0.01, "better"),
        ("flawed_share", -0.2, 0.01, "same"),
    ],
)
def test_a_difference_is_shown_only_when_its_interval_leaves_zero(figure, low, high, tone):
    pair = {"figure": figure, "difference": {"mean": (low + high) / 2, "low": low, "high": high}}
    assert verdicts.tone(pair) == tone


def test_the_title_claims_no_more_than_the_pair_shows(summary):
    assert plain(verdicts.title(summary)) == (
        "With 16 candidates, a vote weighed by step rewards is right in 80.0 % of problems; "
        "a plain majority in 58.0 %"
    )
    assert "no difference was shown" in verdicts.title(shift(summary, 0.22, 0.3))
    assert "did harm" in verdicts.title(shift(summary, -0.1, 0.05))
    summary["paired"] = []
    assert plain(verdicts.title(summary)).endswith("was not compared with majority at N = 16")


def test_the_headline_has_fixed_pairs_right_answers_first(summary):
    found = verdicts.headline(summary)
    assert [one.tone for one in found] == ["better", "same", "worse", "better", "worse", "same"]
    texts = [plain(one.text) for one in found]
    assert texts[0] == (
        "PRM vote is right in 80.0 % of problems, majority in 58.0 %: "
        "+22.0 points [17.0, 27.0], p = 0.002; in favour of step rewards."
    )
    assert texts[1].endswith(
        "[−5.0, 55.0], p = 0.400; the interval includes 0, so no difference is shown."
    )
    assert texts[2].endswith("−10.0 points [−12.0, −8.0], p = 0.002; step rewards did harm here.")
    assert texts[3].startswith("Of the right answers of PRM vote, 25.0 % rest on a flawed chain;")
    assert (
        texts[5] == "PRM + log-prob against log-prob, flawed among right: not compared at N = 16."
    )


def test_a_pair_at_a_smaller_n_does_not_enter_the_headline(summary):
    summary["paired"][0]["n"] = 4
    assert "not compared" in verdicts.headline(summary)[0].text


def test_harm_is_told_for_each_prm_method_below_majority(summary):
    (line,) = verdicts.harms(summary)
    assert plain(line) == (
        "PRM product, below majority at N = 16. At N = 16: 30.0 % [25.0, 35.0] against "
        "58.0 % [53.0, 63.0]."
    )
    summary["best_of_n"]["prm_vote"]["4"]["accuracy"] = {"mean": 0.49, "low": 0.4, "high": 0.6}
    vote, product = verdicts.harms(summary)
    assert plain(vote).startswith("PRM vote, below majority at N = 4.")
    assert vote.endswith("; the intervals overlap.")
    assert product.startswith("PRM product")


def test_harm_at_several_n_tells_the_largest(summary):
    for n in ("4", "16"):
        summary["best_of_n"]["prm_vote"][n]["accuracy"] = {"mean": 0.3, "low": 0.2, "high": 0.4}
    vote, _ = verdicts.harms(summary)
    assert plain(vote) == (
        "PRM vote, below majority at N = 4, 16. At N = 16: 30.0 % [20.0, 40.0] against "
        "58.0 % [53.0, 63.0]."
    )


def test_equal_up_to_rounding_is_no_harm(summary):
    del summary["best_of_n"]["prm_product"]
    summary["best_of_n"]["prm_vote"]["1"]["accuracy"]["mean"] -= 1e-15
    assert verdicts.harms(summary) == []


def test_over_optimisation_names_the_peak_and_the_fall(summary):
    (falls,) = verdicts.over_optimised(summary)
    assert falls.tone == "worse"
    assert plain(falls.text) == (
        "PRM product: 56.0 % right at its best, N = 4, and 30.0 % at N = 16: −26.0 points, "
        "the intervals lie apart."
    )
    summary["best_of_n"]["prm_product"]["16"]["accuracy"] = {"mean": 0.5, "low": 0.4, "high": 0.6}
    assert verdicts.over_optimised(summary)[0].tone == "same"
    summary["best_of_n"]["prm_product"]["16"]["accuracy"]["mean"] = 0.57
    (holds,) = verdicts.over_optimised(summary)
    assert holds.tone == "better"
    assert holds.text.endswith("the largest N: it does not fall.")


def test_numbers_in_words():
    assert interval({"mean": 0.1, "low": -0.051, "high": 0.2}) == "[−5.1, 20.0]"
    assert (points(0.1234), points(-0.03)) == ("+12.3", "−3.0")
    assert (p_value(0.0004), p_value(0.012)) == ("p < 0.001", "p = 0.012")
    assert at(64) == "N\u00a0=\u00a064"
    assert visible("a\x00b\u202ec\nd") == "a\\x00b\\u202ec\nd"


def test_sizes_are_numbers_in_order(summary):
    summary["best_of_n"]["random"]["8"] = summary["best_of_n"]["random"]["4"]
    assert sizes_of(summary) == [1, 4, 8, 16]


def test_an_unknown_method_keeps_its_name_and_finds_its_family():
    assert method("prm_geometric").label == "prm_geometric"
    names = ("prm_geometric", "prm-control_geometric", "orm_min", "length", "majority")
    assert [method(one).family for one in names] == ["prm", "arm", "orm", "control", "control"]

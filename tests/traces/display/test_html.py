"""A trace and its scores as HTML: what is said of each step, escaped, and how much is left out."""

import subprocess
import sys

import pytest

from surefoot.traces.display.html import scores_html
from surefoot.traces.display.steps import running_aggregates, shown_steps
from surefoot.traces.types import StepLabels, StepScores, Trace


@pytest.fixture
def trace():
    return Trace(
        "What is $2+2$?",
        ["<b>4</b>", "So 5.", "Done."],
        answer="5",
        reference="4",
        outcome=False,
        labels=(
            StepLabels((1, -1, None)),
            StepLabels((1.0, 0.25, 0.0), "rollout", "value", counts=((8, 8), (2, 8), (0, 8))),
        ),
        scores=(
            StepScores((0.9, 0.4, None), "prm"),
            StepScores((0.8, 0.5, 0.5), "b", threshold=0.6),
        ),
    )


def test_each_step_has_every_score_label_and_first_error(trace):
    steps = shown_steps(trace)
    assert [one.right for one in steps] == [True, False, None]
    assert [(one.value, one.flagged, one.so_far) for one in steps[1].scores] == [
        (0.4, True, 0.4),
        (0.5, True, 0.5),
    ]
    assert [one.votes for one in steps[1].labels] == [None, "2/8"]
    assert steps[1].first_error_of == ("human", "rollout", "prm", "b")
    assert steps[2].scores[0].so_far == 0.4


def test_aggregates_grow_by_the_rule_and_end_where_it_does_not_hold():
    product = StepScores((0.5, None, 0.5), "m", default_aggregate="product")
    assert running_aggregates(product) == [0.5, 0.5, 0.25]
    negative = StepScores((2.0, -1.0), "m", "reward", default_aggregate="product")
    assert running_aggregates(negative) == [2.0, None]


def test_notebooks_show_a_trace_escaped_and_without_script(trace):
    page = trace._repr_html_()
    assert "&lt;b&gt;4&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert "http" not in page
    assert "<math" in page
    assert "answer 5: ✗ wrong" in page
    assert "reference 4" in page
    assert "prm: min 0.40, flags step 1 first" in page


def test_notebooks_show_scores_by_step():
    page = StepScores((0.9, 0.2, None), "a<b")._repr_html_()
    assert "a&lt;b · probability · min 0.20 · step 1 is the first below 0.50" in page
    assert '<li class="wrong"><small>1</small>✗ 0.20</li>' in page
    assert '<li class="unknown"><small>2</small>–</li>' in page


def test_what_is_left_out_is_counted():
    long = Trace("p" * 3_000, ["s"] * 100, scores=(StepScores((0.5,) * 100, "m"),))
    assert "1,000 more characters" in long._repr_html_()
    assert "40 more steps" in long._repr_html_()
    assert "40 more steps" in scores_html(long.scores[0])


def test_traces_load_no_display_until_they_are_shown():
    code = "import sys, surefoot.traces.types; print('surefoot.traces.display.html' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

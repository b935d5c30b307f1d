"""The features of a trace see the question, the steps so far, and nothing else."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up import traces
from surefoot.models.features.vector import FEATURES, Walk, features_of
from surefoot.traces.types import Step, StepLabels, Trace

PIECES = st.sampled_from(
    [
        "Let $x = 3$",
        "so 3 + 4 = 7",
        r"\(x^2 = 9\)",
        "2 * 5 = 11",
        "Wait,",
        "the answer is 12",
        r"\[f(x) = x + 1\]",
        "a = b",
        "½ ² ٣",
    ]
)
WORDING = st.lists(st.one_of(PIECES, st.text(min_size=1, max_size=8)), min_size=1, max_size=4)
STEP = WORDING.map(" ".join).filter(lambda text: bool(text.strip()))


def test_names_are_distinct_and_every_step_has_all() -> None:
    assert len(FEATURES) == len(set(FEATURES))
    walk = Walk("What is 3 + 4?")
    assert all(tuple(walk.step(text)) == FEATURES for text in ("", "3 + 4 = 7", "$x = 2$"))


def test_a_row_for_each_step_in_order() -> None:
    found = features_of(Trace("What is 3 + 4?", ["Add.", "3 + 4 = 8", "The answer is 8."]))
    assert found.shape == (3, len(FEATURES))
    assert list(found[:, FEATURES.index("fails")]) == [0, 1, 0]
    assert list(found[:, FEATURES.index("past_failed")]) == [0, 0, 1]
    assert list(found[:, FEATURES.index("position")]) == [0, 1, 2]
    assert list(found[:, FEATURES.index("final")]) == [0, 0, 1]


@settings(max_examples=50, deadline=None)
@given(STEP, st.lists(STEP, min_size=1, max_size=3), st.lists(STEP, max_size=3), st.lists(STEP))
def test_later_steps_change_nothing(
    problem: str, steps: list[str], one: list[str], other: list[str]
) -> None:
    first = features_of(Trace(problem, [*steps, *one]))[: len(steps)]
    second = features_of(Trace(problem, [*steps, *other]))[: len(steps)]
    assert first.tobytes() == second.tobytes()


def test_earlier_steps_and_the_question_do() -> None:
    last = r"so \(x = 4\)"
    plain = features_of(Trace("?", ["Think.", last]))[1]
    assert not np.array_equal(plain, features_of(Trace("?", [r"\(x = 5\)", last]))[1], True)
    assert not np.array_equal(plain, features_of(Trace("4 and 5?", ["Think.", last]))[1], True)


@settings(max_examples=50, deadline=None)
@given(traces())
def test_any_trace_has_features(trace: Trace) -> None:
    found = features_of(trace)
    assert found.shape == (len(trace.steps), len(FEATURES))
    assert not np.isinf(found).any()


def test_labels_observations_and_outcome_are_not_read() -> None:
    bare = Trace("What is 3 + 4?", ["3 + 4 = 7", "Done."])
    told = Trace(
        bare.problem,
        [Step("3 + 4 = 7", observation="wrong"), "Done."],
        answer="8",
        reference="7",
        outcome=False,
        source="elsewhere",
        labels=[StepLabels((-1, -1))],
    )
    assert features_of(bare).tobytes() == features_of(told).tobytes()


def test_a_very_long_step_takes_no_time_to_speak_of() -> None:
    begun = time.process_time()
    features_of(Trace("?", [r"\(x = 3 + 4 = 7\), 2 * 5 = 10. " * 300, "17 " * 5000]))
    assert time.process_time() - begun < 10

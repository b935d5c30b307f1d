import copy
import dataclasses
import hashlib
import math
import pickle
import subprocess
import sys

import pytest

from surefoot import Step, StepLabels, StepScores, Trace
from surefoot.errors import AbstainedError, SurefootError, TraceError, UsageError
from surefoot.traces.types import canonical_json


def trace(**fields):
    return Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 17."], **fields)


class TestStep:
    def test_text_and_observation(self):
        step = Step("look", {"seen": ["car", 3, 1.5, None, True]})
        assert step.observation == {"seen": ["car", 3, 1.5, None, True]}
        assert Step("", "an answer without words").text == ""
        assert Step("x").observation is None

    def test_is_frozen_and_hashable(self):
        step = Step("look", {"a": [1]})
        with pytest.raises(dataclasses.FrozenInstanceError):
            step.text = "x"
        assert hash(step) == hash(Step("look", {"a": [1]}))
        assert not hasattr(step, "__dict__")

    def test_the_observation_is_a_copy_in_plain_json(self):
        given = {"a": (1, 2)}
        step = Step("look", given)
        given["a"] = "changed"
        assert step.observation == {"a": [1, 2]}

    @pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003"])
    def test_empty(self, text):
        with pytest.raises(TraceError, match="empty"):
            Step(text)

    @pytest.mark.parametrize("text", ["a\ud800b", "\udcff"])
    def test_lone_surrogate(self, text):
        with pytest.raises(
            TraceError, match=f"surrogate at character {text.find(text.strip('ab'))}"
        ):
            Step(text)

    @pytest.mark.parametrize("text", [None, 3, b"x", ["x"]])
    def test_not_text(self, text):
        with pytest.raises(TraceError, match="must be text"):
            Step(text)

    @pytest.mark.parametrize(
        ("observation", "says"),
        [
            ({1: "x"}, "key of observation is int"),
            ({"a": {"b": math.nan}}, "observation.a.b is nan"),
            ([0, math.inf], "observation.1 is inf"),
            ({"a": object()}, "observation.a is object"),
            (b"x", "bytes"),
            ("\ud800", "surrogate"),
            ({"\ud800": 1}, "surrogate"),
            (2**5000, "bits"),
        ],
    )
    def test_observation_that_json_cannot_hold(self, observation, says):
        with pytest.raises(TraceError, match=says):
            Step("look", observation)

    def test_nesting_has_a_limit(self):
        deep = 0
        for _ in range(100):
            deep = [deep]
        assert Step("look", deep).observation == deep
        with pytest.raises(TraceError, match="observation is nested more than 100"):
            Step("look", [deep])

    def test_marker_strings_and_nul_are_plain_text(self):
        for text in ("<|im_end|>", "ки", "<extra_0>", "[PRM]", "a\0b", "\U0001f600"):
            assert Step(text).text == text


class TestStepLabels:
    def test_ratings(self):
        labels = StepLabels([1, 0, -1, None])
        assert labels.values == (1, 0, -1, None)
        assert [labels.is_right(i) for i in range(4)] == [True, True, False, None]
        assert labels.is_right(1, neutral=False) is False

    def test_values(self):
        labels = StepLabels((0.5, 0.49, 1, None), source="rollout", scale="value")
        assert [labels.is_right(i) for i in range(4)] == [True, False, True, None]
        assert labels.is_right(0, threshold=0.6) is False

    def test_numbers_are_kept_alike_however_given(self):
        assert repr(StepLabels((1.0, -1)).values) == "(1, -1)"
        assert repr(StepLabels((1, 0.25), scale="value").values) == "(1.0, 0.25)"

    @pytest.mark.parametrize("value", [2, 0.5, -0.5, "1", True, math.nan, math.inf, 10**400])
    def test_no_rating(self, value):
        with pytest.raises(TraceError, match="label 1 is"):
            StepLabels((1, value))

    @pytest.mark.parametrize("value", [-1, -0.01, 1.01, "0.5", False, math.nan, -math.inf])
    def test_no_value(self, value):
        with pytest.raises(TraceError, match="label 0 is"):
            StepLabels((value,), scale="value")

    def test_wrong_source_scale_annotator(self):
        with pytest.raises(TraceError, match=r"label source is 'robot'.*human, rollout"):
            StepLabels((1,), source="robot")
        with pytest.raises(TraceError, match=r"label scale is 'stars'.*rating, value"):
            StepLabels((1,), scale="stars")
        with pytest.raises(TraceError, match="annotator is int"):
            StepLabels((1,), annotator=7)

    def test_counts(self):
        labels = StepLabels((0.75, None), "rollout", "value", counts=[[6, 8], None])
        assert labels.counts == ((6, 8), None)

    @pytest.mark.parametrize(
        ("counts", "says"),
        [
            (((1, 2),), "1 counts for 2 labels"),
            (((3, 2), None), "count 0 is 3 of 2"),
            (((-1, 2), None), "count 0 is -1 of 2"),
            ((None, (2.7, 3)), "count 1 is 2.7 of 3; both must be whole"),
            ((None, (True, 3)), "whole"),
            ((None, (1,)), "pair"),
            ((None, "12"), "pair"),
        ],
    )
    def test_bad_counts(self, counts, says):
        with pytest.raises(TraceError, match=says):
            StepLabels((0.5, 0.5), "rollout", "value", counts=counts)

    def test_first_error(self):
        assert StepLabels((1, -1, None)).first_error() == 1
        assert StepLabels((1, 0, 1)).first_error() is None
        assert StepLabels((1, 0, 1)).first_error(neutral=False) == 1
        assert StepLabels((0.9, 0.3), scale="value").first_error(threshold=0.2) is None
        assert StepLabels((0.9, 0.3), scale="value").first_error() == 1

    def test_first_error_that_is_not_known(self):
        labels = StepLabels((1, None, -1))
        assert not labels.knows_first_error()
        with pytest.raises(TraceError, match="step 1 is unlabelled"):
            labels.first_error()
        assert StepLabels((1, -1, None)).knows_first_error()
        assert StepLabels((1, 1)).knows_first_error()
        assert StepLabels((0, None)).knows_first_error(neutral=False)


class TestStepScores:
    def test_the_loss_of_the_readme(self):
        scores = StepScores((0.95, 0.80, 0.15), model="m")
        assert f"{scores.loss():.4f}" == "0.7239"
        assert scores.aggregate() == 0.15
        assert scores.aggregate("mean") == pytest.approx(1.9 / 3)
        assert scores.first_error() == 2
        assert scores.first_error(0.9) == 1
        assert scores.first_error(0.1) is None

    def test_defaults_come_from_the_contract(self):
        scores = StepScores((0.6, 0.7), "m", default_aggregate="last", threshold=0.65)
        assert scores.aggregate() == 0.7
        assert scores.first_error() == 0

    def test_abstained_steps_are_left_out(self):
        scores = StepScores((None, 0.5, None), model="m")
        assert scores.scored == (0.5,)
        assert scores.aggregate("product") == 0.5
        assert scores.loss() == pytest.approx(math.log(2))
        assert StepScores((None, 0.1), model="m").first_error() == 1

    def test_abstained_on_all(self):
        scores = StepScores((None, None), model="arithmetic")
        assert scores.first_error() is None
        for ask in (scores.aggregate, scores.loss):
            with pytest.raises(AbstainedError, match="arithmetic abstained on all 2 steps"):
                ask()

    def test_loss_needs_probabilities(self):
        with pytest.raises(TraceError, match="log-ratio"):
            StepScores((0.5,), "m", kind="log-ratio").loss()

    def test_bounds_depend_on_the_kind(self):
        assert StepScores((-3.5, 12), "m", kind="log-ratio").values == (-3.5, 12.0)
        for bad in (1.01, -0.01):
            with pytest.raises(TraceError, match=r"score 1 is .*probability"):
                StepScores((0.5, bad), "m")

    @pytest.mark.parametrize("bad", [math.nan, math.inf, "0.5", True, 2**53 + 1])
    def test_no_number(self, bad):
        with pytest.raises(TraceError, match="score 0 is"):
            StepScores((bad,), "m", kind="log-ratio")

    def test_bad_fields(self):
        with pytest.raises(TraceError, match=r"aggregate is 'median'.*min, product"):
            StepScores((0.5,), "m", default_aggregate="median")
        with pytest.raises(TraceError, match="score kind"):
            StepScores((0.5,), "m", kind="stars")
        with pytest.raises(TraceError, match="model is NoneType"):
            StepScores((0.5,), None)
        with pytest.raises(TraceError, match="threshold is nan"):
            StepScores((0.5,), "m", threshold=math.nan)
        with pytest.raises(UsageError, match="no aggregate"):
            StepScores((0.5,), "m").aggregate("median")


class TestTrace:
    def test_strings_become_steps(self):
        assert trace().steps == (Step("3*4 = 12."), Step("12+5 = 17."))
        assert trace().texts == ("3*4 = 12.", "12+5 = 17.")

    def test_labels_and_scores_gather(self):
        human, judge = StepLabels((1, 1)), StepLabels((1, -1), source="judge")
        scores = StepScores((0.5, 0.5), "m")
        full = trace().with_labels(human).with_labels(judge).with_scores(scores)
        assert full.labels == (human, judge)
        assert full.scores == (scores,)
        assert full.labels_from("judge") is judge
        assert full.labels_from() is human
        assert full.labels_from("rollout") is None
        assert trace().labels == ()

    def test_equality_hash_pickle_copy(self):
        one = trace(meta={"a": [1]}, labels=[StepLabels((1, None))])
        assert one == trace(meta={"a": [1]}, labels=[StepLabels((1, None))])
        assert one != trace()
        assert len({one, trace(meta={"a": [1]}, labels=[StepLabels((1, None))])}) == 1
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) == one
        assert not hasattr(one, "__dict__")

    def test_equal_traces_have_equal_hashes(self):
        assert Trace("p", [Step("a", 1)]) == Trace("p", [Step("a", 1.0)])
        assert hash(Trace("p", [Step("a", 1)])) == hash(Trace("p", [Step("a", 1.0)]))

    def test_meta_is_a_copy_in_plain_json(self):
        given = {"a": {"b": (1, 2)}}
        one = trace(meta=given)
        given["a"]["b"] = 3
        assert one.meta == {"a": {"b": [1, 2]}}

    @pytest.mark.parametrize("problem", ["", "  ", "\n"])
    def test_empty_problem(self, problem):
        with pytest.raises(TraceError, match="problem is empty"):
            Trace(problem, ["a"])

    def test_no_steps(self):
        with pytest.raises(TraceError, match="at least one step"):
            Trace("p", [])

    def test_one_string_is_not_a_list_of_steps(self):
        with pytest.raises(TraceError, match="list of steps"):
            Trace("p", "abc")

    @pytest.mark.parametrize("bad", ["", " ", None, 5, "\ud800"])
    def test_a_bad_step_is_named(self, bad):
        with pytest.raises(TraceError, match="step 1: "):
            Trace("p", ["a", bad, "c"])

    @pytest.mark.parametrize("field", ["problem", "answer", "reference", "source"])
    def test_bad_text_fields(self, field):
        for bad, says in ((7, "int"), ("\udfff", "surrogate"), (b"x", "bytes")):
            with pytest.raises(TraceError, match=f"{field} .*{says}"):
                Trace(**{"problem": "p", "steps": ["a"], field: bad})

    def test_bad_outcome_and_meta(self):
        with pytest.raises(TraceError, match="outcome is 1"):
            trace(outcome=1)
        with pytest.raises(TraceError, match="meta is list"):
            trace(meta=[1])
        with pytest.raises(TraceError, match=r"meta\.a is nan"):
            trace(meta={"a": math.nan})

    def test_wrong_lengths(self):
        with pytest.raises(TraceError, match="labels 1 has 3 values for 2 steps"):
            trace(labels=[StepLabels((1, 1)), StepLabels((1, 1, 1))])
        with pytest.raises(TraceError, match="scores 0 has 1 values for 2 steps"):
            trace(scores=[StepScores((0.5,), "m")])
        with pytest.raises(TraceError, match="labels 0 has 1 values"):
            trace().with_labels(StepLabels((1,)))

    def test_labels_must_be_labels(self):
        with pytest.raises(TraceError, match="labels 0 is list; it must be StepLabels"):
            trace(labels=[[1, 1]])
        with pytest.raises(TraceError, match="scores 0 is StepLabels"):
            trace(scores=[StepLabels((1, 1))])

    def test_errors_are_also_value_errors(self):
        with pytest.raises(ValueError, match="empty") as caught:
            Trace("", ["a"])
        assert isinstance(caught.value, SurefootError)

    def test_a_very_long_trace(self):
        long = Trace("p", [f"step {i}" for i in range(100_000)])
        assert len(long.steps) == 100_000
        assert len(long.id) == 20
        assert long.with_labels(StepLabels((None,) * 100_000)).id == long.id

    def test_parse(self):
        text = "Step 1: a\nStep 2: b"
        assert Trace.parse("p", text).texts == ("a", "b")
        assert Trace.parse("p", text, split="lines").texts == ("Step 1: a", "Step 2: b")
        assert Trace.parse("p", "a#b", separator="#", answer="b").texts == ("a", "b")


class TestId:
    def test_golden(self):
        content = '["What is 3*4+5?",[["3*4 = 12.",null],["12+5 = 17.",null]]]'
        assert trace().id == hashlib.sha256(content.encode()).hexdigest()[:20]
        assert trace().id == "c81f12886669cff62c0f"

    def test_golden_with_unicode_and_observations(self):
        observation = {"b": [1, 1.0, 0.1, 1e300, None, True], "a": "é\0"}
        one = Trace("ки \U0001f600", [Step("<|im_end|>", observation), "x\ny"])
        assert one.id == "93292b727275de364712"

    def test_only_problem_and_steps_count(self):
        full = trace(
            answer="17", reference="17", outcome=True, source="s", meta={"a": 1}
        ).with_labels(StepLabels((1, 1)))
        assert full.id == trace().id

    def test_no_two_contents_share_one(self):
        traces = [
            Trace("p", ["a", "b"]),
            Trace("p", ["a b"]),
            Trace("p", ["b", "a"]),
            Trace("p a", ["b"]),
            Trace("p", ["a", Step("b", "")]),
            Trace("p", ["a", Step("b", "x")]),
            Trace("p", ['a","b']),
        ]
        assert len({one.id for one in traces}) == len(traces)

    def test_key_order_does_not_matter(self):
        assert (
            Trace("p", [Step("a", {"x": 1, "y": 2})]).id
            == Trace("p", [Step("a", {"y": 2, "x": 1})]).id
        )

    def test_the_same_in_every_process(self):
        code = "import surefoot; print(surefoot.Trace('p', ['a', 'b']).id)"
        found = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for seed in ("1", "2")
        }
        assert found == {Trace("p", ["a", "b"]).id}

    def test_canonical_json(self):
        assert canonical_json({"b": 1, "a": [1.0, "é"]}) == '{"a":[1.0,"é"],"b":1}'
        with pytest.raises(ValueError, match="Out of range"):
            canonical_json(math.nan)

"""`load`: built-ins by name, and what is neither."""

import pytest

import surefoot
from surefoot.errors import ModelError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.hub import BUILT_IN
from surefoot.traces.types import StepScores, Trace


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_has_the_name_it_is_asked_for_by(name):
    model = surefoot.load(name)
    assert model.name == name
    one = model.score(Trace("?", ["1 + 1 = 2.", "So 2."]))
    assert (one.model, len(one.values)) == (name, 2)


def test_what_is_neither_is_told_what_there_is(tmp_path):
    with pytest.raises(ModelError, match=r"neither a folder, nor .*arithmetic, length, random"):
        surefoot.load("arithmetics")
    with pytest.raises(ModelError, match="neither a folder"):
        surefoot.load(tmp_path / "none")


class Careless(BatchScorer):
    name = "careless"

    def __init__(self, *values):
        self.values = values

    def score_batch(self, traces):
        return [StepScores(values, self.name) for values in self.values]


def test_exactly_one_score_for_each_step_or_an_error():
    traces = [Trace("?", ["a"]), Trace("?", ["a", "b"])]
    assert [s.values for s in Careless((0.1,), (0.2, None)).score(traces)] == [(0.1,), (0.2, None)]
    assert Careless((0.5,)).score(traces[0]).values == (0.5,)
    with pytest.raises(ModelError, match="careless scored 1 of 2 traces"):
        Careless((0.1,)).score(traces)
    with pytest.raises(ModelError, match=f"1 scores for the 2 steps of trace {traces[1].id}"):
        Careless((0.1,), (0.2,)).score(traces)


@pytest.mark.parametrize(
    "option", [{"dtype": "bfloat16"}, {"long": "windows"}, {"profile": "trl"}, {"device": "cpu"}]
)
def test_an_option_that_means_nothing_is_refused_not_passed_over(option):
    (name,) = option
    with pytest.raises(UsageError, match=f"{name} mean nothing for arithmetic"):
        surefoot.load("arithmetic", **option)


def test_a_server_is_asked_for_nothing_that_only_a_checkpoint_has():
    with pytest.raises(UsageError, match="dtype, long mean nothing for http"):
        surefoot.load("http://localhost:1", dtype="bfloat16", long="windows")

"""The thread that searches: its end, faults in a round, and searches that nobody waits for."""

import pytest

from abc_chains import abc_policy
from surefoot.models.base import BatchScorer
from surefoot.search.methods import method
from surefoot.search.settings import Settings
from surefoot.search.task import Limits, Task
from surefoot.serve.engine import CLOSING, ClosedError, Engine
from surefoot.traces.types import StepScores

ENDLESS = Settings(limits=Limits(max_steps=10**6, solution_tokens=10**6, step_tokens=4))


class Scorer(BatchScorer):
    """Gives each step 0.5, or raises what it is told to."""

    name = "half"
    fault = None

    def score_batch(self, traces):
        if self.fault is not None:
            raise self.fault
        return [StepScores((0.5,) * len(trace.steps), self.name) for trace in traces]


@pytest.fixture
def scorer():
    return Scorer()


@pytest.fixture
def engine(small_model, scorer):
    engine = Engine(abc_policy(small_model, max_positions=4096, a=1, b=1, c=1), scorer)
    yield engine
    engine.close()
    engine.join(30)


def test_what_is_under_way_when_the_grace_is_over_ends_with_what_it_has(engine):
    asked = engine.submit(Task("p"), method("beam", n=4), ENDLESS)
    engine.close(grace_s=0.3)
    with pytest.raises(ClosedError):
        engine.submit(Task("p"), method("beam", n=4), ENDLESS)
    found = asked.result(30)
    engine.join(30)
    assert (found.result.ended, found.result.why) == ("failed", CLOSING)
    assert not found.result.solutions[0].finished
    assert found.num_tokens[0] == len(found.result.best.steps)
    assert not engine.broken


def test_a_cancelled_search_ends_and_the_next_one_is_done(engine):
    gone = engine.submit(Task("p"), method("beam", n=4), ENDLESS)
    assert gone.cancel()
    short = Settings(limits=Limits(max_steps=3))
    assert engine.submit(Task("p"), method("beam", n=4), short).result(30).result.tree
    assert engine.counts.ended["gone"] + (engine.counts.begun == 1) == 1
    assert len(engine) == 0


def test_a_fault_of_torch_fails_the_round_and_not_the_engine(engine, scorer):
    scorer.fault = RuntimeError("out of memory")
    asked = [engine.submit(Task("p"), method("beam", n=2), ENDLESS) for _ in range(2)]
    for one in asked:
        with pytest.raises(RuntimeError, match="out of memory"):
            one.result(30)
    scorer.fault = None
    short = Settings(limits=Limits(max_steps=3))
    assert engine.submit(Task("p"), method("beam", n=2), short).result(30).result.tree


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_another_fault_ends_the_engine_and_leaves_nobody_waiting(engine, scorer):
    ends = []
    engine.on_end = lambda: ends.append(1)
    scorer.fault = KeyError("a fault of the program")
    with pytest.raises(RuntimeError, match="engine of the server has stopped"):
        engine.submit(Task("p"), method("beam", n=2), ENDLESS).result(30)
    engine.join(30)
    assert engine.broken
    assert ends == [1]
    with pytest.raises(ClosedError):
        engine.submit(Task("p"), method("beam", n=2), ENDLESS)

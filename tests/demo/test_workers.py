"""What the demo's workers do with chains."""

import dataclasses

import pytest

from surefoot.demo import workers
from surefoot.demo.config import SIZES, DemoConfig
from surefoot.errors import ModelError, UsageError
from surefoot.policies.base import Continuation, Prefix
from surefoot.traces.store import read_traces, write_traces
from surefoot.traces.types import StepScores, Trace


class Scripted:
    """Gives the chains of a script, call by call, and remembers what it was asked."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []

    def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
        self.asked.append(([p.problem for p in prefixes], n, seed))
        rows = self.script.pop(0) if self.script else [[()] * n for _ in prefixes]
        return [[Continuation(steps, -1.0, 3, True) for steps in row] for row in rows]


def test_a_silent_chain_is_drawn_again():
    policy = Scripted(
        [[("a",), ("b",)], [(), ("c",)], [(), ()]], [[("d",), ("e",)], [("f",), ()]], [[(), ("g",)]]
    )
    prefixes = [Prefix(name) for name in "xyz"]
    found = workers._chains(policy, prefixes, 2, seed=5, temperature=1.0)
    assert [[one.steps[0] for one in row] for row in found] == [["a", "b"], ["c", "d"], ["f", "g"]]
    assert [asked[:2] for asked in policy.asked] == [(list("xyz"), 2), (["y", "z"], 2), (["z"], 2)]
    assert policy.asked[0][2] == 5
    assert len({seed for _, _, seed in policy.asked}) == 3


def test_a_policy_that_never_writes_a_step_is_an_error():
    with pytest.raises(ModelError, match=r"wrote no step in 20 draws on 'x'; train it longer"):
        workers._chains(Scripted(), [Prefix("x")], 2, seed=5, temperature=1.0)


def test_no_chains_are_asked_for_where_none_are_wanted():
    policy = Scripted()
    assert workers._chains(policy, [Prefix("x")], 0, seed=5, temperature=1.0) == [[]]
    assert policy.asked == []


def test_hard_examples_are_the_favourites_and_some_others(tmp_path):
    values = [0.9, 0.1, 0.5, 0.7, 0.3, 0.2]
    traces = [
        Trace("p", [f"step {v}"], scores=[StepScores((0.0,), "orm"), StepScores((v,), "prm")])
        for v in values
    ]
    twice = [*traces, *traces[:3], Trace("q", ["alone"], scores=[StepScores((0.5,), "prm")])]
    write_traces(tmp_path / "scored.jsonl", twice)
    files = {"control": tmp_path / "control.jsonl", "hard": tmp_path / "hard.jsonl"}
    workers.choose_hard(tmp_path / "scored.jsonl", **files, model="prm", n=4, seed=0)
    hard, control = (
        [(t.problem, t.texts[0]) for t in read_traces(files[name])] for name in ("hard", "control")
    )
    assert hard[:3] == [("p", "step 0.9"), ("p", "step 0.7"), ("p", "step 0.5")]
    assert hard[3] in [("p", "step 0.1"), ("p", "step 0.3"), ("p", "step 0.2")]
    assert hard[4:] == control[4:] == [("q", "alone")]
    assert len(set(control[:4])) == 4
    assert files["control"].stat().st_mtime_ns <= files["hard"].stat().st_mtime_ns


def test_chains_that_occur_twice_are_learned_once(tmp_path):
    first, second = Trace("p", ["a"]), Trace("p", ["b"])
    write_traces(tmp_path / "1.jsonl", [first, first])
    write_traces(tmp_path / "2.jsonl", [second, first])
    files = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    assert [t.texts for t in workers._distinct(files)] == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("seed", 2**32), ("policy_updates", 0), ("test_samples", 0), ("rounds", -1)],
)
def test_sizes_that_cannot_work(name, value):
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        DemoConfig(**{name: value})


def test_the_numbers_of_candidates_are_powers_of_two():
    assert DemoConfig(test_samples=64).ns == (1, 2, 4, 8, 16, 32, 64)
    assert DemoConfig(test_samples=7).ns == (1, 2, 4)
    assert set(SIZES) == {"quick", "standard", "long"}
    assert all(dataclasses.is_dataclass(size) for size in SIZES.values())

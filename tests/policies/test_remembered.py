"""A policy that keeps what it wrote: the same as the policy, and never asked twice."""

import pytest

from surefoot.errors import StorageError
from surefoot.policies.base import Continuation, Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.policies.remembered import RememberedPolicy

PREFIXES = [Prefix("Step 1: add 8."), Prefix("?", ("5 + 8 = 13.\u2028",), 2), Prefix("ки")]
SAMPLING = Sampling(max_new_tokens=8)


def texts(found):
    """Without log-probabilities, whose last digits depend on what is sampled together."""
    return [[(one.steps, one.num_tokens, one.finished) for one in row] for row in found]


@pytest.fixture
def policy(small_model, small_tokenizer):
    return LocalPolicy(small_model(), small_tokenizer, name="mine")


def test_what_is_known_is_not_asked_again(policy, tmp_path):
    plain = texts(policy.continue_prefixes(PREFIXES, 2, seed=1, sampling=SAMPLING))
    first = RememberedPolicy(policy, tmp_path / "kept.jsonl")
    assert first.name == "mine"
    first.continue_prefixes(PREFIXES[:1], 2, seed=1, sampling=SAMPLING)
    first.continue_prefixes(PREFIXES[1:2], 2, seed=1, sampling=SAMPLING)
    before = policy.usage.prompt_tokens
    again = RememberedPolicy(policy, tmp_path / "kept.jsonl")
    assert texts(again.continue_prefixes(PREFIXES, 2, seed=1, sampling=SAMPLING)) == plain
    read = policy.usage.prompt_tokens - before
    assert read == len(policy.tokenizer("ки\n")["input_ids"])
    one = again.continue_prefixes(PREFIXES, 1, seed=1, sampling=SAMPLING)
    assert texts(one) == [row[:1] for row in plain], "another number is another question"
    calls = policy.usage.calls
    for other in ({"seed": 2, "sampling": SAMPLING}, {"seed": 1, "sampling": Sampling(top_k=3)}):
        again.continue_prefixes(PREFIXES, 1, **other)
        assert policy.usage.calls == (calls := calls + 1), "so is another seed or sampling"
        again.continue_prefixes(PREFIXES, 1, **other)
        assert policy.usage.calls == calls
    again.forget()
    assert list(tmp_path.iterdir()) == []


def test_equal_prefixes_of_a_call_are_told_apart(policy, tmp_path):
    prefixes = [PREFIXES[0], PREFIXES[1], PREFIXES[0], PREFIXES[0]]
    plain = texts(policy.continue_prefixes(prefixes, 2, seed=1, sampling=SAMPLING))
    assert len({str(row) for row in plain}) == 4
    for _ in range(2):
        kept = RememberedPolicy(policy, tmp_path / "kept.jsonl")
        assert texts(kept.continue_prefixes(prefixes, 2, seed=1, sampling=SAMPLING)) == plain
    assert len((tmp_path / "kept.jsonl").read_bytes().splitlines()) == 4


def test_what_was_read_is_kept_too(policy, tmp_path):
    ask = {"seed": 1, "sampling": SAMPLING}
    first = RememberedPolicy(policy, tmp_path / "kept.jsonl").continue_prefixes(PREFIXES, 2, **ask)
    read = [[one.num_read for one in row] for row in first]
    assert sum(map(sum, read)) == policy.usage.prompt_tokens
    again = RememberedPolicy(policy, tmp_path / "kept.jsonl").continue_prefixes(PREFIXES, 2, **ask)
    assert [[one.num_read for one in row] for row in again] == read


def test_a_line_that_a_kill_cut_short_is_done_again(policy, tmp_path):
    file = tmp_path / "kept.jsonl"
    ask = {"seed": 1, "sampling": SAMPLING}
    plain = RememberedPolicy(policy, file).continue_prefixes(PREFIXES, 1, **ask)
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    again = RememberedPolicy(policy, file)
    calls = policy.usage.calls
    assert texts(again.continue_prefixes(PREFIXES, 1, **ask)) == texts(plain)
    assert policy.usage.calls == calls + 1
    assert file.read_bytes().count(b"\n") == whole.count(b"\n") == 3
    assert file.read_bytes().splitlines()[:2] == whole.splitlines()[:2]


def test_what_failed_is_tried_again(tmp_path):
    class Failing:
        name = "failing"
        asked = 0

        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            self.asked += len(prefixes)
            return [[Continuation((), None, 0, False, failed="no")] * n for _ in prefixes]

    failing = Failing()
    for _ in range(2):
        RememberedPolicy(failing, tmp_path / "kept.jsonl").continue_prefixes(PREFIXES, 1, seed=0)
    assert failing.asked == 2 * len(PREFIXES)


@pytest.mark.parametrize("text", ["{\n", "[]\n", '{"problem": "a"}\n'])
def test_a_file_of_something_else_is_refused(policy, tmp_path, text):
    (tmp_path / "kept.jsonl").write_text(text)
    with pytest.raises(StorageError, match="holds something else than continuations"):
        RememberedPolicy(policy, tmp_path / "kept.jsonl")

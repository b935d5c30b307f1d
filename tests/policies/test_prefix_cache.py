"""What a policy writes is the same with a cache between calls, and every token is read once."""

import itertools
import random
import sys
import threading

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from letters import LETTERS
from surefoot.errors import UsageError
from surefoot.policies.base import Prefix, Sampling, Usage
from surefoot.policies.local import LocalPolicy
from surefoot.policies.prefix_cache import PrefixCache
from surefoot.policies.sampling import own_spots, sample_rows

SIZES = {
    "vocab_size": 8,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}
REUSING = {
    "Qwen2": {},
    "Qwen3": {"head_dim": 8},
    "Llama": {},
    "Phi3": {},
    "Mixtral": EXPERTS,
    "GPTNeoX": {},
    "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "Bloom": {"n_layer": 2, "n_head": 4},
}
"""Kinds of positions: rotary ones in all or part of a head, learned ones, and slopes."""

WITHOUT = {
    "a window": ("Mistral", {"sliding_window": 6}, "DynamicSlidingWindowLayer"),
    "windows in some layers": ("Gemma2", {"head_dim": 8, "sliding_window": 6}, "SlidingWindow"),
    "convolutions": ("Lfm2", {"layer_types": ["conv", "full_attention"]}, "conv"),
    "a recurrent state": ("Mamba", {"state_size": 8}, "linear_attention"),
    "frequencies that follow the length": (
        "Llama",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
        "rotary frequencies",
    ),
    "positions that cannot be given": ("Mpt", {"d_model": 32, "n_layers": 2}, "on a probe"),
}


def model_of(family, **settings):
    config = getattr(transformers, f"{family}Config")(**SIZES | settings)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return getattr(transformers, f"{family}ForCausalLM")(config).eval()


@pytest.fixture(scope="module")
def models():
    """Made once for all examples."""
    return {family: model_of(family, **given) for family, given in REUSING.items()}


def written(model, prompts, n, seed, *, kept=None, usage=None):
    """Rows of at most 6 tokens that end at token 1 or behind token 2."""
    return sample_rows(
        model,
        prompts,
        [6] * len(prompts),
        n,
        ends=frozenset([1]),
        sampling=Sampling(),
        spots=own_spots([hash((seed, i)) % 2**31 for i in range(n * len(prompts))]),
        goes_on=lambda row: row.tokens[-1] != 2,
        usage=usage or Usage(),
        kept=kept,
    )


class Bookkeeper:
    """Which sequences a cache without a limit knows, by the simplest means there are."""

    def __init__(self):
        self.known = set()

    def reads(self, prompts):
        """How many tokens each prompt takes; none for one that came before it."""
        return [
            0
            if prompt in prompts[:i]
            else len(prompt)
            - max(
                (k for k in range(1, len(prompt)) if tuple(prompt[:k]) in self.known),
                default=0,
            )
            for i, prompt in enumerate(prompts)
        ]

    def note(self, ids):
        self.known |= {tuple(ids[: k + 1]) for k in range(len(ids))}


@settings(max_examples=30, deadline=None)
@given(
    family=st.sampled_from([*REUSING]),
    seed=st.integers(0, 10_000),
    limit=st.sampled_from([1, 7, 20, 60, 10**6]),
)
def test_the_same_is_written_and_every_token_read_once(models, family, seed, limit):
    """A search of any shape: prompts go on from rows, or begin as others do, or are others."""
    draw = random.Random(seed)
    model, usage = models[family], Usage()
    kept, keeper = PrefixCache(model, limit), Bookkeeper()
    assert kept.reason is None
    grown = [[3, 4, 5], [3, 4, 6, 2], [7]]
    asked = 0
    for call in range(4):
        prompts = []
        for _ in range(draw.randint(1, 4)):
            start = draw.choice(grown)
            cut = start[: draw.randint(1, len(start))] if draw.random() < 0.4 else start
            prompts.append([*cut, *draw.choices(range(2, 8), k=draw.choice([0, 0, 1, 3]))])
        n = draw.randint(1, 3)
        plain = written(model, prompts, n, call)
        found = written(model, prompts, n, call, kept=kept, usage=usage)
        for one, other in zip(found, plain, strict=True):
            assert (one.tokens, one.finished) == (other.tokens, other.finished)
            assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
        assert kept.num_tokens == sum(len(node.ids) for node in kept._tree.nodes()) <= limit
        read = [row.num_read for row in found]
        assert not any(read[i] for i in range(len(read)) if i % n)
        if limit == 10**6:
            assert read[::n] == keeper.reads(prompts)
        asked += sum(map(len, prompts))
        assert usage.prompt_tokens + usage.cached_tokens == asked
        for row in found:
            sequence = [*prompts[row.prompt], *row.tokens]
            keeper.note(sequence if row.finished else sequence[:-1])
            grown.append(sequence)
        if limit == 10**6:
            assert kept.num_tokens == len(keeper.known)


@pytest.mark.parametrize("kind", WITHOUT)
def test_models_that_cannot_be_cut_go_on_without(kind):
    family, given, reason = WITHOUT[kind]
    if family == "Mpt":
        given = {**given, "n_heads": 4}
    model, usage = model_of(family, **given), Usage()
    kept = PrefixCache(model, 1000)
    assert reason in kept.reason
    prompts = [[3, 4, 5, 6, 3, 7, 2, 4], [5], [3, 4, 5, 6, 3, 7, 2, 5, 5, 6]]
    for call in range(3):
        rows = written(model, prompts, 2, call, kept=kept, usage=usage)
        plain = written(model, prompts, 2, call)
        assert [row.tokens for row in rows] == [row.tokens for row in plain]
        for row in rows:
            prompt = prompts[row.prompt]
            whole = [*prompt, *row.tokens, *[1] * row.finished]
            with torch.no_grad():
                logprobs = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
            own = [logprobs[k - 1, whole[k]] for k in range(len(prompt), len(whole))]
            assert row.logprob == pytest.approx(float(sum(own)), abs=1e-4)
        prompts = [[*prompts[row.prompt], *row.tokens] for row in rows][::2]
    assert (kept.num_tokens, usage.cached_tokens) == (0, 0)


def test_those_used_longest_ago_go_first(models):
    model = models["Llama"]
    kept = PrefixCache(model, 12)
    stems = {name: [first] * 4 for name, first in zip("abc", (3, 4, 5), strict=True)}

    def read(*names):
        usage = Usage()
        sample_rows(
            model,
            [stems[name] for name in names],
            [1] * len(names),
            1,
            ends=frozenset(),
            sampling=Sampling(temperature=0),
            spots=lambda rows: torch.zeros(len(rows), 1),
            goes_on=lambda row: False,
            usage=usage,
            kept=kept,
        )
        return usage.prompt_tokens

    assert [read(name) for name in "abc"] == [4, 4, 4]
    assert kept.num_tokens == 12
    assert read("a", "c") == 2, "the last token of each, for its logits"
    stems["d"] = [6] * 4
    assert read("d") == 4, "for which b goes"
    assert kept.num_tokens == 12
    assert [read("a"), read("c"), read("d")] == [1, 1, 1]
    assert read("b") == 4
    assert [read("c"), read("d")] == [1, 1]
    stems["e"] = [7] * 13
    assert read("e") == 13
    assert kept.num_tokens == 0, "one that is longer than the limit is not kept"


def test_equal_prompts_of_a_call_are_read_once(models):
    for kept in (None, PrefixCache(models["Qwen2"], 100)):
        usage = Usage()
        prompts = [[3, 4, 5], [6, 7], [3, 4, 5]]
        rows = written(models["Qwen2"], prompts, 2, 0, kept=kept, usage=usage)
        assert [row.num_read for row in rows] == [3, 0, 2, 0, 0, 0]
        assert (usage.prompt_tokens, usage.cached_tokens) == (5, 3)
        assert [row.prompt for row in rows] == [0, 0, 1, 1, 2, 2]


def test_a_call_that_breaks_off_leaves_what_is_right(models):
    model = models["Qwen2"]
    kept = PrefixCache(model, 1000)
    prompts = [[3, 4, 5, 6], [3, 4, 7]]

    def breaks(row):
        if row.num_sampled == 3:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        sample_rows(
            model,
            prompts,
            [9, 9],
            3,
            ends=frozenset([1]),
            sampling=Sampling(),
            spots=own_spots(range(6)),
            goes_on=breaks,
            usage=Usage(),
            kept=kept,
        )
    longer = [[*prompt, 5, 5] for prompt in prompts]
    found = written(model, longer, 3, 0, kept=kept)
    assert [row.num_read for row in found] == [2, 0, 0, 2, 0, 0]
    plain = written(model, longer, 3, 0)
    assert [row.tokens for row in found] == [row.tokens for row in plain]


def test_memory_that_was_promised_and_not_given_is_computed_anew(models, monkeypatch):
    """The copying fails, as it does when memory runs out."""
    model = models["Qwen2"]
    kept = PrefixCache(model, 1000)
    written(model, [[3, 4, 5]], 1, 0, kept=kept)
    clone, calls = torch.Tensor.clone, itertools.count()

    def fails(tensor, *args, **options):
        if next(calls) == 2:
            raise MemoryError
        return clone(tensor, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "clone", fails)
        with pytest.raises(MemoryError):
            written(model, [[6, 7, 5, 4], [6, 7, 3]], 2, 0, kept=kept)
    prompts = [[6, 7, 5, 4], [6, 7, 3, 3], [3, 4, 5, 6]]
    for _ in range(2):
        found = written(model, prompts, 2, 1, kept=kept)
        plain = written(model, prompts, 2, 1)
        assert [row.tokens for row in found] == [row.tokens for row in plain]
    assert [row.num_read for row in found][::2] == [1, 1, 1]
    assert kept.num_tokens == sum(len(node.ids) for node in kept._tree.nodes())


def search(policy, *, depths=6, width=2, n=3, limit=20):
    """The prefixes and continuations of a search that goes on with the first ones."""
    sampling = Sampling(max_new_tokens=limit, max_new_steps=1)
    prefixes = [Prefix("Step 1: add 8."), Prefix("abc")]
    trail = []
    for _ in range(depths):
        found = policy.continue_prefixes(prefixes, n, seed=4, sampling=sampling)
        trail.append((prefixes, found))
        prefixes = [
            Prefix(prefix.problem, prefix.steps + one.steps)
            for prefix, row in zip(prefixes, found, strict=True)
            for one in row
            if one.steps and not one.finished
        ][: 2 * width]
        if not prefixes:
            break
    return trail


def compared(trail):
    return [
        [[(one.steps, one.num_tokens, one.finished) for one in row] for row in found]
        for _, found in trail
    ]


@pytest.mark.parametrize("batch_size", [3, 7, 256])
def test_a_search_writes_the_same_and_reads_less(small_model, small_tokenizer, batch_size):
    plain = LocalPolicy(small_model(seed=2), small_tokenizer)
    policy = LocalPolicy(
        small_model(seed=2), small_tokenizer, batch_size=batch_size, cache_tokens=10_000
    )
    trail, expected = search(policy), search(plain)
    assert compared(trail) == compared(expected)
    assert len(trail) == 6
    for (_, found), (_, other) in zip(trail, expected, strict=True):
        for row, own in zip(found, other, strict=True):
            for one, same in zip(row, own, strict=True):
                assert one.logprob == pytest.approx(same.logprob, abs=1e-5, rel=1e-6)
    for one, found in ((policy, trail), (plain, expected)):
        continuations = [c for _, rows in found for row in rows for c in row]
        assert sum(c.num_read for c in continuations) == one.usage.prompt_tokens
        assert sum(c.num_tokens for c in continuations) == one.usage.new_tokens
    total = plain.usage.prompt_tokens + plain.usage.cached_tokens
    assert policy.usage.prompt_tokens + policy.usage.cached_tokens == total
    assert policy.usage.prompt_tokens < 0.6 * plain.usage.prompt_tokens


def test_at_every_depth_only_the_end_of_the_step_is_read(fixed):
    """The letters a policy writes are the tokens its tokenizer writes, unless blank lines that are
    left out stand before them."""
    policy = fixed(a=6, d=3, line=1, cache_tokens=10_000)
    trail = search(policy, limit=100)
    assert [row[0].num_read for row in trail[0][1]] == [len("Step 1: add 8.\n"), len("abc\n")]
    plainly = []
    for (prefixes, found), (later, further) in itertools.pairwise(trail):
        ends = {
            (prefix.problem, prefix.steps + one.steps): one.num_tokens - len("".join(one.steps))
            for prefix, row in zip(prefixes, found, strict=True)
            for one in row
        }
        for i, (prefix, row) in enumerate(zip(later, further, strict=True)):
            if prefix in later[:i]:
                assert row[0].num_read == 0
            elif ends[prefix.problem, prefix.steps] == 1:
                plainly.append(row[0].num_read)
            else:
                assert 1 <= row[0].num_read <= len(prefix.steps[-1]) + 1
    assert len(plainly) > 10
    assert {*plainly} == {1}


def test_what_the_tokenizer_writes_otherwise_is_read_from_where_it_differs(fixed, letters):
    """The policy writes `b` and the end of the step in one token, the layout in two."""
    policy = fixed(b_line=1, cache_tokens=1000)
    ((one,),) = policy.continue_prefixes(
        [Prefix("ad", ("e",))], 1, seed=0, sampling=Sampling(max_new_tokens=5)
    )
    assert (one.steps, one.num_read) == (("b",) * 5, len("ad\ne\n"))
    longer = [Prefix("ad", ("e", *one.steps)), Prefix("ad", ("e", "a")), Prefix("ae")]
    found = policy.continue_prefixes(longer, 2, seed=0, sampling=Sampling(max_new_tokens=1))
    assert [row[0].num_read for row in found] == [10, 2, 2]
    assert policy.usage.cached_tokens == 5 + 5 + 1


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"a": 1}, "never stops"),
        ({"a": 1, "line": 1e-9}, "hardly ever ends a step"),
        ({"line": 1, "space": 1}, "writes blank steps only"),
        ({"line": 1}, "writes ends only"),
        ({"pad": 1, "line": 0.5}, "writes special tokens"),
        ({"pad": 1, "line": 0.5, "end": 0.3, "c_line_d": 1, "b_line": 1}, "writes anything"),
    ],
)
def test_a_search_survives_a_policy_that(fixed, weights, reason):
    policy, plain = fixed(cache_tokens=300, **weights), fixed(**weights)
    trail = search(policy, depths=4)
    assert compared(trail) == compared(search(plain, depths=4))
    for _, found in trail:
        for one in itertools.chain(*found):
            assert one.num_tokens <= 20
            assert one.finished or one.num_tokens == 20 or len(one.steps) == 1
            assert all(step.strip() and "\n" not in step for step in one.steps)
            assert "end" in weights or not one.finished
            if {*weights} <= {"line", "space"}:
                assert (one.steps, one.num_tokens) == ((), 20)
            if "pad" in weights and one.steps and "c_line_d" not in weights:
                assert {*one.steps[0].replace("<pad>", ".")} == {"."}
    assert policy.cache.num_tokens <= 300


def test_one_that_repeats_itself_reads_one_token_a_depth(small_model, letters):
    """Greedily, over as many depths as the model has room for; then it is at its last position."""
    model = small_model(tokenizer=letters, tie_word_embeddings=False, max_position_embeddings=64)
    model.lm_head = torch.nn.Linear(32, len(LETTERS))
    policy = LocalPolicy(model, letters, cache_tokens=1000)
    line, a = LETTERS.index("\n"), LETTERS.index("a")
    following = torch.full((len(LETTERS),), a)
    following[a] = line
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.zero_()

    def follows(_, __, given):
        nexts = torch.nn.functional.one_hot(following[given["input_ids"][0, -1]], len(LETTERS))
        model.lm_head.bias.data.copy_(nexts * 9.0)

    model.register_forward_pre_hook(follows, with_kwargs=True)
    prefix, read = Prefix("a"), []
    sampling = Sampling(temperature=0, max_new_tokens=8, max_new_steps=1)
    for depth in range(31):
        (found,) = policy.continue_prefixes([prefix], 4, seed=0, sampling=sampling)
        assert [one.steps for one in found] == [("a",)] * 4
        assert all(not one.finished for one in found)
        read.append(found[0].num_read)
        prefix = Prefix("a", ("a",) * (depth + 1))
    assert read == [2] + [1] * 30
    assert policy.usage.cached_tokens == sum(2 * d + 1 for d in range(1, 31))


def test_several_threads_ask_one_policy(small_model, small_tokenizer, monkeypatch):
    interval, broken = sys.getswitchinterval(), []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    policy = LocalPolicy(small_model(), small_tokenizer, cache_tokens=150)
    asked = [Prefix("Step 1: add 8.", ("5 + 8 = 13.",) * k) for k in range(8)]
    sampling = Sampling(max_new_tokens=20)
    expected = [
        LocalPolicy(small_model(), small_tokenizer).continue_prefixes(
            [one], 2, seed=1, sampling=sampling
        )
        for one in asked
    ]
    found = {}

    def ask(i):
        for _ in range(3):
            found[i] = policy.continue_prefixes([asked[i]], 2, seed=1, sampling=sampling)

    threads = [threading.Thread(target=ask, args=[i]) for i in range(8)]
    sys.setswitchinterval(1e-6)
    try:
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(interval)
    assert broken == []
    texts = [[one.steps for one in row] for i in range(8) for row in found[i]]
    assert texts == [[one.steps for one in row] for rows in expected for row in rows]
    assert policy.cache.num_tokens <= 150


def test_it_forgets_what_other_weights_computed(small_model, small_tokenizer):
    policy = LocalPolicy(small_model(seed=0), small_tokenizer, cache_tokens=1000)
    ask = {"seed": 0, "sampling": Sampling(max_new_tokens=20)}
    prefixes = [Prefix("Step 1: add 8.", ("5 + 8 = 13.",))]
    policy.continue_prefixes(prefixes, 3, **ask)
    policy.model.load_state_dict(small_model(seed=1).state_dict())
    policy.cache.clear()
    assert policy.cache.num_tokens == 0
    other = LocalPolicy(small_model(seed=1), small_tokenizer)
    expected = other.continue_prefixes(prefixes, 3, **ask)
    found = policy.continue_prefixes(prefixes, 3, **ask)
    assert [one.steps for one in found[0]] == [one.steps for one in expected[0]]
    assert found[0][0].num_read == expected[0][0].num_read > 1


def test_half_precision_is_kept_as_it_is(models):
    model = model_of("Llama").to(torch.bfloat16)
    kept = PrefixCache(model, 100)
    assert kept.reason is None
    written(model, [[3, 4, 5, 6]], 2, 0, kept=kept)
    (first, *_) = kept._tree.nodes()
    assert first.memory[0][0].dtype == torch.bfloat16


def test_a_size_that_cannot_be_is_refused(small_model, small_tokenizer):
    with pytest.raises(UsageError, match="at least 1"):
        LocalPolicy(small_model(), small_tokenizer, cache_tokens=-1)

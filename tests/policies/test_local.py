"""The local policy against transformers' own generation, plain forwards and exact distributions."""

import json
import math
from collections import Counter

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from letters import LETTERS
from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage
from surefoot.policies.local import LocalPolicy
from surefoot.policies.sampling import draw
from surefoot.traces.layout import Layout

PREFIXES = [
    Prefix("Step 1: add 8."),
    Prefix("?"),
    Prefix("Keep only the last digit. <end>", ("5 + 8 = 13.", "The\nanswer <|im_end|>")),
    Prefix("Start with 5. Step 1: add 8.", ("Step 1: add 8. 5 + 8 = 13.",)),
]


class Recording:
    """A tokenizer that keeps the ids it was asked to decode: of each row once, when it is done."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.eos_token_id = tokenizer.eos_token_id
        self.decoded = []

    def __call__(self, *texts, **options):
        return self.tokenizer(*texts, **options)

    def decode(self, ids, **options):
        self.decoded.append(list(ids))
        return self.tokenizer.decode(ids, **options)


@pytest.fixture
def policy(small_model, small_tokenizer):
    return LocalPolicy(small_model(), small_tokenizer)


def prompt_ids(policy, prefixes):
    items = [(prefix.problem, prefix.steps) for prefix in prefixes]
    return [one.ids for one in policy.layout.encode(items, policy.tokenizer)]


def generated(policy, prompts, max_new_tokens):
    """New ids of each prompt by transformers' `generate`, greedily, the end of the text cut off."""
    width = max(map(len, prompts))
    pad = policy.tokenizer.pad_token_id
    out = policy.model.generate(
        torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompts]),
        attention_mask=torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]),
        do_sample=False,
        max_new_tokens=max_new_tokens,
    )
    rows = [row[width:].tolist() for row in out]
    end = policy.tokenizer.eos_token_id
    return [row[: row.index(end)] if end in row else row for row in rows]


def forced_logprob(policy, prompt, tokens):
    """Sum of the log-probabilities of tokens after a prompt, by one plain forward."""
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([prompt + tokens])).logits[0].double()
    logprobs = logits.log_softmax(-1)
    return sum(float(logprobs[len(prompt) - 1 + k, token]) for k, token in enumerate(tokens))


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("batch_size", [1, 6, 256])
def test_greedy_is_what_transformers_generates(small_model, small_tokenizer, family, batch_size):
    tokenizer = Recording(small_tokenizer)
    policy = LocalPolicy(small_model(family, seed=1), tokenizer, batch_size=batch_size)
    prompts = prompt_ids(policy, PREFIXES)
    policy.tokenizer = small_tokenizer
    expected = generated(policy, prompts, 40)
    policy.tokenizer = tokenizer
    greedy = Sampling(temperature=0, max_new_tokens=40)
    found = policy.continue_prefixes(PREFIXES, 3, seed=0, sampling=greedy)
    by_prefix = iter(tokenizer.decoded)
    rows = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for i in rows:
        assert [next(by_prefix) for _ in range(3)] == [expected[i]] * 3
    for copies, tokens, prompt in zip(found, expected, prompts, strict=True):
        lines = small_tokenizer.decode(tokens).split("\n")
        assert copies[0].steps == tuple(line for line in lines if line.strip())
        assert copies[0].finished == (len(tokens) < 40)
        ended = [small_tokenizer.eos_token_id] if copies[0].finished else []
        logprob = pytest.approx(forced_logprob(policy, prompt, tokens + ended), abs=1e-4)
        assert [copy.logprob for copy in copies] == [logprob] * 3
        assert [copy.num_tokens for copy in copies] == [len(tokens + ended)] * 3


@pytest.mark.parametrize("temperature", [0.3, 1, 1.5])
def test_log_probabilities_are_those_of_a_plain_forward(small_model, letters, temperature):
    tokenizer = Recording(letters)
    policy = LocalPolicy(small_model(tokenizer=letters, seed=2), tokenizer, batch_size=16)
    prefixes = [Prefix("abc", ("de", "a d")), Prefix("c"), Prefix("eeeeeee", ("b",))]
    sampling = Sampling(temperature=temperature, max_new_tokens=25)
    found = policy.continue_prefixes(prefixes, 12, seed=3, sampling=sampling)
    prompts = prompt_ids(policy, prefixes)
    decoded = iter(tokenizer.decoded)
    for i in sorted(range(3), key=lambda i: len(prompts[i])):
        for one in found[i]:
            tokens = next(decoded) + [letters.eos_token_id] * one.finished
            assert one.logprob == pytest.approx(
                forced_logprob(policy, prompts[i], tokens), abs=1e-4
            )
            assert one.num_tokens == len(tokens)
    lengths = {one.num_tokens for row in found for one in row}
    assert len(lengths) > 3, "rows must end at different times for this to try what it should"


@pytest.mark.parametrize("temperature", [0.5, 1, 2])
def test_samples_follow_the_next_token_probabilities(small_model, letters, temperature):
    """Pearson's chi-square of pairs of tokens against the exact product of probabilities."""
    model = small_model(tokenizer=letters, seed=4, initializer_range=0.15)
    policy = LocalPolicy(model, Recording(letters))
    prefix, n = Prefix("ab", ("cd",)), 20_000
    sampling = Sampling(temperature=temperature, max_new_tokens=2)
    found = policy.continue_prefixes([prefix], n, seed=5, sampling=sampling)[0]
    end = letters.eos_token_id
    counts = Counter(
        tuple(ids) + (end,) * one.finished
        for ids, one in zip(policy.tokenizer.decoded, found, strict=True)
    )
    (prompt,) = prompt_ids(policy, [prefix])

    def probabilities(ids):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        return (logits / temperature).softmax(-1).tolist()

    expected = {}
    for first, p in enumerate(probabilities(prompt)):
        if first == end:
            expected[first,] = p
        else:
            second = probabilities([*prompt, first])
            expected |= {(first, k): p * q for k, q in enumerate(second)}
    assert sum(expected.values()) == pytest.approx(1)
    assert set(counts) <= set(expected)
    large = {pair: n * p for pair, p in expected.items() if n * p >= 5}
    rest = n - sum(large.values())
    cells = [(counts[pair], mean) for pair, mean in large.items()]
    if rest >= 5:
        cells.append((n - sum(counts[pair] for pair in large), rest))
    statistic = sum((seen - mean) ** 2 / mean for seen, mean in cells)
    freedom = len(cells) - 1
    assert freedom > 20
    assert (statistic - freedom) / math.sqrt(2 * freedom) < 4


def test_the_seed_decides_and_nothing_else(policy):
    sampling = Sampling(max_new_tokens=20)

    def run(seed):
        return policy.continue_prefixes(PREFIXES, 4, seed=seed, sampling=sampling)

    first = run(7)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert run(7) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert run(8) != first
    assert len({one.steps for one in first[0]}) > 1
    twice = policy.continue_prefixes([PREFIXES[0]] * 2, 1, seed=7, sampling=sampling)
    assert twice[0] != twice[1]


def test_continuations_stand_in_the_order_of_their_prefixes(policy):
    greedy = Sampling(temperature=0, max_new_tokens=15)
    together = policy.continue_prefixes(PREFIXES, 1, seed=0, sampling=greedy)
    for prefix, (one,) in zip(PREFIXES, together, strict=True):
        ((alone,),) = policy.continue_prefixes([prefix], 1, seed=0, sampling=greedy)
        assert (one.steps, one.num_tokens) == (alone.steps, alone.num_tokens)
    assert policy.continue_prefixes([], 2, seed=0) == []


def test_one_that_never_stops_is_cut_and_says_so(fixed):
    policy = fixed(a=1, line=1)
    for one in policy.continue_prefixes([Prefix("a")], 5, seed=0)[0]:
        assert (one.num_tokens, one.finished) == (512 - len("a\n"), False)
    sampling = Sampling(max_new_tokens=30)
    for one in policy.continue_prefixes([Prefix("a")], 5, seed=0, sampling=sampling)[0]:
        assert (one.num_tokens, one.finished) == (30, False)


def test_one_that_ends_at_once_gives_no_steps(fixed):
    policy = fixed(end=1)
    found = policy.continue_prefixes([Prefix("a"), Prefix("ab")], 2, seed=0)
    assert found == [[Continuation((), 0.0, 1, True)] * 2] * 2
    assert policy.usage == Usage(prompt_tokens=2 + 3, new_tokens=4, calls=1)


def test_blank_steps_are_left_out(fixed):
    sampling = Sampling(max_new_tokens=60)
    found = fixed(a=1, line=3, space=2).continue_prefixes(
        [Prefix("a")], 20, seed=0, sampling=sampling
    )
    steps = [step for one in found[0] for step in one.steps]
    assert steps
    assert all(step.strip() and "\n" not in step for step in steps)


def test_special_tokens_in_the_middle_are_shown(fixed):
    ((one,),) = fixed(pad=1).continue_prefixes(
        [Prefix("a")], 1, seed=0, sampling=Sampling(max_new_tokens=3)
    )
    assert one.steps == ("<pad><pad><pad>",)


def test_a_step_that_the_limit_cuts_is_kept(fixed):
    sampling = Sampling(max_new_tokens=3)
    ((one,),) = fixed(a=1).continue_prefixes([Prefix("a")], 1, seed=0, sampling=sampling)
    assert one == Continuation(("aaa",), 0.0, 3, False)


@pytest.mark.parametrize("max_new_steps", [1, 2, 5])
def test_it_stops_right_after_the_steps_asked_for(fixed, letters, max_new_steps):
    policy = fixed(a=4, d=4, line=2, b_line=1, space=1, end=0.2)
    policy.tokenizer = Recording(letters)
    sampling = Sampling(max_new_tokens=200, max_new_steps=max_new_steps)
    (found,) = policy.continue_prefixes([Prefix("a")], 200, seed=1, sampling=sampling)
    rows = [ids for ids in policy.tokenizer.decoded if len(ids) > 1]
    stopped = [one for one in found if not one.finished]
    assert len(stopped) > 50
    assert all(len(one.steps) == max_new_steps for one in stopped)
    assert all(len(one.steps) <= max_new_steps for one in found)
    for ids, one in zip(policy.tokenizer.decoded[-200:], found, strict=True):
        text = "".join(LETTERS[i] for i in ids)
        assert tuple(s for s in text.split("\n") if s.strip()) == one.steps
        if not one.finished:
            assert text.endswith("\n")
            assert len([s for s in text[:-1].split("\n")[:-1] if s.strip()]) < max_new_steps
    assert {LETTERS[ids[-1]] for ids in rows} >= {"\n", "b\n"}


def test_an_end_of_several_tokens_stops_it_too(fixed, letters):
    policy = LocalPolicy(fixed(a=3, line=3).model, letters, Layout("\n", "\n\n"))
    sampling = Sampling(max_new_tokens=100, max_new_steps=1)
    (found,) = policy.continue_prefixes([Prefix("a")], 50, seed=1, sampling=sampling)
    assert all(len(one.steps) == 1 and not one.finished for one in found)
    assert any("a\na" in one.steps[0] for one in found)


def test_what_a_token_holds_beyond_the_last_step_is_left_out(fixed):
    policy = fixed(a=3, c_line_d=1)
    sampling = Sampling(max_new_tokens=100, max_new_steps=2)
    (found,) = policy.continue_prefixes([Prefix("a")], 20, seed=1, sampling=sampling)
    assert all(len(one.steps) == 2 for one in found)
    assert all(one.steps[0].endswith("c") and one.steps[1].startswith("d") for one in found)
    assert {step[-1] for one in found for step in one.steps} == {"c"}


def test_an_end_that_is_part_of_no_whole_token_stops_it_too(small_model, small_tokenizer):
    """Each of the two letters is two tokens, and neither token shows a letter alone."""
    policy = LocalPolicy(small_model(tie_word_embeddings=False), small_tokenizer, Layout("", "ки"))
    ids = small_tokenizer("ки")["input_ids"]
    assert len(ids) == 4
    policy.model.lm_head = torch.nn.Linear(32, len(small_tokenizer))
    with torch.no_grad():
        policy.model.lm_head.weight.zero_()
        policy.model.lm_head.bias.fill_(-math.inf)
        policy.model.lm_head.bias[ids] = 0
    sampling = Sampling(max_new_tokens=400, max_new_steps=1)
    (found,) = policy.continue_prefixes([Prefix("a")], 20, seed=0, sampling=sampling)
    stopped = [one for one in found if one.num_tokens < 400]
    assert len(stopped) > 5
    assert all(len(one.steps) == 1 for one in stopped)


def test_a_step_limit_cuts_what_would_have_been_written_anyway(policy):
    full, short = (
        policy.continue_prefixes(
            PREFIXES,
            1,
            seed=0,
            sampling=Sampling(temperature=0, max_new_tokens=60, max_new_steps=k),
        )
        for k in (None, 1)
    )
    for (whole,), (one,) in zip(full, short, strict=True):
        assert one.steps == whole.steps[:1]


def test_usage_counts_every_token_read_and_written(policy):
    sampling = Sampling(max_new_tokens=12)
    policy.batch_size = 4
    found = policy.continue_prefixes(PREFIXES, 2, seed=0, sampling=sampling)
    read = sum(map(len, prompt_ids(policy, PREFIXES)))
    written = sum(one.num_tokens for row in found for one in row)
    assert policy.usage == Usage(prompt_tokens=read, new_tokens=written, calls=2)
    policy.continue_prefixes(PREFIXES, 2, seed=0, sampling=sampling)
    assert policy.usage == Usage(prompt_tokens=2 * read, new_tokens=2 * written, calls=4)


def test_a_row_stops_at_the_last_position_of_the_model(small_model, letters):
    model = small_model(tokenizer=letters, max_position_embeddings=16)
    with torch.no_grad():
        model.lm_head.weight[letters.eos_token_id] = 0
    policy = LocalPolicy(model, letters)
    greedy = Sampling(temperature=0, max_new_tokens=100)
    prefixes = [Prefix("a"), Prefix("abcde"), Prefix("a" * 14)]
    found = policy.continue_prefixes(prefixes, 2, seed=0, sampling=greedy)
    assert [one.num_tokens for row in found for one in row] == [14, 14, 10, 10, 1, 1]
    assert not any(one.finished for row in found for one in row)
    with pytest.raises(ModelError, match="prefix 1 has 16 tokens, local has 16 positions"):
        policy.continue_prefixes([Prefix("a"), Prefix("a" * 15)], 1, seed=0)


def test_other_ends_of_text_that_the_model_names_end_it(fixed, letters):
    policy = fixed(d=1)
    policy.model.generation_config.eos_token_id = [LETTERS.index("d"), LETTERS.index("e")]
    ((one,),) = LocalPolicy(policy.model, letters).continue_prefixes([Prefix("a")], 1, seed=0)
    assert one == Continuation((), 0.0, 1, True)


@pytest.mark.parametrize("random", [0.0, 1 - 2**-24])
def test_no_token_of_probability_zero_is_ever_drawn(random):
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 1.0, -math.inf]]).expand(3, -1)
    tokens, logprobs = draw(logits, Sampling(), torch.full((3, 1), random))
    assert tokens.tolist() == [1 if random == 0 else 3] * 3
    assert torch.isfinite(logprobs).all()


def test_the_logprob_of_a_token_that_only_heat_lets_through_is_finite():
    logits = torch.tensor([[0.0, -200.0]])
    tokens, logprobs = draw(logits, Sampling(temperature=1000), torch.full((1, 1), 0.99))
    assert (tokens.tolist(), logprobs.tolist()) == ([1], [-200])


def test_it_comes_back_from_its_folder(small_model, small_tokenizer, tmp_path):
    layout = Layout(" =>\n", "\n\n")
    policy = LocalPolicy(small_model(), small_tokenizer, layout)
    policy.save(tmp_path / "policy")
    loaded = LocalPolicy.load(tmp_path / "policy", name="loaded", batch_size=7)
    assert (loaded.layout, loaded.name, loaded.batch_size) == (layout, "loaded", 7)
    sampling = Sampling(max_new_tokens=20)
    assert loaded.continue_prefixes(PREFIXES, 1, seed=0, sampling=sampling) == LocalPolicy(
        small_model(), small_tokenizer, layout, batch_size=7
    ).continue_prefixes(PREFIXES, 1, seed=0, sampling=sampling)
    text = "Step 12: so\n\n the   last, 5e\u0301"
    assert loaded.tokenizer(text)["input_ids"] == small_tokenizer(text)["input_ids"]
    assert [one.name for one in tmp_path.iterdir()] == ["policy"]


def test_a_checkpoint_of_others_is_read_in_the_plain_layout(small_model, small_tokenizer, tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    small_tokenizer.save_pretrained(tmp_path)
    assert LocalPolicy.load(tmp_path).layout == Layout()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"turns": 1}', '{"step_end": ""}'])
def test_a_damaged_layout_is_refused(policy, tmp_path, content):
    policy.save(tmp_path / "policy")
    (tmp_path / "policy" / "layout.json").write_text(content)
    with pytest.raises(ModelError, match=r"layout\.json cannot be read"):
        LocalPolicy.load(tmp_path / "policy")


def test_what_is_no_causal_checkpoint_is_refused(small_model, small_tokenizer, tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        LocalPolicy.load(tmp_path)
    small_model("qwen2", "scorer", tie_word_embeddings=False).save_pretrained(tmp_path)
    small_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks weights of a Qwen2ForCausalLM.*lm_head\.weight"):
        LocalPolicy.load(tmp_path)


def test_a_tokenizer_without_an_end_is_refused(small_model, small_tokenizer):
    bare = PreTrainedTokenizerFast(tokenizer_object=small_tokenizer.backend_tokenizer)
    with pytest.raises(ModelError, match="no end-of-text token"):
        LocalPolicy(small_model(), bare)


def test_a_place_that_cannot_be_written_is_said(policy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write it"):
        policy.save(tmp_path / "file" / "policy")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_new_steps": 0}, "max_new_steps is 0"),
    ],
)
def test_sampling_that_cannot_work_is_refused(given, reason):
    with pytest.raises(UsageError, match=reason):
        Sampling(**given)


def test_prefixes_that_cannot_work_are_refused(policy):
    with pytest.raises(UsageError, match="the problem is empty"):
        Prefix(" \n")
    with pytest.raises(UsageError, match="step 1 is blank"):
        Prefix("a", ("b", " "))
    with pytest.raises(UsageError, match="n is 0"):
        policy.continue_prefixes([Prefix("a")], 0, seed=0)


def test_the_layout_file_is_plain_json(policy, tmp_path):
    policy.save(tmp_path)
    assert json.loads((tmp_path / "layout.json").read_text()) == {
        "problem_end": "\n",
        "step_end": "\n",
    }

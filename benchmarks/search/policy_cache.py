"""What a policy spends on a beam search with and without a cache between calls, and by `generate`.

    OMP_NUM_THREADS=1 python benchmarks/search/policy_cache.py [--json FILE]

A beam of 4 prefixes, 4 continuations of each, 10 depths; a problem has 80 tokens, a step at most 24
and ends earlier at random. Every way continues the same prefixes: those that the first way's search
came to. `generate` is given the ids of one prefix and `num_return_sequences=4`, and ends at the end
of a step too. Models are random, in two shapes: `small` is Qwen2's with 39.8 million parameters
beside a vocabulary of 151,936, `demo` that of the demo's models. Times are processor seconds; ways
take turns at a depth, and intervals are Student's t over rounds with other seeds. In `small` the
others are timed at every fourth depth; a ratio compares the depths at which both were timed.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

from surefoot.policies.base import Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.stats import over_seeds
from surefoot.traces.layout import Layout

BEAM, N, DEPTHS, PROMPT, LONGEST = 4, 4, 10, 80, 24
SAMPLING = Sampling(max_new_tokens=LONGEST, max_new_steps=1)
ONE_IN = 40
"""How often a token is the end of a step."""

SHAPES: Mapping[str, Mapping[str, int]] = {
    "small": {
        "hidden_size": 512,
        "intermediate_size": 2816,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
    },
    "demo": {
        "hidden_size": 64,
        "intermediate_size": 176,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 400,
    },
}
EVERY = {"small": 4, "demo": 1}
"""At which depths the other ways are timed."""

ROUNDS = {"small": 2, "demo": 4}

ALL_WAYS = ("with cache", "without", "generate")


def tokenizer(num_words: int) -> Any:
    """One token for each word, so that lengths are as asked for."""
    words = ["<end>", "nl", *(f"w{i}" for i in range(num_words))]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="nl"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", pad_token="<end>")


def policies(shape: str) -> tuple[LocalPolicy, LocalPolicy]:
    """With a cache and without, of one random model that writes words and ends of steps."""
    sizes = SHAPES[shape]
    num_words = 300
    config = Qwen2Config(**sizes, max_position_embeddings=1024, initializer_range=0.05)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config).eval()
    head = torch.nn.Linear(sizes["hidden_size"], sizes["vocab_size"])
    with torch.no_grad():
        head.weight.normal_(0, 1 / math.sqrt(sizes["hidden_size"]))
        head.bias.fill_(-math.inf)
        head.bias[2 : 2 + num_words] = 0
        head.bias[1] = math.log(num_words / (ONE_IN - 1))
    model.lm_head = head
    words, layout = tokenizer(num_words), Layout("nl", "nl")
    return (
        LocalPolicy(model, words, layout, cache_tokens=100_000),
        LocalPolicy(model, words, layout),
    )


def generated(policy: LocalPolicy, prefixes: Sequence[Prefix], seed: int) -> None:
    """transformers' own sampling, prefix by prefix."""
    torch.manual_seed(seed)
    for one in policy.layout.encode([(p.problem, p.steps) for p in prefixes], policy.tokenizer):
        policy.model.generate(
            torch.tensor([one.ids]),
            attention_mask=torch.ones(1, len(one.ids), dtype=torch.long),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=N,
            max_new_tokens=LONGEST,
            eos_token_id=[0, 1],
            pad_token_id=0,
        )


def clocked(work: Callable[..., Any], *given: Any, **options: Any) -> tuple[float, Any]:
    """Processor seconds, and what came of it."""
    began = time.process_time()
    found = work(*given, **options)
    return time.process_time() - began, found


def searched(shape: str, cached: LocalPolicy, plain: LocalPolicy, seed: int) -> dict[str, Any]:
    """Seconds of every way at every depth of one search, and what was read."""
    draw = torch.Generator().manual_seed(seed)
    numbers = torch.randint(300, (PROMPT - 1,), generator=draw).tolist()
    prefixes = [Prefix(" ".join(f"w{i}" for i in numbers))]
    seconds: dict[str, list[float | None]] = {way: [] for way in ALL_WAYS}
    before, whole = cached.usage.prompt_tokens, cached.usage.cached_tokens
    lengths: list[int] = []
    same: list[bool] = []
    assert cached.cache is not None
    cached.cache.clear()
    for depth in range(DEPTHS):
        asked = {"seed": seed, "sampling": SAMPLING}
        spent, found = clocked(cached.continue_prefixes, prefixes, N, **asked)
        seconds["with cache"].append(spent)
        if depth % EVERY[shape]:
            seconds["without"].append(None)
            seconds["generate"].append(None)
        else:
            spent, other = clocked(plain.continue_prefixes, prefixes, N, **asked)
            seconds["without"].append(spent)
            spent, _ = clocked(generated, plain, prefixes, seed + depth)
            seconds["generate"].append(spent)
            same += [
                one.steps == another.steps
                for row, others in zip(found, other, strict=True)
                for one, another in zip(row, others, strict=True)
            ]
        lengths += [one.num_tokens for row in found for one in row]
        grown = [
            Prefix(prefix.problem, prefix.steps + one.steps)
            for prefix, row in zip(prefixes, found, strict=True)
            for one in row
            if one.steps
        ]
        grown = list(dict.fromkeys(grown))
        order = torch.randperm(len(grown), generator=draw).tolist()
        prefixes = [grown[i] for i in order[:BEAM]]
    return {
        "seconds": seconds,
        "step_tokens": sum(lengths) / len(lengths),
        "read": cached.usage.prompt_tokens - before,
        "cached": cached.usage.cached_tokens - whole,
        "same": sum(same) / len(same),
        "kept_tokens": cached.cache.num_tokens,
    }


def ratio(seconds: Mapping[str, Sequence[float | None]], way: str) -> float:
    """How many times the seconds of the way with a cache another takes, at the same depths."""
    pairs = [
        (b, a)
        for a, b in zip(seconds["with cache"], seconds[way], strict=True)
        if a is not None and b is not None
    ]
    return sum(b for b, _ in pairs) / sum(a for _, a in pairs)


def bytes_of_a_token(model: Any) -> int:
    """Of its keys and values in all layers."""
    config = model.config
    width = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
    return int(2 * config.num_hidden_layers * width * model.dtype.itemsize)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    report: dict[str, Any] = {}
    for shape in SHAPES:
        cached, plain = policies(shape)
        for policy in (cached, plain):  # the first call of a process is slow
            policy.continue_prefixes([Prefix("w0")], 1, seed=0, sampling=SAMPLING)
        runs = [searched(shape, cached, plain, 100 + i) for i in range(ROUNDS[shape])]
        report[shape] = runs
        first = runs[0]
        print(f"{shape}: steps of {first['step_tokens']:.0f} tokens on average")
        for way in ALL_WAYS:
            timed = [
                s
                for run in runs
                for depth, s in enumerate(run["seconds"][way])
                if s is not None and depth % EVERY[shape] == 0
            ]
            print(f"  {way:12} {1000 * sum(timed) / len(timed):8,.0f} ms a depth")
        print(f"  of the prompts {first['read']:,} tokens were read, {first['cached']:,} known")
        for way in ALL_WAYS[1:]:
            found = over_seeds([ratio(run["seconds"], way) for run in runs])
            print(f"  {way} / with cache: {found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]")
        alike = 100 * sum(run["same"] for run in runs) / len(runs)
        print(f"  written alike with cache and without: {alike:.1f}% (rounding decides the others)")
        size = bytes_of_a_token(plain.model)
        kept = first["kept_tokens"]
        print(f"  kept: {kept:,} tokens, {size:,} bytes each, {kept * size / 1e6:.1f} MB")
    if given.json is not None:
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

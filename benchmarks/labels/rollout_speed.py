"""Tokens per second of rollouts beside calling transformers' `generate` once for every prefix.

    OMP_NUM_THREADS=1 python benchmarks/labels/rollout_speed.py POLICY [--chains 24] [--rounds 3]

POLICY is a folder of a policy of the built-in world, such as `policy` in that of `surefoot demo`.
Both ways continue every prefix of some of its chains 8 times, sampled at temperature 1 to the end;
`generate` is given the ids of one prefix and `num_return_sequences=8`. The ways take turns in one
process; a rate is written tokens over processor time, and the ratio is the median over rounds. The
most memory each way held is that of a process of its own. That both sample from the same
distribution is tested: tests/policies/test_local.py and tests/labels/rollouts/test_draws.py hold
ours against exact probabilities.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from transformers.utils import logging

from surefoot.memory import peak_rss_mb
from surefoot.policies.base import Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.worlds.last_digit import LastDigit

N = 8
SAMPLING = Sampling(max_new_tokens=200)


def ours(policy: LocalPolicy, prefixes: Sequence[Prefix], seed: int) -> int:
    """Tokens that the batched loop writes."""
    found = policy.continue_prefixes(prefixes, N, seed=seed, sampling=SAMPLING)
    return sum(one.num_tokens for row in found for one in row)


def theirs(policy: LocalPolicy, prefixes: Sequence[Prefix], seed: int) -> int:
    """Tokens that `generate` writes, prefix by prefix, the ends of the text among them."""
    torch.manual_seed(seed)
    end = policy.tokenizer.eos_token_id
    written = 0
    for one in policy.layout.encode([(p.problem, p.steps) for p in prefixes], policy.tokenizer):
        rows = policy.model.generate(
            torch.tensor([one.ids]),
            attention_mask=torch.ones(1, len(one.ids), dtype=torch.long),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=N,
            max_new_tokens=SAMPLING.max_new_tokens,
            pad_token_id=policy.tokenizer.pad_token_id,
        )[:, len(one.ids) :].tolist()
        written += sum(row.index(end) + 1 if end in row else len(row) for row in rows)
    return written


WAYS: Mapping[str, Callable[[LocalPolicy, Sequence[Prefix], int], int]] = {
    "ours": ours,
    "generate per prefix": theirs,
}


def material(folder: Path, num_chains: int) -> tuple[LocalPolicy, list[Prefix]]:
    """The policy, and every prefix of some of its chains but the finished ones."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    policy = LocalPolicy.load(folder)
    starts = [Prefix(one.text) for one in LastDigit().problems(num_chains, seed=0)]
    chains = policy.continue_prefixes(starts, 1, seed=0, sampling=SAMPLING)
    return policy, [
        Prefix(start.problem, one.steps[:k])
        for start, (one,) in zip(starts, chains, strict=True)
        for k in range(len(one.steps))
    ]


def memory(folder: Path, num_chains: int, way: str) -> float:
    """The most memory, in MB, of a process that does one round."""
    policy, prefixes = material(folder, num_chains)
    WAYS[way](policy, prefixes, 0)
    return peak_rss_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("policy", type=Path)
    parser.add_argument("--chains", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    policy, prefixes = material(given.policy, given.chains)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(given.rounds):
        for way, work in WAYS.items():
            began = time.process_time()
            written = work(policy, prefixes, seed)
            rates[way].append(written / (time.process_time() - began))
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        asked = [(given.policy, given.chains, way) for way in WAYS]
        peaks = dict(zip(WAYS, pool.starmap(memory, asked, chunksize=1), strict=True))
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(f"{len(prefixes)} prefixes, {N} rollouts each")
    for way, found in rates.items():
        print(f"{way:20} {statistics.median(found):8,.0f} tokens/s  {peaks[way]:6,.0f} MB")
    print(
        f"ratio {statistics.median(ratios):.1f} (rounds: {', '.join(f'{x:.1f}' for x in ratios)})"
    )
    if given.json is not None:
        result = {"rates": rates, "ratios": ratios, "peak_mb": peaks, "prefixes": len(prefixes)}
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

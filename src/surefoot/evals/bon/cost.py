"""What a choice among N candidates costs in tokens, of the policy that writes and of the verifier
that reads, and what a majority vote gets for as many.

The policy writes N candidates; a verifier that reads each candidate once, behind its problem, reads
as many tokens more. (One that reads every prefix anew, or writes verdicts, costs more than is said
here.) For the tokens of a verified choice among N, a vote has N (1 + verifier / policy) candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surefoot.evals.bon.measuring import Method, PoolResult
from surefoot.evals.bon.preparing import KEY
from surefoot.evals.candidates import Candidates, expected_gains
from surefoot.stats import FloatArray, difference_from, estimate_from, resamples

NUM_TOKENS = "num_tokens"
"""The key of `meta` that holds the tokens of a candidate."""


def cost(result: PoolResult, chiefs: Sequence[Method]) -> dict[str, Any]:
    """Tokens of a candidate and of every N, and each chief method beside a majority vote for the
    same tokens, where the pool has as many candidates."""
    counted = all(_is_number(one.meta.get(NUM_TOKENS)) for one in result.traces)
    written = np.array(
        [
            float(one.meta[NUM_TOKENS]) if counted else float(_words(*one.texts))
            for one in result.traces
        ]
    )
    problem = np.array([float(_words(one.problem)) for one in result.traces])
    policy = _mean_over_problems(written, result)
    verifier = policy + _mean_over_problems(problem, result)
    rivals = {n: int(n * (1 + verifier / policy)) for n in result.ns} if policy else {}
    smallest = int(np.bincount(result.owner).min())
    rivals = {n: rival for n, rival in rivals.items() if rival <= smallest}
    return {
        "unit": "tokens" if counted else "words parted by white space",
        "policy_per_candidate": policy,
        "verifier_per_candidate": verifier,
        "by_n": [{"n": n, "policy": n * policy, "verifier": n * verifier} for n in result.ns],
        "majority_for_the_same": _rivals(result, chiefs, rivals) if rivals else [],
    }


def _rivals(
    result: PoolResult, chiefs: Sequence[Method], rivals: dict[int, int]
) -> list[dict[str, Any]]:
    """Chief methods at N beside a majority vote at the N that costs the same."""
    sizes = sorted(set(rivals.values()))
    votes = _majority(result, sizes)
    how = result.options.options
    counts = np.concatenate(list(resamples(result.num_problems, how.seed, how.num_resamples)))
    drawn = counts @ votes / result.num_problems
    found = []
    for n, rival in rivals.items():
        k = sizes.index(rival)
        mean, column = float(votes[:, k].mean()), drawn[:, k]
        for method in chiefs:
            name = f"accuracy/{method.name}/{n}"
            ours = result.figures.drawn(how.seed, how.num_resamples)[name]
            gap = difference_from(result.figures.value(name) - mean, ours - column)
            found.append(
                {
                    "method": method.name,
                    "n": n,
                    "majority_n": rival,
                    "majority": estimate_from(mean, column).to_json(),
                    "difference": gap.to_json(),
                }
            )
    return found


def _majority(result: PoolResult, sizes: Sequence[int]) -> FloatArray:
    """How often a majority vote is right on each problem, (problems, sizes)."""
    rows = []
    ends = np.cumsum(np.bincount(result.owner))[:-1]
    who = np.split(np.arange(len(result.owner)), ends)
    for row, some in enumerate(who):
        one = Candidates(
            problem=row,
            answers=tuple(result.traces[i].meta[KEY]["group"] for i in some),
            correct=result.right[some],
            sound=(None,) * len(some),
            rewards={},
        )
        seed = (result.options.options.seed, row)
        found = expected_gains(one, {"majority": ""}, sizes, result.options.num_subsets, seed)
        rows.append(found["majority"][:, 0])
    return np.stack(rows)


def _mean_over_problems(values: FloatArray, result: PoolResult) -> float:
    nums = np.bincount(result.owner)
    return float((np.bincount(result.owner, weights=values) / nums).mean())


def _words(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0

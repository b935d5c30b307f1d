"""Traces that lie far apart: hashed words of their text, and the greedy choice of centres.

The greedy choice, which takes next what is farthest from all taken, covers all within twice the
smallest possible distance.

References: Gonzalez 1985 (Theoretical Computer Science 38); Sener and Savarese 2018, Active
Learning for Convolutional Neural Networks: A Core-Set Approach (arXiv:1708.00489, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from surefoot.traces.questions import question_words
from surefoot.traces.types import Trace

NUM_FEATURES = 256


def text_features(trace: Trace, num_features: int = NUM_FEATURES) -> NDArray[np.float32]:
    """A direction for the text of a trace, of length 1: its words and pairs of words, hashed.

    Counts count by their square root. The same on every machine.
    """
    found = np.zeros(num_features, dtype=np.float64)
    for text in (trace.problem, *trace.texts):
        words = question_words(text)
        pairs = (f"{a} {b}" for a, b in pairwise(words))
        for piece in (*words, *pairs):
            found[crc32(piece.encode(errors="surrogatepass")) % num_features] += 1
    found = np.sqrt(found)
    length = float(np.linalg.norm(found))
    return (found / length if length else found).astype(np.float32)


def farthest_first(
    features: NDArray[np.float32],
    num_chosen: int,
    *,
    taken: NDArray[np.float32] | None = None,
    groups: Sequence[str] | None = None,
    most_of_group: int | None = None,
    held: Sequence[str] = (),
) -> list[int]:
    """The rows of (N, F) to choose, one after the other, each farthest from all before it.

    Args:
        features: Of length 1 each; distance is that of directions.
        num_chosen: How many, at most.
        taken: What is chosen already, (T, F); without it the first row is the first choice.
        groups: The group of each row, and
        most_of_group: how many of one may be chosen, beside
        held: the groups of what is chosen already.

    Of equally far rows the first is taken.
    """
    num_rows = len(features)
    near = np.full(num_rows, -np.inf, dtype=np.float32)
    if taken is not None and len(taken):
        for begin in range(0, len(taken), 1024):
            near = np.maximum(near, (features @ taken[begin : begin + 1024].T).max(axis=1))
    open_rows = np.ones(num_rows, dtype=np.bool_)
    counts: dict[str, int] = {}
    for group in held:
        counts[group] = counts.get(group, 0) + 1
    if groups is not None and most_of_group is not None:
        full = {group for group, times in counts.items() if times >= most_of_group}
        open_rows &= np.array([group not in full for group in groups], dtype=np.bool_)
    chosen: list[int] = []
    while len(chosen) < num_chosen and open_rows.any():
        # Directions that are the same up to rounding are equally far.
        row = int(np.argmin(np.where(open_rows, np.round(near, 5), np.inf)))
        chosen.append(row)
        open_rows[row] = False
        near = np.maximum(near, features @ features[row])
        if groups is not None and most_of_group is not None:
            group = groups[row]
            counts[group] = counts.get(group, 0) + 1
            if counts[group] >= most_of_group:
                open_rows &= np.array([one != group for one in groups], dtype=np.bool_)
    return chosen

"""Examples in batches: their order, drawn once for all of a training, and targets as tensors.

Nothing is padded. Traces of one question lie side by side in the order, so that a batch holds what
they share once; that changes which traces meet in a batch, and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from surefoot.training.examples import Example
from surefoot.training.losses.loss import Targets
from surefoot.training.targets import StepTarget


@dataclass(frozen=True, slots=True)
class Row:
    """What the trainer draws: an example, or two of which a step each is compared, the better one
    first."""

    examples: tuple[Example, ...]
    compared: tuple[int, int] | None = None


class Order(Sampler[int]):
    """The numbers of the rows of a whole training, as one long epoch.

    Rows are gone through again and again, each time in a new order drawn from the seed alone, and a
    batch may span two rounds; so every batch is full, and a training that goes on after a kill, or
    runs on more processes, sees the same batches.

    Args:
        groups: For each row what it belongs to; rows of one group stay side by side, unless they
            are more than a batch holds.
        length: How many numbers to give.
        seed: Decides the order.
        most: Rows of one group that stay together.
    """

    def __init__(self, groups: Sequence[str], length: int, *, seed: int, most: int) -> None:
        self.length = length
        self.seed = seed
        members: dict[str, list[int]] = {}
        for number, group in enumerate(groups):
            members.setdefault(group, []).append(number)
        self.members = list(members.values())
        self.most = most

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        given = 0
        draw = random.Random(self.seed)
        while True:
            for number in self._round(draw):
                if given == self.length:
                    return
                yield number
                given += 1

    def _round(self, draw: random.Random) -> list[int]:
        pieces = []
        for own in self.members:
            shuffled = draw.sample(own, len(own))
            pieces += [
                shuffled[start : start + self.most] for start in range(0, len(shuffled), self.most)
            ]
        draw.shuffle(pieces)
        return [number for piece in pieces for number in piece]


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples side by side: `rows` are token ids and the places in them that are read, those of
    `starts` the first tokens after their prompts; the places of all rows, behind each other, are
    those of `targets`."""

    rows: tuple[tuple[Sequence[int], Sequence[int]], ...]
    starts: tuple[int, ...]
    targets: Targets
    reference: Tensor
    """At each place the log-probability under a reference model, shape (S,)."""

    def to(self, device: Any, **_: Any) -> Batch:
        """The same with its tensors on a device."""
        moved = {f.name: getattr(self.targets, f.name).to(device) for f in fields(Targets)}
        return Batch(self.rows, self.starts, Targets(**moved), self.reference.to(device))


def collated(some: Sequence[tuple[int, Row]]) -> dict[str, Batch]:
    """A batch of numbered rows, as a Trainer takes it."""
    examples = [example for _, row in some for example in row.examples]
    return {"batch": batched(examples, _compared([row for _, row in some]))}


def batched(examples: Sequence[Example], compared: Sequence[tuple[int, int]] = ()) -> Batch:
    """A batch of examples; `compared` are pairs of places."""
    rows: list[tuple[Sequence[int], Sequence[int]]] = []
    for example in examples:
        places: list[list[int]] = [[] for _ in example.rows]
        for place in example.places:
            places[place.row].append(place.position)
        rows += zip(example.rows, places, strict=True)
    starts = tuple(start for example in examples for start in example.starts)
    reference = [
        value for example in examples for value in example.reference or [0.0] * len(example.places)
    ]
    return Batch(tuple(rows), starts, _targets(examples, compared), _floats(reference))


def _targets(examples: Sequence[Example], compared: Sequence[tuple[int, int]]) -> Targets:
    places = [place for example in examples for place in example.places]
    given = [place.target or _NOTHING for place in places]
    ends = list(accumulate(len(example.places) for example in examples))
    return Targets(
        good=_floats([one.good for one in given]),
        neutral=_floats([one.neutral for one in given]),
        weight=_floats([one.weight for one in given]),
        successes=_floats([one.successes for one in given]),
        trials=_floats([one.trials for one in given]),
        trace=_numbers([i for i, example in enumerate(examples) for _ in example.places]),
        step=_numbers([place.step for place in places]),
        last=_numbers([end - 1 for end in ends]),
        outcome=_floats([float(example.outcome or 0) for example in examples]),
        outcome_weight=_floats([float(example.outcome is not None) for example in examples]),
        pairs=_numbers(list(compared)).reshape(-1, 2),
    )


def _compared(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """The places of the steps that are compared."""
    found = []
    first = 0
    for row in rows:
        if row.compared is not None:
            better, worse = row.examples
            step, other = row.compared
            second = first + len(better.places)
            found.append((first + better.ends[step], second + worse.ends[other]))
        first += sum(len(example.places) for example in row.examples)
    return found


_NOTHING = StepTarget(0.0, 0.0, 0.0, 0.0, 0.0)


def _floats(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _numbers(values: Sequence[Any]) -> Tensor:
    return torch.tensor(values, dtype=torch.long)

"""Targets of made-up batches, for tests of losses: written out, drawn by hypothesis, and joined."""

import random
from dataclasses import fields

import torch
from hypothesis import strategies as st

from surefoot.training.losses.loss import Targets
from surefoot.training.targets import StepTarget

NOTHING = StepTarget(0.0, 0.0, 0.0, 0.0, 0.0)


def label(given):
    """A target of a number (one trial), of (k, n), or of nothing."""
    if given is None or isinstance(given, StepTarget):
        return given or NOTHING
    if isinstance(given, tuple):
        k, n = given
        return StepTarget(k / n, successes=k, trials=n)
    return StepTarget(given, successes=given)


def made(*traces, outcomes=None, steps=None, pairs=(), dtype=torch.float64):
    """The targets of traces, each a list of what `label` takes, one place a step unless `steps`
    says otherwise."""
    outcomes = outcomes or [None] * len(traces)
    places = [label(one) for trace in traces for one in trace]
    steps = steps or [range(len(trace)) for trace in traces]
    ends = torch.tensor([len(trace) for trace in traces], dtype=torch.long).cumsum(0)
    numbers = {
        name: torch.tensor([float(getattr(one, name)) for one in places], dtype=dtype)
        for name in ("good", "neutral", "weight", "successes", "trials")
    }
    return Targets(
        **numbers,
        trace=torch.tensor([i for i, trace in enumerate(traces) for _ in trace], dtype=torch.long),
        step=torch.tensor([step for own in steps for step in own], dtype=torch.long),
        last=ends - 1,
        outcome=torch.tensor([float(one or 0) for one in outcomes], dtype=dtype),
        outcome_weight=torch.tensor([float(one is not None) for one in outcomes], dtype=dtype),
        pairs=torch.tensor(list(pairs), dtype=torch.long).reshape(-1, 2),
    )


def joined(one, other):
    """Two batches as one."""
    both = {
        f.name: torch.cat([getattr(one, f.name), getattr(other, f.name)]) for f in fields(Targets)
    }
    places, traces = len(one.good), len(one.last)
    both["trace"] = torch.cat([one.trace, other.trace + traces])
    both["last"] = torch.cat([one.last, other.last + places])
    both["pairs"] = torch.cat([one.pairs, other.pairs + places])
    return Targets(**both)


def batch_of(seed, classes=None):
    """Logits of shape (S, C), float64, and their targets, with all that may occur."""
    draw = random.Random(seed)
    steps, traces = [], []
    for _ in range(draw.randint(1, 4)):
        tokens = [draw.randint(1, 3) for _ in range(draw.randint(1, 5))]
        steps.append([step for step, number in enumerate(tokens) for _ in range(number)])
        traces.append([drawn_label(draw) for _ in steps[-1]])
    size = sum(map(len, traces))
    pairs = [(draw.randrange(size), draw.randrange(size)) for _ in range(draw.choice([0, 0, 1, 4]))]
    width = classes or draw.randint(1, 3)
    chance = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(size, width, dtype=torch.float64, generator=chance)
    outcomes = [draw.choice([True, False, None]) for _ in traces]
    return logits, made(*traces, outcomes=outcomes, steps=steps, pairs=pairs)


def drawn_label(draw):
    """What a place is taught, or nothing."""
    if draw.random() < 0.4:
        return None
    good = draw.choice([0.0, 0.5, 1.0, draw.random()])
    neutral = draw.choice([0.0, 0.0, 0.5, 1.0]) * (1 - good)
    trials = draw.randint(0, 8)
    scale = draw.uniform(0.01, 8)
    return StepTarget(
        good, neutral, draw.uniform(0.01, 8), scale * draw.randint(0, trials), scale * trials
    )


def batches(classes=None):
    """Any batch."""
    return st.integers(0, 2**31).map(lambda seed: batch_of(seed, classes))

"""What of a trained model is chosen from its scores alone: the contract's aggregate and threshold.

The aggregate is the one that the goal is best with. The threshold is the one, of those allowed, of
highest F1 on first errors of the development traces; where none are named it stays the one that
training tuned.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from surefoot.errors import ContractError, UsageError
from surefoot.models.contract import CONTRACT_FILE, Contract
from surefoot.models.hub import load
from surefoot.scores.first_errors import f1, first_error, knows_first_error, matches
from surefoot.traces.records import storage_errors
from surefoot.traces.types import Trace
from surefoot.training.config import RewardConfig
from surefoot.training.reward import CONFIG_FILE
from surefoot.training.tuning.goal import Found, Goal, Scores, read_as, scores_of
from surefoot.training.tuning.space import Space
from surefoot.training.watch import label_source

_RESAMPLES = 1000


@dataclass(frozen=True)
class Settled:
    """What a trained model reaches with the contract that suits it best.

    `halves` are its figures on either half of the questions, by which a choice among models can be
    judged on questions that it was not made on; None where a half does not define the figure.
    """

    found: Found
    halves: tuple[float | None, float | None]
    aggregate: str
    threshold: float


def settle(
    folder: Path, goal: Goal, space: Space, development: Sequence[Trace], config: RewardConfig
) -> Settled:
    """Measure the model in a folder by a goal, and write into its contract what suits it best.

    Raises:
        ModelError: it cannot be loaded or run.
        UsageError: the traces of the goal do not define its figure for this model, or no aggregate
            of the space is for its scores.
    """
    contract = Contract.load(folder)
    model = load(folder)
    scores = scores_of(model, goal.traces)
    if space.thresholds:
        own = scores if goal.traces is development else scores_of(model, development)
        threshold = _threshold(development, own, space.thresholds, config)
        contract = replace(contract, threshold=threshold)
    choices = _contracts(contract, space.aggregates)
    found = [_found(goal, scores, one) for one in choices]
    best = goal.best([None if one is None else one.value for one in found])
    if best is None:
        raise UsageError(f"the traces do not define {goal.name} for this model")
    chosen = choices[best]
    whole = _found(goal, scores, chosen, num_resamples=_RESAMPLES)
    assert whole is not None
    first, second = (_of_half(goal, scores, chosen, half) for half in goal.halves())
    _keep(chosen, folder)
    return Settled(whole, (first, second), chosen.aggregate, chosen.threshold)


def _keep(contract: Contract, folder: Path) -> None:
    """Put a contract, and settings of its aggregate, in the place of others, whole at every
    moment."""
    if contract == Contract.load(folder):
        return
    used = RewardConfig.load(folder / CONFIG_FILE).changed({"aggregate": contract.aggregate})
    with storage_errors(str(folder), "write"), TemporaryDirectory(dir=folder.parent) as aside:
        contract.save(aside)
        (Path(aside) / CONFIG_FILE).write_text(json.dumps(used.to_json(), indent=2) + "\n", "utf-8")
        for name in (CONFIG_FILE, CONTRACT_FILE):
            os.replace(Path(aside) / name, folder / name)


def _contracts(contract: Contract, aggregates: Sequence[str]) -> list[Contract]:
    """The contract with each aggregate that is for its scores."""
    found, refusals = [], []
    for rule in aggregates or (contract.aggregate,):
        try:
            found.append(replace(contract, aggregate=rule))
        except ContractError as error:
            refusals.append(str(error))
    if not found:
        raise UsageError(f"no aggregate of the space is for this model: {refusals[0]}")
    return found


def _found(
    goal: Goal, scores: Scores, contract: Contract, *, num_resamples: int = 0
) -> Found | None:
    read = read_as(scores, contract.aggregate, contract.threshold)
    return goal.measure(goal.traces, read, num_resamples)


def _of_half(goal: Goal, scores: Scores, contract: Contract, half: Sequence[int]) -> float | None:
    if not half:
        return None
    read = read_as([scores[i] for i in half], contract.aggregate, contract.threshold)
    found = goal.measure([goal.traces[i] for i in half], read, 0)
    return None if found is None else found.value


def _threshold(
    traces: Sequence[Trace],
    scores: Scores,
    allowed: Sequence[float],
    config: RewardConfig,
) -> float:
    """The allowed threshold of highest F1, the lowest of equally good ones."""
    source, neutral = label_source(config.labels), config.labels.neutral != "wrong"
    known = [i for i, one in enumerate(traces) if knows_first_error(one, source, neutral)]
    labels = [first_error(traces[i], source, neutral) for i in known]
    erroneous = np.array([label is not None for label in labels], dtype=np.bool_)
    if not erroneous.any() or erroneous.all():
        raise UsageError(
            "a threshold is tuned on development traces with and without an error; these are all "
            "of one kind"
        )
    own, counts = [scores[i] for i in known], np.ones((1, len(known)))
    figures = [float(f1(counts, erroneous, matches(own, labels, one))[0]) for one in allowed]
    return allowed[figures.index(max(figures))]

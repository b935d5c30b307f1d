"""`load`: from a name or a folder to a scorer of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot.errors import ModelError
from surefoot.models.base import RewardModel


def _arithmetic() -> RewardModel:
    from surefoot.models.checkers import ArithmeticChecker

    return ArithmeticChecker()


def _length() -> RewardModel:
    from surefoot.models.baselines import StepLength

    return StepLength()


def _random() -> RewardModel:
    from surefoot.models.baselines import RandomScores

    return RandomScores(seed=0)


BUILT_IN: Mapping[str, Callable[[], RewardModel]] = {
    "arithmetic": _arithmetic,
    "length": _length,
    "random": _random,
}


def load(source: str | Path) -> RewardModel:
    """A reward model: a built-in (`arithmetic`, `length`, `random`) or a checkpoint folder.

    A checkpoint folder holds the model's own files (`config.json`, safetensors, tokenizer) and a
    `contract.json`.

    Raises:
        ModelError: there is no such built-in and no such folder, or the folder is not a checkpoint.
        ContractError: the checkpoint and its contract do not fit each other.
    """
    if isinstance(source, str) and source in BUILT_IN:
        return BUILT_IN[source]()
    folder = Path(source)
    if not folder.is_dir():
        names = ", ".join(sorted(BUILT_IN))
        raise ModelError(
            f"no model {str(source)!r}: it is neither a folder nor one of the built-ins ({names})"
        )
    from surefoot.models.discriminative import DiscriminativeModel

    return DiscriminativeModel.load(folder)

"""The options of verbs that load a model; they are those of `surefoot.load`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from surefoot.models.base import RewardModel


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a model is loaded."""

    profile: str | None = None
    """Read the model as this published family (`surefoot models` lists them)."""

    contract: Path | None = None
    """Read it by the contract.json of this folder."""

    separator: str | None = None
    """What the training of a TRL checkpoint put behind every step; \\n stands for a line end."""

    base: str | None = None
    """The model that an adapter belongs to, if not the one it names."""

    reference: str | None = None
    """The model that a log-ratio is taken against, if not the published one."""

    tokenizer: str | None = None
    """The folder of the tokenizer of a model behind a server."""

    revision: str | None = None
    """Of a hub repository: a branch, tag or commit."""

    device: str | None = None
    """Such as cpu or cuda; the first GPU if there is one."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Numbers of the matrix products; heads stay in float32."""

    long: Literal["error", "windows"] = "error"
    """What becomes of a trace that is too long for the model."""


def load_model(source: str, options: Loading) -> RewardModel:
    """The model that a verb was given.

    Raises:
        ModelError, ContractError, UsageError: as `surefoot.load`.
    """
    from surefoot.models.hub import load

    given = asdict(options)
    if options.separator is not None:
        given["separator"] = options.separator.replace("\\n", "\n")
    return load(source, **given)


def num_windowed(model: RewardModel) -> int:
    """How many traces a model has scored in windows; 0 for one that knows none."""
    return int(getattr(model, "windowed", 0))

"""How a trace becomes tokens and what the numbers read from a model mean.

A `Contract` is saved inside the checkpoint and obeyed by training and scoring alike, so that a trace is never written
one way here and another way there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from surefoot import aggregate
from surefoot.errors import ContractError, UsageError
from surefoot.traces.layout import Layout, Tokenizer, encode_texts
from surefoot.traces.types import ScoreKind

CONTRACT_FILE = "contract.json"
VERSION = 1

Meaning = Literal["step-correct", "prefix-correct", "value"]
"""What a score is the probability of: this step is right; every step up to this one is right; the trace will end at
the right answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """One scorer's agreement: layout, slots, head and meaning.

    A score is read AT the last token of `layout.step_end` of every step, from a two-class head, as the softmax
    probability of class 1.
    """

    layout: Layout = field(default_factory=Layout)
    step_end_ids: tuple[int, ...]
    """Token ids of `layout.step_end`, pinned so that another tokenizer is noticed."""
    meaning: Meaning = "step-correct"
    aggregate: str = "min"
    threshold: float = 0.5
    max_tokens: int = 4096
    """A longer trace is refused, never cut."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_end_ids", tuple(self.step_end_ids))
        if not self.step_end_ids:
            raise ContractError("step_end_ids is empty: no token would hold the score of a step")
        if self.meaning not in get_args(Meaning):
            choices = ", ".join(get_args(Meaning))
            raise ContractError(f"meaning is {self.meaning!r}; it must be one of {choices}")
        if not 0 <= self.threshold <= 1:
            raise ContractError(f"threshold is {self.threshold}; a probability lies in [0, 1]")
        if self.max_tokens < 1:
            raise ContractError(f"max_tokens is {self.max_tokens}; it must be at least 1")
        try:
            aggregate.rule(self.aggregate)
        except UsageError as error:
            raise ContractError(f"aggregate: {error}") from None

    @property
    def kind(self) -> ScoreKind:
        """What its scores are called."""
        return "value" if self.meaning == "value" else "probability"

    @classmethod
    def for_tokenizer(cls, tokenizer: Tokenizer, layout: Layout | None = None, **rest: Any) -> Contract:
        """A contract whose pinned ids are this tokenizer's."""
        layout = layout or Layout()
        (ids,) = encode_texts([layout.step_end], tokenizer)
        return cls(layout=layout, step_end_ids=tuple(ids), **rest)

    def check(self, tokenizer: Tokenizer, max_positions: int | None) -> None:
        """Refuse a tokenizer or a model that does not fit.

        Raises:
            ContractError: naming both sides of the mismatch.
        """
        (ids,) = encode_texts([self.layout.step_end], tokenizer)
        if tuple(ids) != self.step_end_ids:
            raise ContractError(
                f"the tokenizer writes the step end {self.layout.step_end!r} as {ids}, the contract says "
                f"{list(self.step_end_ids)}; use the tokenizer the model was trained with"
            )
        if max_positions is not None and self.max_tokens > max_positions:
            raise ContractError(
                f"the contract allows {self.max_tokens} tokens, the model has {max_positions} positions; lower max_tokens"
            )

    def save(self, folder: str | Path) -> None:
        """Write `contract.json` into a checkpoint folder."""
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=2)
        (Path(folder) / CONTRACT_FILE).write_text(text + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Contract:
        """Read `contract.json` of a checkpoint folder.

        Raises:
            ContractError: it is missing, damaged, newer than this version, or has fields that mean nothing here.
        """
        path = Path(folder) / CONTRACT_FILE
        try:
            values = json.loads(path.read_text())
        except FileNotFoundError:
            raise ContractError(
                f"{folder} has no {CONTRACT_FILE}, so how its scores are read is not known; write one or train with surefoot"
            ) from None
        except (OSError, ValueError) as error:
            raise ContractError(f"{path} cannot be read: {error}") from None
        if not isinstance(values, dict) or values.pop("version", None) != VERSION:
            raise ContractError(f"{path} is not a contract of version {VERSION}; upgrade surefoot or write it anew")
        known = {f.name for f in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ContractError(f"{path} has unknown fields: {', '.join(unknown)}")
        try:
            return cls(**{**values, "layout": Layout(**values["layout"])})
        except (KeyError, TypeError) as error:
            raise ContractError(f"{path} is incomplete: {error}") from None

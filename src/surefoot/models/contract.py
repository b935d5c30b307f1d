"""How a trace becomes tokens and what the numbers read from a model mean.

A `Contract` is saved inside the checkpoint and obeyed by training and scoring alike, so that a
trace is never written one way here and another way there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from surefoot import aggregate
from surefoot.errors import ContractError, UsageError
from surefoot.traces.layout import Layout, Tokenizer, encode_texts
from surefoot.traces.records import storage_errors
from surefoot.traces.types import ScoreKind

CONTRACT_FILE = "contract.json"
VERSION = 1

Meaning = Literal["step-correct", "prefix-correct", "value"]
"""What a score is the probability of: this step is right; every step up to this one is right; the
trace will end at the right answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """One scorer's agreement: layout, slots, head and meaning.

    A score is read AT the last token of `layout.step_end` of every step, from a two-class head, as
    the softmax probability of class 1.
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
        if not all(_is_whole(one) and one >= 0 for one in self.step_end_ids):
            raise ContractError(f"step_end_ids is {self.step_end_ids}; token ids are 0 or more")
        if self.meaning not in get_args(Meaning):
            choices = ", ".join(get_args(Meaning))
            raise ContractError(f"meaning is {self.meaning!r}; it must be one of {choices}")
        if isinstance(self.threshold, bool) or not isinstance(self.threshold, (int, float)):
            raise ContractError(f"threshold is {self.threshold!r}; it must be a number")
        if not 0 <= self.threshold <= 1:
            raise ContractError(f"threshold is {self.threshold}; a probability lies in [0, 1]")
        if not _is_whole(self.max_tokens) or self.max_tokens < 1:
            raise ContractError(f"max_tokens is {self.max_tokens!r}; it must be 1 or more")
        try:
            aggregate.rule(self.aggregate)
        except UsageError as error:
            raise ContractError(f"aggregate: {error}") from None

    @property
    def kind(self) -> ScoreKind:
        """What its scores are called."""
        return "value" if self.meaning == "value" else "probability"

    @classmethod
    def for_tokenizer(
        cls, tokenizer: Tokenizer, layout: Layout | None = None, **rest: Any
    ) -> Contract:
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
                f"the tokenizer writes the step end {self.layout.step_end!r} as {ids}, the "
                f"contract says {list(self.step_end_ids)}; use the tokenizer of the training"
            )
        if max_positions is not None and self.max_tokens > max_positions:
            raise ContractError(
                f"the contract allows {self.max_tokens} tokens, the model has {max_positions} "
                "positions; lower max_tokens"
            )

    def save(self, folder: str | Path) -> None:
        """Write `contract.json` into a checkpoint folder.

        Raises:
            StorageError: the folder cannot be written.
        """
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=2)
        path = Path(folder) / CONTRACT_FILE
        with storage_errors(str(path), "write"):
            path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Contract:
        """Read `contract.json` of a checkpoint folder.

        Raises:
            ContractError: it is missing, damaged, of another version, or its fields are not exactly
                those of a contract.
        """
        path = Path(folder) / CONTRACT_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ContractError(
                f"{folder} has no {CONTRACT_FILE}, so how its scores are read is not known; "
                "write one or train with surefoot"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise ContractError(f"{path} cannot be read: {error}") from None
        if not isinstance(values, dict) or "version" not in values:
            raise ContractError(f"{path} is not a contract: it names no version")
        if (version := values.pop("version")) != VERSION:
            raise ContractError(
                f"{path} is a contract of version {version!r}, this surefoot reads {VERSION}; "
                "upgrade surefoot, or write it anew"
            )
        try:
            return cls(**{**_known(cls, values), "layout": _layout(values)})
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from None


def _layout(values: dict[str, Any]) -> Layout:
    given = values["layout"]
    if not isinstance(given, dict):
        raise ContractError(f"layout is {given!r}; it must be an object")
    return Layout(**_known(Layout, given, "layout."))


def _known(cls: type[Contract | Layout], values: dict[str, Any], where: str = "") -> dict[str, Any]:
    """The values, if they are exactly those of the class: a default may differ tomorrow."""
    names = {f.name for f in fields(cls)}
    if unknown := sorted(where + name for name in values.keys() - names):
        raise ContractError(f"unknown fields: {', '.join(unknown)}; upgrade surefoot")
    if missing := sorted(where + name for name in names - values.keys()):
        raise ContractError(f"missing fields: {', '.join(missing)}")
    return values


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

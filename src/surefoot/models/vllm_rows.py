"""The rows that a pooling server gives for one text: as many as are due, of what was asked for.

A server gives a row for every token of a text (pooling `all`), or for every token that is the tag
it was started with (pooling `step`), those in the user's text among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from surefoot.errors import ModelError

Pooling = Literal["step", "all"]
"""Which tokens the server gives rows for: those that are the tag it was started with, or all."""
Numbers = Literal["probabilities", "logits"]
"""What a row holds: the softmax of the classes, or their logits."""

_SUM_TOLERANCE = 1e-3
_ENOUGH_ROWS = 4
"""So many rows of logits do not all sum to 1 by chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """What the rows of a text must be."""

    tag: int | None
    """The token that rows are given for, None where every token has one."""
    numbers: Numbers
    classes: int

    def rows_at(
        self, places: Sequence[int], ids: Sequence[int], data: Any, where: str
    ) -> list[list[float]]:
        """The rows that belong to some positions of a text.

        Args:
            places: Those positions; with a tag, each holds one.
            ids: The tokens of the text.
            data: What the server gave for it.
            where: What the error begins with.

        Raises:
            ModelError: the rows are not those that are due; it says how to mend that.
        """
        rows = self._checked(ids, data, where)
        if self.tag is None:
            return [rows[place] for place in places]
        tagged = (place for place, token in enumerate(ids) if token == self.tag)
        by_place = dict(zip(tagged, rows, strict=True))
        return [by_place[place] for place in places]

    def _checked(self, ids: Sequence[int], data: Any, where: str) -> list[list[float]]:
        if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
            raise ModelError(
                f"{where} has one row for the whole text; start the server with --runner pooling "
                "and the pooler's task token_classify"
            )
        due = len(ids) if self.tag is None else ids.count(self.tag)
        if len(data) != due:
            raise ModelError(f"{where} has {len(data)} rows, {due} are due: {self._why(ids, data)}")
        for row in data:
            if len(row) != self.classes or not all(map(_is_number, row)):
                raise ModelError(
                    f"{where} has the row {row[:4]}; {self.classes} finite numbers are due, one "
                    "for each class"
                )
        self._check_numbers(data, where)
        return data

    def _check_numbers(self, rows: Sequence[Sequence[float]], where: str) -> None:
        sums_to_1 = [min(row) >= 0 and abs(sum(row) - 1) <= _SUM_TOLERANCE for row in rows]
        if self.numbers == "probabilities" and not all(sums_to_1):
            raise ModelError(
                f"{where} has the row {rows[sums_to_1.index(False)]}, which are no probabilities; "
                "if the server applies no softmax, say numbers='logits'"
            )
        if self.numbers == "logits" and all(sums_to_1) and len(rows) >= _ENOUGH_ROWS:
            raise ModelError(
                f"{where} has probabilities where logits were asked for, so the server does not "
                "heed use_activation; say numbers='probabilities'"
            )

    def _why(self, ids: Sequence[int], data: Sequence[Any]) -> str:
        cached = (
            "a prefix cache keeps it from computing them again (start the server with "
            "--no-enable-prefix-caching)"
        )
        if self.tag is None:
            return f"{cached}, or it has STEP pooling (say pooling='step')"
        if len(data) == len(ids):
            return "the server gives one for every token; say pooling='all'"
        return f"{cached}, or its step_tag_id is not {self.tag}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and value is not True and math.isfinite(value)

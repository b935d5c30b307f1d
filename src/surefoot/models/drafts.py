"""One row in the making: pieces are laid end to end, and what lies where is known from then on.

Between two cuts or added tokens the text is one run, which the tokenizer is given in one go, as the
published code of a model does; where a slot lies inside a run, the tokenizer's own offsets say
which token ends there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from tokenizers import Encoding

from surefoot.errors import UnscorableError
from surefoot.models.template import Template, parts
from surefoot.policies.encoders import WHITE_SPACE, AddedToken

Split = Callable[[str], Iterable[str | AddedToken]]
"""From literal text to stretches of plain text and added tokens."""

NUMBERED = re.compile(r"\s*step\s*\d+\s*[:.]", re.IGNORECASE)
"""How a step begins that has a number of its own."""


class Text(NamedTuple):
    """What a template is filled with.

    Steps are numbered from `first` + 1 on, and only those from position `read_from` on have slots.
    """

    problem: str
    steps: tuple[str, ...]
    reference: str | None = None
    first: int = 0
    read_from: int = 0


class Span(NamedTuple):
    """A stretch of a row: what it is, its text, and the positions of its tokens."""

    kind: str
    """`template`, `special`, `problem`, `step` or `reference`."""
    text: str
    begin: int
    end: int
    step: int | None = None
    """The step that it was written for; None before the first and behind the last."""
    is_joined: bool = False
    """Whether the token before it holds the first of its characters too."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One row: token ids, shape (T,), the positions of its slots, shape (S,), and that of the first
    token after the prompt.

    `steps` names the step of each slot, `merged` the slots whose token reaches into the text behind
    it. If asked for, `empty` names the steps that leave no token, `spans` says what stands where,
    and `texts` which characters each token completes.
    """

    ids: list[int]
    slots: list[int]
    start: int
    steps: tuple[int, ...]
    merged: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    spans: tuple[Span, ...] = ()
    texts: tuple[str, ...] = ()


class _Cut:
    """What stands before and after is given to the tokenizer separately."""


@dataclass(slots=True, eq=False)
class _Mark:
    """A place in a row; `position` is the number of tokens that begin before it, and `is_inside`
    says that the last of them ends behind it."""

    character: int = 0
    position: int = 0
    is_inside: bool = False


@dataclass(slots=True)
class Run:
    """Text that the tokenizer is given in one go. `first` is false behind a special token."""

    first: bool
    text: str = ""
    marks: list[_Mark] = field(default_factory=list)


class Draft:
    """One row in the making: what is laid, in order, and then its ids."""

    def __init__(self, template: Template, tokenizer: Any, split: Split, explain: bool) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self.split = split
        self.explain = explain
        self.laid: list[str | AddedToken | _Cut | _Mark] = []
        self.slots: list[tuple[_Mark, _Mark, int]] = []
        """Where a score is read, where its step begins, and which step that is."""
        self.start: _Mark | None = None
        self.step: int | None = None
        self.stretches: list[tuple[str, str, int | None, _Mark, _Mark]] = []
        self._pieces: list[Run | AddedToken | _Mark] = []

    def write(self, text: Text, row: range, signs: Sequence[str] | None) -> None:
        """Write the prompt and the steps up to the last of `row`; those in `row` have slots. With
        signs, it is the second pass."""
        template = self.template
        self._fill(template.prompt, text)
        self.start = self._mark()
        for k in range(row.stop):
            self.step = k
            if k:
                self._fill(template.between, text)
            if k not in row and template.past is not None:
                self._fill(template.past, text, k)
            elif signs is None or template.second is None:
                self._fill(template.step, text, k)
            else:
                self._fill(template.second, text, k, signs)
        self.slots = [slot for slot in self.slots if slot[2] in row]
        self.step = None
        self._fill(template.end, text)

    def _fill(self, source: str, text: Text, step: int = 0, signs: Sequence[str] = ()) -> None:
        begin = self._mark()
        rest = iter(signs)
        for kind, value in parts(source):
            if kind == "text":
                self.literal(value)
            elif value == "problem":
                self._lay("problem", self._clean(text.problem))
            elif value in ("step", "numbered"):
                one = self._clean(text.steps[step])
                if value == "numbered" and not NUMBERED.match(one):
                    self.literal(f"Step {text.first + step + 1}: ")
                self._lay("step", one)
            elif value == "n":
                self.literal(str(text.first + step + 1))
            elif value == "reference":
                self._lay("reference", text.reference or self.template.no_reference)
            elif value == "slot":
                self.slots.append((self._mark(), begin, step))
            elif value == "sign":
                self.literal(next(rest))
            elif value == "cut":
                self.laid.append(_Cut())
            elif token := getattr(self.tokenizer, f"{value}_token", None):
                self.literal(token)

    def literal(self, text: str) -> None:
        """Lay the author's own text; special tokens in it are tokens."""
        for piece in self.split(text):
            kind = "special" if isinstance(piece, AddedToken) else "template"
            self._lay(kind, piece)

    def _lay(self, kind: str, piece: str | AddedToken) -> None:
        begin = self._mark() if self.explain else None
        self.laid.append(piece)
        if begin is not None:
            text = piece if isinstance(piece, str) else piece.text
            self.stretches.append((kind, text, self.step, begin, self._mark()))

    def _clean(self, text: str) -> str:
        for old, new in self.template.replace:
            text = text.replace(old, new)
        return text.strip() if self.template.strip else text

    def _mark(self) -> _Mark:
        mark = _Mark()
        self.laid.append(mark)
        return mark

    def runs(self) -> list[Run]:
        """What the tokenizer is to be given."""
        run: Run | None = None
        first, strip_left = True, False
        for piece in self.laid:
            if isinstance(piece, _Mark):
                if run is None:
                    self._pieces.append(piece)
                else:
                    piece.character = len(run.text)
                    run.marks.append(piece)
            elif isinstance(piece, str):
                if run is None:
                    run = Run(first)
                    self._pieces.append(run)
                skip = strip_left and not run.text
                run.text += piece.lstrip(WHITE_SPACE) if skip else piece
            elif isinstance(piece, _Cut):
                run, first, strip_left = None, True, False
            else:
                if piece.strips_left and run is not None:
                    run.text = run.text.rstrip(WHITE_SPACE)
                self._pieces.append(piece)
                run, first, strip_left = None, False, piece.strips_right
        return [piece for piece in self._pieces if isinstance(piece, Run)]

    def rendered(self, encodings: Mapping[tuple[bool, str], Encoding]) -> Rendered:
        """Ids and slots, from what the tokenizer made of the runs."""
        ids: list[int] = []
        texts: list[str] = []
        for piece in self._pieces:
            if isinstance(piece, AddedToken):
                ids.append(piece.id)
                texts.append(piece.text)
            elif isinstance(piece, _Mark):
                piece.position = len(ids)
            else:
                encoding = encodings.get((piece.first, piece.text))
                offsets = [] if encoding is None else encoding.offsets
                for mark in piece.marks:
                    before, mark.is_inside = _tokens_before(offsets, mark.character, piece.text)
                    mark.position = len(ids) + before
                if encoding is not None:
                    ids += encoding.ids
                    if self.explain:
                        texts += _texts(offsets, piece.text)
        empty = [step for mark, begin, step in self.slots if mark.position <= begin.position]
        if empty and not self.explain:
            raise UnscorableError(
                f"the tokenizer writes step {empty[0]} with no token, so there is none to score"
            )
        return Rendered(
            ids,
            [mark.position - 1 for mark, _, _ in self.slots],
            self.start.position if self.start else 0,
            tuple(step for _, _, step in self.slots),
            tuple(i for i, (mark, _, _) in enumerate(self.slots) if mark.is_inside),
            tuple(empty),
            tuple(
                Span(kind, text, begin.position, end.position, step, begin.is_inside)
                for kind, text, step, begin, end in self.stretches
            ),
            tuple(texts) if self.explain else (),
        )


def _tokens_before(
    offsets: Sequence[tuple[int, int]], character: int, text: str
) -> tuple[int, bool]:
    """How many tokens of a run begin before a character, and whether the last ends behind it."""
    if not offsets or character == 0:
        return 0, False
    if character == len(text):
        return len(offsets), False
    before = bisect_left(offsets, (character,))
    return before, before > 0 and offsets[before - 1][1] > character


def _texts(offsets: Sequence[tuple[int, int]], text: str) -> list[str]:
    """The characters of a run that each of its tokens completes: one that several tokens share,
    such as the bytes of a sign, belongs to the last of them."""
    return [
        text[begin : min(end, after)]
        for (begin, end), (after, _) in pairwise([*offsets, (len(text), len(text))])
    ]

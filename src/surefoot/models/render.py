"""From traces to token ids and the slots at which scores are read.

Pieces are laid end to end and their places recorded as they are laid, so a slot is known by
construction and never searched for. Between two cuts or special tokens the text is given to the
tokenizer in one go, as the published code of a model does; where a slot lies inside such a run, the
tokenizer's own offsets say which token ends there.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tokenizers import Encoding, Tokenizer

from surefoot.errors import ContractError, UnscorableError
from surefoot.models.contract import Contract
from surefoot.models.template import Template, parts, spell_out_chat
from surefoot.traces.types import Trace

_PROBE = (
    "Step 1: add 8. 5+8 = 13,  so\n\nthe\tlast digit is 3.\r\n ки \\boxed{1.5e-3} <b>x</b> I'll "
    "12345,678 + -7 ÜBER naïve 𝒳²≤∞ 数学 \U0001f600 _a_ --- ''\n\n\n\n## "
)
_NUMBERED = re.compile(r"\s*step\s*\d+\s*[:.]", re.IGNORECASE)


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
    and `texts` which characters each token adds.
    """

    ids: list[int]
    slots: list[int]
    start: int
    steps: tuple[int, ...]
    merged: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    spans: tuple[Span, ...] = ()
    texts: tuple[str, ...] = ()


class Item(NamedTuple):
    """A text, the rows it gives, and its place among those asked for."""

    place: int
    text: Text
    rows: list[Rendered]


def render(texts: Sequence[Text], contract: Contract, renderer: Renderer) -> list[list[Rendered]]:
    """The rows of each text as the contract writes them, whatever their length.

    Raises:
        UnscorableError: a step leaves no token of its own to score, or none that ends with it.
    """
    rendered = renderer(texts)
    if contract.reading.head != "token-log-ratio":
        for rows in rendered:
            for row in rows:
                if row.merged:
                    raise UnscorableError(
                        f"the token that ends step {row.steps[row.merged[0]]} reaches into what "
                        "follows, so its score would depend on that; set a {cut} in the "
                        "contract's template"
                    )
    return rendered


def text_of(trace: Trace) -> Text:
    """What a template takes from a trace.

    Raises:
        UnscorableError: a step has an observation, which no template writes yet.
    """
    for i, step in enumerate(trace.steps):
        if step.observation is not None:
            raise UnscorableError(
                f"step {i} of trace {trace.id} has an observation, which the model would not see; "
                "put what it is to read into the text of the step"
            )
    return Text(trace.problem, trace.texts, trace.reference)


def fits(rows: Sequence[Rendered], max_tokens: int) -> bool:
    """Whether no row is longer than a contract allows."""
    return max(len(row.ids) for row in rows) <= max_tokens


def too_long(text: Text, rows: Sequence[Rendered], max_tokens: int) -> UnscorableError:
    """What is wrong with a text of which `fits` is not true."""
    longest = max(len(row.ids) for row in rows)
    trace = Trace(text.problem, text.steps).id
    return UnscorableError(
        f"trace {trace} has {longest} tokens in {len(text.steps)} steps, the contract allows "
        f"{max_tokens}; shorten it, use a model with more room, or score it in windows"
    )


def probe_of(tokenizer: Any) -> str:
    """16 hexadecimal digits that tell apart tokenizers which cut text differently."""
    encoder, _ = _plain_encoders(tokenizer)
    ids = encoder.encode(_PROBE, add_special_tokens=False).ids
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]


def check_tokenizer(contract: Contract, renderer: Renderer) -> None:
    """Refuse a tokenizer that is not the contract's.

    Raises:
        ContractError: naming both sides of the mismatch.
    """
    for text, ids in contract.pinned.items():
        found = renderer.ids_of(text)
        if not ids and len(found) != 1:
            raise ContractError(
                f"the tokenizer writes {text!r} as {found}, the contract says that it is one "
                "token; use the tokenizer that belongs to the model"
            )
        if ids and found != list(ids):
            raise ContractError(
                f"the tokenizer writes {text!r} as {found}, the contract says {list(ids)}; use the "
                "tokenizer that belongs to the model"
            )
    if contract.probe is not None and probe_of(renderer.tokenizer) != contract.probe:
        raise ContractError(
            "the tokenizer cuts text otherwise than the contract's (its probe text gives other "
            "ids), so every score would be off; use the tokenizer that belongs to the model"
        )


class Renderer:
    """A template bound to a tokenizer.

    Raises:
        ContractError: the tokenizer is not a fast one, or its chat template does not fit.
    """

    def __init__(self, template: Template, tokenizer: Any) -> None:
        self.template = spell_out_chat(template, tokenizer)
        self.tokenizer = tokenizer
        self._first, self._later = _plain_encoders(tokenizer)
        self._added = {
            token.content: _Token(token.content, i, token.lstrip, token.rstrip)
            for i, token in tokenizer.backend_tokenizer.get_added_tokens_decoder().items()
        }
        longest_first = sorted(self._added, key=len, reverse=True)
        self._any_added = re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    def __call__(
        self,
        texts: Sequence[Text],
        *,
        signs: Sequence[Sequence[str]] | None = None,
        explain: bool = False,
    ) -> list[list[Rendered]]:
        """The rows of each text: one, or with `template.past` one for each step.

        Args:
            texts: What to write.
            signs: Write the second pass, with these tokens; one sequence for each row, in order.
            explain: Record spans and texts too, and which steps leave no token.

        Raises:
            UnscorableError: a step leaves no token, and `explain` was not asked for.
        """
        drafts: list[list[_Draft]] = []
        some_signs = None if signs is None else iter(signs)
        for text in texts:
            drafts.append([])
            for row in self._rows(text):
                draft = _Draft(self, explain)
                draft.write(text, row, None if some_signs is None else next(some_signs))
                drafts[-1].append(draft)
        encodings = self._encode([run for own in drafts for draft in own for run in draft.runs()])
        return [[draft.rendered(encodings) for draft in own] for own in drafts]

    def ids_of(self, text: str) -> list[int]:
        """The ids of literal text; the names of special tokens become those tokens."""
        draft = _Draft(self, False)
        draft.literal(text)
        return draft.rendered(self._encode(draft.runs())).ids

    def token(self, token_id: int) -> str:
        """A token as the vocabulary writes it."""
        return self._first.id_to_token(token_id) or f"<{token_id}>"

    def split_special(self, text: str) -> Iterator[str | _Token]:
        """Literal text as stretches of plain text and special tokens."""
        if not self._added:
            yield text
            return
        for i, stretch in enumerate(self._any_added.split(text)):
            if stretch:
                yield self._added[stretch] if i % 2 else stretch

    def _rows(self, text: Text) -> list[range]:
        """The steps that are read in each row."""
        steps = range(text.read_from, len(text.steps))
        return [steps] if self.template.past is None else [range(k, k + 1) for k in steps]

    def _encode(self, runs: Sequence[_Run]) -> Mapping[tuple[bool, str], Encoding]:
        found: dict[tuple[bool, str], Encoding] = {}
        for first, encoder in ((True, self._first), (False, self._later)):
            texts = list(dict.fromkeys(run.text for run in runs if run.first == first and run.text))
            encodings = encoder.encode_batch(texts, add_special_tokens=False)
            found |= {(first, t): one for t, one in zip(texts, encodings, strict=True)}
        return found


class _Token(NamedTuple):
    """A special token, and whether it takes the white space on its two sides."""

    text: str
    id: int
    strips_left: bool
    strips_right: bool


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
class _Run:
    """Text that the tokenizer is given in one go. `first` is false behind a special token."""

    first: bool
    text: str = ""
    marks: list[_Mark] = field(default_factory=list)


class _Draft:
    """One row in the making: what is laid, in order, and then its ids."""

    def __init__(self, renderer: Renderer, explain: bool) -> None:
        self.renderer = renderer
        self.explain = explain
        self.laid: list[str | _Token | _Cut | _Mark] = []
        self.slots: list[tuple[_Mark, _Mark, int]] = []
        """Where a score is read, where its step begins, and which step that is."""
        self.start: _Mark | None = None
        self.step: int | None = None
        self.stretches: list[tuple[str, str, int | None, _Mark, _Mark]] = []
        self._pieces: list[_Run | _Token | _Mark] = []

    def write(self, text: Text, row: range, signs: Sequence[str] | None) -> None:
        """Write the prompt and the steps up to the last of `row`; those in `row` have slots. With
        signs, it is the second pass."""
        template = self.renderer.template
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
        template, tokenizer = self.renderer.template, self.renderer.tokenizer
        rest = iter(signs)
        for kind, value in parts(source):
            if kind == "text":
                self.literal(value)
            elif value == "problem":
                self._user("problem", self._clean(text.problem))
            elif value in ("step", "numbered"):
                one = self._clean(text.steps[step])
                if value == "numbered" and not _NUMBERED.match(one):
                    self.literal(f"Step {text.first + step + 1}: ")
                self._user("step", one)
            elif value == "n":
                self.literal(str(text.first + step + 1))
            elif value == "reference":
                self._user("reference", text.reference or template.no_reference)
            elif value == "slot":
                self.slots.append((self._mark(), begin, step))
            elif value == "sign":
                self.literal(next(rest))
            elif value == "cut":
                self.laid.append(_Cut())
            elif token := getattr(tokenizer, f"{value}_token", None):
                self.literal(token)

    def literal(self, text: str) -> None:
        """Lay the author's own text; special tokens in it are tokens."""
        for piece in self.renderer.split_special(text):
            kind = "special" if isinstance(piece, _Token) else "template"
            self._lay(kind, piece)

    def _user(self, kind: str, text: str) -> None:
        self._lay(kind, text)

    def _lay(self, kind: str, piece: str | _Token) -> None:
        begin = self._mark() if self.explain else None
        self.laid.append(piece)
        if begin is not None:
            text = piece if isinstance(piece, str) else piece.text
            self.stretches.append((kind, text, self.step, begin, self._mark()))

    def _clean(self, text: str) -> str:
        template = self.renderer.template
        for old, new in template.replace:
            text = text.replace(old, new)
        return text.strip() if template.strip else text

    def _mark(self) -> _Mark:
        mark = _Mark()
        self.laid.append(mark)
        return mark

    def runs(self) -> list[_Run]:
        """What the tokenizer is to be given."""
        run: _Run | None = None
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
                    run = _Run(first)
                    self._pieces.append(run)
                run.text += piece.lstrip() if strip_left and not run.text else piece
            elif isinstance(piece, _Cut):
                run, first, strip_left = None, True, False
            else:
                if piece.strips_left and run is not None:
                    run.text = run.text.rstrip()
                self._pieces.append(piece)
                run, first, strip_left = None, False, piece.strips_right
        return [piece for piece in self._pieces if isinstance(piece, _Run)]

    def rendered(self, encodings: Mapping[tuple[bool, str], Encoding]) -> Rendered:
        """Ids and slots, from what the tokenizer made of the runs."""
        ids: list[int] = []
        texts: list[str] = []
        for piece in self._pieces:
            if isinstance(piece, _Token):
                ids.append(piece.id)
                texts.append(piece.text)
            elif isinstance(piece, _Mark):
                piece.position = len(ids)
            else:
                encoding = encodings.get((piece.first, piece.text))
                for mark in piece.marks:
                    before, mark.is_inside = _tokens_before(encoding, mark.character, piece.text)
                    mark.position = len(ids) + before
                if encoding is not None:
                    ids += encoding.ids
                    if self.explain:
                        texts += _added_texts(encoding, piece.text)
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


def _tokens_before(encoding: Encoding | None, character: int, text: str) -> tuple[int, bool]:
    """How many tokens of a run begin before a character, and whether the last ends behind it."""
    if encoding is None or character == 0:
        return 0, False
    if character == len(text):
        return len(encoding.ids), False
    before = bisect_left(encoding.offsets, (character,))
    return before, before > 0 and encoding.offsets[before - 1][1] > character


def _added_texts(encoding: Encoding, text: str) -> list[str]:
    """The characters of a run that each of its tokens adds to those before it."""
    found, done = [], 0
    for begin, end in encoding.offsets:
        found.append(text[max(begin, done) : end])
        done = max(done, end)
    return found


def _plain_encoders(tokenizer: Any) -> tuple[Tokenizer, Tokenizer]:
    """Copies of the tokenizer that take every text as plain text and report true offsets: for the
    beginning of a row or what follows a cut, and for what follows a special token."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ContractError(
            f"the tokenizer is a {type(tokenizer).__name__} without a fast backend, which knows "
            "where its tokens lie in the text; convert it to a tokenizer.json"
        )
    settings = json.loads(backend.to_str())
    settings |= {"truncation": None, "padding": None, "post_processor": None}
    for added in settings["added_tokens"]:
        added["special"] = True
    later = json.dumps(_without_first_space(settings["pre_tokenizer"]))
    first = _as_plain(settings)
    if later == json.dumps(settings["pre_tokenizer"]):
        return first, first
    return first, _as_plain({**settings, "pre_tokenizer": json.loads(later)})


def _as_plain(settings: Mapping[str, Any]) -> Tokenizer:
    encoder = Tokenizer.from_str(json.dumps(settings))
    encoder.encode_special_tokens = True
    return encoder


def _without_first_space(part: Any) -> Any:
    """The same pre-tokenizer, putting no space before text that does not begin the row."""
    if isinstance(part, list):
        return [_without_first_space(one) for one in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _without_first_space(value) for name, value in part.items()}
    if changed.get("prepend_scheme") == "first":
        changed["prepend_scheme"] = "never"
    return changed

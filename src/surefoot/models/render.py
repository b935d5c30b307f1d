"""From traces to token ids and the slots at which scores are read.

A slot is known by construction and never searched for: what the user's text holds changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tokenizers import Encoding

from surefoot.errors import ContractError, UnscorableError
from surefoot.models.contract import Contract
from surefoot.models.drafts import Draft, Run
from surefoot.models.drafts import Rendered as Rendered
from surefoot.models.drafts import Span as Span
from surefoot.models.drafts import Text as Text
from surefoot.models.template import Template, spell_out_chat
from surefoot.policies.encoders import Encoders
from surefoot.traces.types import Trace

_PROBE = (
    "Step 1: add 8. 5+8 = 13,  so\n\nthe\tlast digit is 3.\r\n ки \\boxed{1.5e-3} <b>x</b> I'll "
    "12345,678 + -7 ÜBER naïve 𝒳²≤∞ 数学 \U0001f600 _a_ --- ''\n\n\n\n## "
)


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
            check_slots(rows)
    return rendered


def check_slots(rows: Sequence[Rendered]) -> None:
    """Refuse rows in which a slot is at a token that is not the step's alone.

    Raises:
        UnscorableError: naming the step.
    """
    for row in rows:
        if row.merged:
            raise UnscorableError(
                f"the token that ends step {row.steps[row.merged[0]]} reaches into what follows, "
                "so its score would depend on that; set a {cut} in the contract's template"
            )


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
    encoders = Encoders(tokenizer)
    ids = [
        one.encode(_PROBE, add_special_tokens=False).ids
        for one in dict.fromkeys((encoders.first, encoders.later))
    ]
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
        self.encoders = Encoders(tokenizer)
        self._split = lru_cache(maxsize=512)(lambda text: tuple(self.encoders.split(text)))

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
        drafts: list[list[Draft]] = []
        some_signs = None if signs is None else iter(signs)
        for text in texts:
            drafts.append([])
            for row in self._rows(text):
                draft = Draft(self.template, self.tokenizer, self._split, explain)
                draft.write(text, row, None if some_signs is None else next(some_signs))
                drafts[-1].append(draft)
        encodings = self._encode([run for own in drafts for draft in own for run in draft.runs()])
        return [[draft.rendered(encodings) for draft in own] for own in drafts]

    def ids_of(self, text: str) -> list[int]:
        """The ids of literal text; the names of special tokens become those tokens."""
        return self.encoders.encode(self.encoders.split(text))

    def token(self, token_id: int) -> str:
        """A token as the vocabulary writes it."""
        return self.tokenizer.backend_tokenizer.id_to_token(token_id) or f"<{token_id}>"

    def _rows(self, text: Text) -> list[range]:
        """The steps that are read in each row."""
        steps = range(text.read_from, len(text.steps))
        return [steps] if self.template.past is None else [range(k, k + 1) for k in steps]

    def _encode(self, runs: Sequence[Run]) -> Mapping[tuple[bool, str], Encoding]:
        found: dict[tuple[bool, str], Encoding] = {}
        for first, encoder in ((True, self.encoders.first), (False, self.encoders.later)):
            texts = list(dict.fromkeys(run.text for run in runs if run.first == first and run.text))
            encodings = encoder.encode_batch(texts, add_special_tokens=False)
            found |= {(first, t): one for t, one in zip(texts, encodings, strict=True)}
        return found

"""Scorers that read numbers off a model's states: tags, answer slots, classifier and value heads.

Traces are rendered by the contract, the body runs once over every token that they do not share
(`engine`), and the head only at the slots. What tells published PRMs of this kind apart is in their
contracts, so there is one class for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

from surefoot.errors import ContractError
from surefoot.models.base import BatchScorer, Scored, Session
from surefoot.models.contract import CONTRACT_FILE, Contract
from surefoot.models.engine import Engine
from surefoot.models.heads import Head, Read, check_logits, layers_head, link, signed, tokens_head
from surefoot.models.render import (
    Item,
    Rendered,
    Renderer,
    Text,
    check_tokenizer,
    fits,
    render,
    text_of,
    too_long,
)
from surefoot.models.windows import windows
from surefoot.policies.checkpoints import whole_folder
from surefoot.traces.types import StepScores, Trace

GROUP_TOKENS = 32_768
"""Rendered tokens of the traces that are computed together, so that memory stays bounded."""

HEAD_FILE = "head.safetensors"

Long = Literal["error", "windows"]

Reader = Callable[[Sequence[Rendered]], list[list[Read]]]
"""From rows to what is read at their slots."""


class DiscriminativeModel(BatchScorer):
    """A transformers model, a head and a contract.

    Args:
        model: A causal model of transformers: a bare body, a causal language model or a token
            classifier whose layer is called `score`.
        tokenizer: The model's own.
        contract: How traces are written and scores are read.
        name: What scores are signed with.
        head: The head, where it is not part of `model`.
        long: What becomes of a trace that is longer than the contract allows: an error, or windows
            that keep the problem.

    Raises:
        ContractError: model, tokenizer and contract do not fit each other.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        contract: Contract,
        *,
        name: str,
        head: Head | None = None,
        long: Long = "error",
    ) -> None:
        check_room(contract, model)
        self.renderer = Renderer(contract.template, tokenizer)
        check_tokenizer(contract, self.renderer)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.contract = contract
        self.name = name
        self.long = long
        self.windowed = 0
        """How many traces have been scored in windows."""
        self.head = head or self._own_head()
        self._loose_head = head
        width = getattr(model.config, "hidden_size", self.head.width)
        if self.head.width != width:
            raise ContractError(
                f"the head reads states of width {self.head.width}, those of a "
                f"{type(model).__name__} have {width}"
            )
        self.engine = Engine(model.base_model)

    @property
    def has_loose_head(self) -> bool:
        """Whether the head is not part of the model."""
        return self._loose_head is not None

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and contract, as `whole_folder` does; a head that is not part of
        the model goes into a file of its own.

        Raises:
            StorageError: the folder cannot be written.
        """
        with whole_folder(folder, last=CONTRACT_FILE) as partial:
            self.model.save_pretrained(partial)
            if self._loose_head is not None:
                save_file(self._loose_head.tensors(self.contract.reading), partial / HEAD_FILE)
            self.tokenizer.save_pretrained(partial)
            self.contract.save(partial)

    def open(self, problem: str, *, reference: str | None = None) -> Session:
        """A session that pays only for new tokens; its branches share what they have in common."""
        from surefoot.models.session import TreeSession

        if self.engine.reason is not None:
            return super().open(problem, reference=reference)
        return TreeSession(self, problem, reference)

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace; equal traces are computed once."""
        return [one.scores for one in self.counted_batch(traces)]

    def counted_batch(self, traces: Sequence[Trace]) -> list[Scored]:
        """As `score_batch`; tokens are counted where the engine does not pack."""
        texts = list(dict.fromkeys(text_of(trace) for trace in traces))
        found: list[list[Read]] = [[] for _ in texts]
        sizes = [0] * len(texts)
        in_windows: set[Text] = set()
        for group in groups(self.items(texts)):
            in_windows.update(texts[i.place] for i in group if i.text != texts[i.place])
            rows = [row for item in group for row in item.rows]
            reads, costs = self.read(rows), [len(row.ids) for row in rows]
            if self.contract.template.second is not None:
                again, reads = self.second_pass(group, reads, self.read)
                costs = [cost + len(row.ids) for cost, row in zip(costs, again, strict=True)]
            rest = iter(zip(reads, costs, strict=True))
            for item in group:
                for own, cost in islice(rest, len(item.rows)):
                    found[item.place] += own
                    sizes[item.place] += cost
        self.windowed += sum(text_of(trace) in in_windows for trace in traces)
        scores = {
            text: signed(own, self.contract, self.name)
            for text, own in zip(texts, found, strict=True)
        }
        packs = self.engine.reason is None
        due = {} if packs else dict(zip(texts, sizes, strict=True))
        return [
            Scored(scores[text], None if packs else due.pop(text, 0))
            for text in map(text_of, traces)
        ]

    def items(self, texts: Sequence[Text]) -> Iterator[Item]:
        """Texts with their rows, those of one problem side by side, long ones in windows.

        Raises:
            UnscorableError: one is too long, or a step of it cannot be scored.
        """
        first = {problem: i for i, problem in enumerate(dict.fromkeys(t.problem for t in texts))}
        order = sorted(range(len(texts)), key=lambda i: first[texts[i].problem])
        room = self.contract.max_tokens
        for start in range(0, len(order), 256):
            places = order[start : start + 256]
            some = [texts[i] for i in places]
            for place, text, rows in zip(
                places, some, render(some, self.contract, self.renderer), strict=True
            ):
                if fits(rows, room):
                    yield Item(place, text, rows)
                elif self.long == "error":
                    raise too_long(text, rows, room)
                else:
                    for window, written in windows(text, rows, self.renderer, room):
                        yield Item(place, window, written)

    def states(self, rows: Sequence[Rendered]) -> list[torch.Tensor]:
        """The states at the slots of each row."""
        return self.engine.states([(row.ids, self.places(row)) for row in rows])

    def reads_of(self, states: torch.Tensor) -> list[Read]:
        """What the head reads in states, shape (S, H)."""
        return link(self.head(states), self.contract.reading)

    def read(self, rows: Sequence[Rendered]) -> list[list[Read]]:
        """What the head reads at the slots of each row."""
        reads = iter(self.reads_of(torch.cat(self.states(rows))))
        return [list(islice(reads, len(row.slots))) for row in rows]

    def second_pass(
        self, items: Sequence[Item], first: Sequence[Sequence[Read]], read: Reader
    ) -> tuple[list[Rendered], list[list[Read]]]:
        """The rows and reads of the second pass, which is shown the tokens that the first one found
        likelier.

        Raises:
            UnscorableError: a row is too long now.
        """
        bad, good = self.contract.reading.tokens
        even = 0.0 if self.contract.reading.link == "difference" else 0.5
        signs = [[good if one.value >= even else bad for one in own] for own in first]
        again = self.renderer([item.text for item in items], signs=signs)
        for item, own in zip(items, again, strict=True):
            if not fits(own, self.contract.max_tokens):
                raise too_long(item.text, own, self.contract.max_tokens)
        rows = [row for own in again for row in own]
        reads = read(rows)
        if (rejected := self.contract.reading.rejected) is not None:
            for i, shown in enumerate(signs):
                if bad in shown:
                    reads[i] = [Read(rejected, None)]
        return rows, reads

    def places(self, row: Rendered) -> list[int]:
        """Where the states of a row's slots are read."""
        shift, last = self.contract.reading.shift, len(row.ids) - 1
        return [min(max(slot + shift, 0), last) for slot in row.slots]

    def _own_head(self) -> Head:
        """The head that is part of the model."""
        reading = self.contract.reading
        if reading.head == "token-log-ratio":
            raise ContractError("a log-ratio needs a reference model; see LogRatioModel")
        if reading.head == "layers":
            return layers_head(reading, dict(self.model.named_parameters()))
        if self.model.get_output_embeddings() is None:
            raise ContractError(
                f"{self.name} is a {type(self.model).__name__} without a language model's head, "
                f"which the contract's head {reading.head!r} reads"
            )
        ids = token_ids(self.contract, self.renderer) if reading.head == "tokens" else []
        head = tokens_head(reading, self.model, ids)
        check_logits(self.model, head, ids)
        return head


def check_room(contract: Contract, model: Any) -> None:
    """Refuse a model with fewer positions than the contract allows tokens.

    Raises:
        ContractError: naming both.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and contract.max_tokens > positions:
        raise ContractError(
            f"the contract allows {contract.max_tokens} tokens, the model has {positions} "
            "positions; lower max_tokens"
        )


def token_ids(contract: Contract, renderer: Renderer) -> list[int]:
    """The ids of a contract's bad and good token.

    Raises:
        ContractError: one of them is not one token here, or both are the same.
    """
    reading = contract.reading
    found = []
    for text in reading.tokens:
        ids = renderer.ids_of(text)
        if not ids or (len(ids) > 1 and not reading.first_token):
            raise ContractError(
                f"the tokenizer writes {text!r} as {ids}, the contract reads one token; use the "
                "tokenizer that belongs to the model"
            )
        found.append(ids[0])
    if found[0] == found[1]:
        raise ContractError(
            f"{reading.tokens[0]!r} and {reading.tokens[1]!r} begin with the same token {found[0]}"
        )
    return found


def groups(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Items to be computed together."""
    group: list[Item] = []
    size = 0
    for item in items:
        tokens = sum(len(row.ids) for row in item.rows)
        if group and size + tokens > GROUP_TOKENS:
            yield group
            group, size = [], 0
        group.append(item)
        size += tokens
    if group:
        yield group

"""Step rewards of a model that was only told which answers are right: log-ratios with a reference.

A language model trained as an outcome reward model in the form r = c log p(y) / p_ref(y) scores
every prefix as well (Yuan et al. 2024, arXiv:2412.01981, proposition 3.1: the exponential average
of r over the continuations of a prefix). So the number at a step is

    c * sum over tokens t up to the step of [ log p(y_t | y_<t) - log p_ref(y_t | y_<t) ],

counted from the last token of the prompt on, as the published code does. It is not a probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.errors import ContractError
from surefoot.models.base import BatchScorer, Scored
from surefoot.models.contract import Contract
from surefoot.models.discriminative import check_room
from surefoot.models.engine import Engine
from surefoot.models.heads import Read, check_logits, signed, token_log_probs, tokens_head
from surefoot.models.render import (
    Rendered,
    Renderer,
    check_tokenizer,
    fits,
    render,
    text_of,
    too_long,
)
from surefoot.traces.types import StepScores, Trace

States = Callable[[Sequence[tuple[Sequence[int], Sequence[int]]]], list[Tensor]]
"""From rows of token ids and places in them to the states there."""

GROUP_TOKENS = 8192
"""Rendered tokens of the traces that are computed together: the states of all are wanted."""


class LogRatioModel(BatchScorer):
    """Two causal language models with one tokenizer, and a contract.

    Raises:
        ContractError: models, tokenizer and contract do not fit each other.
    """

    def __init__(
        self, model: Any, reference: Any, tokenizer: Any, contract: Contract, *, name: str
    ) -> None:
        if contract.reading.head != "token-log-ratio" or contract.template.past is not None:
            raise ContractError(
                "a log-ratio is read with the head token-log-ratio, in one row for each trace"
            )
        sizes = [one.get_input_embeddings().num_embeddings for one in (model, reference)]
        if min(sizes) < len(tokenizer):
            raise ContractError(
                f"the models know {sizes[0]} and {sizes[1]} tokens, the tokenizer "
                f"{len(tokenizer)}; a log-ratio needs models of one tokenizer"
            )
        self.renderer = Renderer(contract.template, tokenizer)
        check_tokenizer(contract, self.renderer)
        self.contract = contract
        self.tokenizer = tokenizer
        self.name = name
        self.models = tuple(one.eval() for one in (model, reference))
        for one in self.models:
            check_room(contract, one)
            check_logits(one, tokens_head(contract.reading, one, range(8)), range(8))
        self.engines = tuple(Engine(one.base_model) for one in self.models)

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace."""
        return [one.scores for one in self.counted_batch(traces)]

    def counted_batch(self, traces: Sequence[Trace]) -> list[Scored]:
        """As `score_batch`, with the tokens that both models computed for each trace."""
        texts = [text_of(trace) for trace in traces]
        rows = [own for (own,) in render(texts, self.contract, self.renderer)]
        for text, row in zip(texts, rows, strict=True):
            if not fits([row], self.contract.max_tokens):
                raise too_long(text, [row], self.contract.max_tokens)
        scored: list[Scored] = []
        group: list[Rendered] = []
        for row in rows:
            if group and sum(len(one.ids) for one in [*group, row]) > GROUP_TOKENS:
                scored += self._counted(group)
                group = []
            group.append(row)
        return scored + self._counted(group)

    def _counted(self, rows: Sequence[Rendered]) -> list[Scored]:
        """Rows that are computed together."""
        costs = [engine.costs([row.ids for row in rows]) for engine in self.engines]
        return list(map(Scored, self._score(rows), map(sum, zip(*costs, strict=True))))

    @torch.no_grad()
    def _score(self, rows: Sequence[Rendered]) -> list[StepScores]:
        if not rows:
            return []
        ours, theirs = (
            self._log_probs(rows, engine, model)
            for engine, model in zip(self.engines, self.models, strict=True)
        )
        scores = []
        for row, one, other in zip(rows, ours, theirs, strict=True):
            sums = self.contract.reading.coefficient * (one - other).double().cumsum(0)
            begin, last = first_counted(row.start), len(row.ids) - 1
            shift = self.contract.reading.shift
            places = [min(max(slot + shift, begin), last) for slot in row.slots]
            reads = [Read(float(sums[place - begin]), None) for place in places]
            scores.append(signed(reads, self.contract, self.name))
        return scores

    def _log_probs(self, rows: Sequence[Rendered], engine: Engine, model: Any) -> list[Tensor]:
        """The log-probabilities of the tokens of each row that count."""
        return counted_log_probs(
            [(row.ids, first_counted(row.start)) for row in rows], engine.states, model
        )


def first_counted(start: int) -> int:
    """The last token of the prompt, of which `start` is the end; the second of the row where there
    is hardly a prompt."""
    return max(1, start - 1)


def counted_log_probs(
    rows: Sequence[tuple[Sequence[int], int]], states_of: States, model: Any
) -> list[Tensor]:
    """The log-probability of every token that counts.

    Args:
        rows: Token ids, and the first of them that counts.
        states_of: Gives the states of the model's body at places of rows.
        model: A causal language model.

    Returns:
        For each row a tensor of shape (number of tokens - first,), in fp32.
    """
    found = states_of([(ids, range(first - 1, len(ids) - 1)) for ids, first in rows])
    return [
        token_log_probs(model, states, torch.tensor([*ids[first:]], device=states.device))
        for (ids, first), states in zip(rows, found, strict=True)
    ]

"""An implicit PRM in training: a language model whose log-ratio with its frozen start is the score.

At each place it gives c * sum over tokens t up to there of [log p(y_t | y_<t) - log p_ref(y_t |
y_<t)], so that any loss of this project can be put on it: `outcome` is the cross-entropy form of
Yuan et al. 2024 (arXiv:2412.01981, eq. 5), and `pairwise` over right and wrong traces of a question
is DPO (Rafailov et al. 2023, arXiv:2305.18290, eq. 7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.models.contract import Contract
from surefoot.models.engine import Engine
from surefoot.models.log_ratio import LogRatioModel, States, counted_log_probs, first_counted
from surefoot.training.batches import Batch, batched
from surefoot.training.examples import Example
from surefoot.training.sharding import gathered
from surefoot.training.trainee import of_model

_GROUP = 32
"""Examples of which the reference is computed together."""


class LogRatioTrainee(nn.Module):
    """The model of a log-ratio, with weights that learn."""

    def __init__(self, scorer: LogRatioModel) -> None:
        super().__init__()
        self.model, self._reference = scorer.models[0], (scorer.models[1],)
        self.engine: Engine = scorer.engines[0]
        self._reference_engine = scorer.engines[1]
        self.contract: Contract = scorer.contract

    def forward(self, batch: Batch) -> Tensor:
        """The log-ratios at the places of a batch, shape (S, 1), in fp32."""
        sums = _sums(batch, self.engine.differentiable, self.model)
        ratios = self.contract.reading.coefficient * (sums - batch.reference.to(sums.device))
        return torch.stack([ratios], -1)

    def with_reference(self, examples: Sequence[Example]) -> list[Example]:
        """The examples with what the reference gives at their places, computed once."""
        found: list[Example] = []
        for start in range(0, len(examples), _GROUP):
            some = examples[start : start + _GROUP]
            with torch.no_grad():
                sums = _sums(batched(some), self._reference_engine.states, self._reference[0])
            rest = iter(sums.tolist())
            found += [replace(one, reference=tuple(islice(rest, len(one.places)))) for one in some]
        return found

    def head_names(self) -> set[str]:
        """None: what is read is the model itself."""
        return set()

    def whole(self, *, merge: bool) -> dict[str, Tensor]:
        """As that of a `Trainee`."""
        if merge:
            self.model = self.model.merge_and_unload()
        return gathered(self)

    def write(
        self, folder: Path, weights: Mapping[str, Tensor], tokenizer: Any, contract: Contract
    ) -> None:
        """Write weights, as `whole` gives them, tokenizer and contract."""
        self.model.save_pretrained(folder, state_dict=of_model(weights))
        tokenizer.save_pretrained(folder)
        contract.save(folder)


def _sums(batch: Batch, states_of: States, model: Any) -> Tensor:
    """The log-probability of all tokens that count up to each place, shape (S,)."""
    firsts = [first_counted(start) for start in batch.starts]
    rows = [(ids, first) for (ids, _), first in zip(batch.rows, firsts, strict=True)]
    found = []
    for own, (ids, places), first in zip(
        counted_log_probs(rows, states_of, model), batch.rows, firsts, strict=True
    ):
        read = [min(max(place, first), len(ids) - 1) - first for place in places]
        found.append(own.double().cumsum(0)[read])
    return torch.cat(found).float()

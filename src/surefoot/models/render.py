"""From traces to token ids and the slots at which scores are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.errors import UnscorableError
from surefoot.models.contract import Contract
from surefoot.traces.layout import Tokenizer
from surefoot.traces.types import Trace


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a trace, shape (T,), one slot for each step, shape (S,), and where the first
    step starts."""

    ids: list[int]
    slots: list[int]
    start: int


def render(traces: Sequence[Trace], contract: Contract, tokenizer: Tokenizer) -> list[Rendered]:
    """Each trace as the contract writes it.

    Raises:
        UnscorableError: a trace is longer than the contract allows, or a step has an observation,
            which no contract writes yet.
    """
    for trace in traces:
        for i, step in enumerate(trace.steps):
            if step.observation is not None:
                raise UnscorableError(
                    f"step {i} of trace {trace.id} has an observation, which the model would not "
                    "see; put what it is to read into the text of the step"
                )
    encoded = contract.layout.encode([(t.problem, t.texts) for t in traces], tokenizer)
    for trace, one in zip(traces, encoded, strict=True):
        if len(one.ids) > contract.max_tokens:
            raise UnscorableError(
                f"trace {trace.id} has {len(one.ids)} tokens in {len(trace.steps)} steps, the "
                f"contract allows {contract.max_tokens}; shorten it or use a model with more room"
            )
    return [Rendered(one.ids, one.ends, one.start) for one in encoded]

"""A model served by vLLM's pooling API: token ids go out, the classes' probabilities or logits at
each step come back.

The server knows nothing of steps. This side writes a trace as the contract says and sends the token
ids, so that nothing is tokenised again; then it picks the rows of the steps out of the answer
(`vllm_rows`). What can be known to be wrong is an error, such as missing rows where a prefix cache
kept the server from computing a part.

    POST /pooling <- {"model": "...", "input": [[token id, ...], ...], "task": "token_classify",
                      "use_activation": false, "encoding_format": "float"}
                  -> {"model": "...", "data": [{"index": 0, "data": [[z0, z1], ...]}, ...],
                      "usage": {"prompt_tokens": 123}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, get_args

import torch

from surefoot.errors import ContractError, ModelError, UnscorableError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.contract import Contract
from surefoot.models.heads import link, signed
from surefoot.models.http import Server, requests
from surefoot.models.render import (
    Rendered,
    Renderer,
    check_tokenizer,
    fits,
    render,
    text_of,
    too_long,
)
from surefoot.models.vllm_rows import Due, Numbers, Pooling
from surefoot.traces.types import StepScores, Trace

TOKEN_VARIABLE = "VLLM_API_KEY"
"""The environment variable that a token is taken from."""

_MOST_TRACES = 256
_PROBE = Trace(
    "Start with 1 and add 1 to it, again and again, until the sum is 9.",
    [f"{k} + 1 = {k + 1}" for k in range(1, 9)],
)
"""Long enough to fill a block of a prefix cache; its steps end in different tokens."""


class VllmModel(BatchScorer):
    """A model behind vLLM's pooling API, read as its contract says.

    Args:
        server: Where it is asked.
        contract: How a trace is written and what a score means.
        tokenizer: The model's own.
        model: The name under which the server knows it; the scores are signed with it.
        pooling: Which tokens the server gives rows for.
        numbers: What is asked for. Logits keep apart what probabilities round to 0 or 1; older
            servers do not heed `use_activation` and give probabilities, which is noticed.
        max_tokens: The longest row that the server takes, None where it is not known.
        max_tokens_per_request: What is sent in one request, unless one trace is longer.

    Raises:
        ContractError: the contract asks for what the pooling API cannot do, or is not the
            tokenizer's.
    """

    def __init__(
        self,
        server: Server,
        contract: Contract,
        tokenizer: Any,
        *,
        model: str,
        pooling: Pooling = "step",
        numbers: Numbers = "probabilities",
        max_tokens: int | None = None,
        max_tokens_per_request: int = 32_768,
    ) -> None:
        for name, value, choices in (("pooling", pooling, Pooling), ("numbers", numbers, Numbers)):
            if value not in get_args(choices):
                raise UsageError(f"{name} is {value!r}; choose {' or '.join(get_args(choices))}")
        _check_contract(contract)
        self.server = server
        self.contract = contract
        self.renderer = Renderer(contract.template, tokenizer)
        check_tokenizer(contract, self.renderer)
        self.name = model
        self.numbers = numbers
        self.max_tokens = min(contract.max_tokens, max_tokens or contract.max_tokens)
        self.max_tokens_per_request = max_tokens_per_request
        self._answers_as: str | None = None
        tag = self._find_tag() if pooling == "step" else None
        self._due = Due(tag=tag, numbers=numbers, classes=contract.reading.classes)

    @classmethod
    def connect(
        cls,
        server: str | Server,
        contract: Contract,
        tokenizer: Any,
        *,
        model: str | None = None,
        **options: Any,
    ) -> VllmModel:
        """The model of a server, given by its address or as a `Server`, after a trace of ours was
        sent to it twice and both times came back as expected.

        Args:
            server: Such as `http://localhost:8000`.
            contract: As for the class.
            tokenizer: As for the class.
            model: Which of the server's models; needed where it has several.
            options: `pooling`, `numbers` and `max_tokens_per_request`, as for the class.

        Raises:
            UsageError: this cannot be an address, or the server has several models.
            ContractError: the contract does not fit the pooling API or the tokenizer.
            ModelError: nothing answers there, or not as a model of this kind does.
        """
        if not isinstance(server, Server):
            server = Server(server, token_variable=TOKEN_VARIABLE)
        name, max_tokens = served_model(server, model)
        found = cls(server, contract, tokenizer, model=name, max_tokens=max_tokens, **options)
        for _ in range(2):  # a prefix cache shows when the same comes again
            found.score(_PROBE)
        return found

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order.

        Raises:
            UnscorableError: a trace cannot be written as the contract says, or is too long.
            ModelError: the server does not answer, or not with the rows that are due.
        """
        texts = [text_of(trace) for trace in traces]
        rendered = []
        for text, rows in zip(texts, render(texts, self.contract, self.renderer), strict=True):
            if not fits(rows, self.max_tokens):
                raise too_long(text, rows, self.max_tokens)
            rendered += rows
        for trace, row in zip(traces, rendered, strict=True):
            self._check_tags(trace, row)
        sizes = [len(one.ids) for one in rendered]
        bounds = list(requests(sizes, _MOST_TRACES, self.max_tokens_per_request))
        bodies = [
            json.dumps(
                {
                    "model": self.name,
                    "input": [one.ids for one in rendered[a:b]],
                    "task": "token_classify",
                    "use_activation": self.numbers == "probabilities",
                    "encoding_format": "float",
                }
            )
            for a, b in bounds
        ]
        found: list[StepScores] = []
        with closing(self.server.post("/pooling", bodies)) as answers:
            for (a, b), answer in zip(bounds, answers, strict=True):
                found += self._read(traces[a:b], rendered[a:b], answer)
        return found

    def prove(self, traces: Sequence[Trace], *, tolerance: float = 0.02) -> None:
        """Compare with scores that the traces already carry, such as those of the same weights on
        another machine. No row can tell whether the server read the right numbers; this can.

        Raises:
            UsageError: a trace carries no scores.
            ModelError: a step differs by more than `tolerance`.
        """
        for trace in traces:
            if not trace.scores:
                raise UsageError(f"trace {trace.id} carries no scores to compare with")
        for trace, found in zip(traces, self.score(traces), strict=True):
            known = trace.scores[0]
            for i, (new, old) in enumerate(zip(found.values, known.values, strict=True)):
                if new is not None and old is not None and abs(new - old) > tolerance:
                    raise ModelError(
                        f"{self.server.url}: step {i} of trace {trace.id} scores {new}, and by "
                        f"{known.model} {old}; is it the same model, are its classes (bad, good), "
                        "and are the rows made from logits?"
                    )

    def _find_tag(self) -> int:
        """The one token at which all steps are read."""
        ((row,),) = render([text_of(_PROBE)], self.contract, self.renderer)
        tags = {row.ids[place] for place in self._places(row)}
        if len(tags) != 1:
            raise ContractError(
                f"steps are read at different tokens ({sorted(tags)}), which step pooling cannot "
                "tell apart; start the server with ALL pooling and say pooling='all'"
            )
        return tags.pop()

    def _places(self, row: Rendered) -> list[int]:
        """The positions in a row at which its steps are read."""
        shift, last = self.contract.reading.shift, len(row.ids) - 1
        return [min(max(slot + shift, 0), last) for slot in row.slots]

    def _check_tags(self, trace: Trace, row: Rendered) -> None:
        for step, place in zip(row.steps, self._places(row), strict=True):
            if self._due.tag not in (None, row.ids[place]):
                raise UnscorableError(
                    f"step {step} of trace {trace.id} is read at token {row.ids[place]}, and the "
                    f"server gives rows for {self._due.tag} alone; use ALL pooling"
                )

    def _read(
        self, traces: Sequence[Trace], rendered: Sequence[Rendered], answer: Any
    ) -> list[StepScores]:
        """The scores in one answer."""
        data = answer.get("data") if isinstance(answer, Mapping) else None
        if not isinstance(data, list) or not all(
            isinstance(one, Mapping) and isinstance(one.get("index"), int) for one in data
        ):
            raise self._wrong("it holds no list of data with an index each")
        if self._answers_as not in (None, answer.get("model")):
            raise self._wrong(
                f"the model was {self._answers_as!r} at first and is {answer.get('model')!r} now; "
                "start the run anew"
            )
        self._answers_as = answer.get("model")
        by_index = {one["index"]: one.get("data") for one in data}
        if len(data) != len(traces) or by_index.keys() != {*range(len(traces))}:
            raise self._wrong(f"{len(data)} texts came back for {len(traces)}")
        usage = answer.get("usage")
        read = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
        if read not in (None, sent := sum(len(one.ids) for one in rendered)):
            raise self._wrong(f"the server read {read} tokens of {sent}")
        found = []
        for i, (trace, row) in enumerate(zip(traces, rendered, strict=True)):
            where = f"{self.server.url}/pooling: the answer for trace {trace.id}"
            rows = self._due.rows_at(self._places(row), row.ids, by_index[i], where)
            found.append(self._scores(rows))
        return found

    def _scores(self, rows: Sequence[Sequence[float]]) -> StepScores:
        """What the contract's link makes of the rows of the steps."""
        logits = torch.tensor(rows, dtype=torch.float64)
        if self.numbers == "probabilities":
            logits = logits.log()  # whose softmax are the probabilities again
        return signed(link(logits[None], self.contract.reading), self.contract, self.name)

    def _wrong(self, reason: str) -> ModelError:
        return ModelError(f"{self.server.url}/pooling: the answer cannot be used: {reason}")


def served_model(server: Server, model: str | None = None) -> tuple[str, int | None]:
    """The name of a model that a vLLM server has, and the longest row it takes if it says so.

    Raises:
        UsageError: it has no model of that name, or several and none is named.
        ModelError: this is not a vLLM server.
    """
    answer = server.get("/v1/models")
    cards = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(cards, list) or not all(
        isinstance(card, Mapping) and isinstance(card.get("id"), str) for card in cards
    ):
        raise ModelError(f"{server.url}/v1/models lists no models; it is not a vLLM server")
    found = {card["id"]: card.get("max_model_len") for card in cards}
    if model is None and len(found) == 1:
        (model,) = found
    if model is None or model not in found:
        named = "none was named" if model is None else f"none is {model!r}"
        raise UsageError(f"{server.url} has the models {', '.join(found)}; {named}")
    longest = found[model]
    return model, longest if type(longest) is int else None


def _check_contract(contract: Contract) -> None:
    """Refuse a contract that cannot be honoured with the classes at the tokens of one row."""
    reading, template = contract.reading, contract.template
    for is_wrong, what in (
        (template.second is not None, "reads each step in two passes"),
        (template.past is not None, "writes a row for each step"),
        (reading.head not in ("layers", "tokens"), f"has the head {reading.head!r}"),
        (reading.link not in ("softmax", "difference"), f"has the link {reading.link!r}"),
    ):
        if is_wrong:
            raise ContractError(
                f"the contract {what}; what vLLM's pooling API gives are the classes at tokens of "
                "one row, for softmax or difference; load the checkpoint itself"
            )

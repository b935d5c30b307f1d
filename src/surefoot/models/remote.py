"""A scorer behind a Surefoot server: traces go out as rows, one score per step comes back.

The protocol, version 1. Every body is one JSON object in UTF-8; a reader leaves unknown fields
alone, and a change of meaning raises the version. Rows are those of `surefoot.traces.rows`.

    GET /model   -> {"surefoot": 1, "name": "my-prm", "kind": "probability",
                     "default_aggregate": "min", "threshold": 0.5, "abstains": false,
                     "contract": {...}, "max_traces": 64, "max_characters": 1000000}

    POST /score  <- {"surefoot": 1, "model": "my-prm", "traces": [trace row, ...]}
                 -> {"surefoot": 1, "scores": [answer, ...]}

`abstains` says whether a score may be null. `contract` (null for a scorer without one),
`max_traces` and `max_characters` (of one request; null for no limit) may be left out. An answer
stands for the trace at the same place and is one of

    {"id": "...", "model": "my-prm", "kind": "probability", "default_aggregate": "min",
     "threshold": 0.5, "values": [0.9, 0.2], "log_odds": [2.2, -1.4]}
    {"id": "...", "error": "1,200 tokens; the model takes 1,024"}

`id` is the trace's own, `values` holds one score per step, and the four fields between them repeat
what `/model` says; `log_odds` may be left out. An error concerns its trace alone. A request that
fails as a whole is answered by a status other than 200; 429, 502, 503 and 504 say that it may be
repeated, after `Retry-After` where that is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, get_args

from surefoot import aggregate
from surefoot.errors import ModelError, RowError, TraceError, UnscorableError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.http import Server, requests
from surefoot.traces.checks import check_choice, check_text, number
from surefoot.traces.rows import trace_from_row, trace_to_row
from surefoot.traces.types import ScoreKind, StepScores, Trace

PROTOCOL_VERSION = 1
TOKEN_VARIABLE = "SUREFOOT_TOKEN"
"""The environment variable that a token is taken from."""

_MOST_TOLD = 500
"""Characters of the reason that a server gives for a trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteInfo:
    """What a server says about its model."""

    name: str
    kind: ScoreKind
    default_aggregate: str
    threshold: float
    abstains: bool
    contract: Mapping[str, Any] | None = None
    """The contract as JSON, as the server's own version writes it."""
    max_traces: int | None = None
    max_characters: int | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_choice("kind", self.kind, get_args(ScoreKind))
        check_choice("default_aggregate", self.default_aggregate, aggregate.RULES)
        number(self.threshold, "threshold")
        if not isinstance(self.abstains, bool):
            raise TraceError(f"abstains is {self.abstains!r}; it must be true or false")
        if self.contract is not None and not isinstance(self.contract, Mapping):
            raise TraceError(f"contract is {self.contract!r}; it must be an object or null")
        for what in ("max_traces", "max_characters"):
            most = getattr(self, what)
            if most is not None and (type(most) is not int or most < 1):
                raise TraceError(f"{what} is {most!r}; it must be 1 or more, or null")


class RemoteModel(BatchScorer):
    """The model of a Surefoot server; its scores are signed with that model's name.

    What is sent of a trace is all but its labels and scores.

    Args:
        server: Where it is asked.
        info: What the server said about its model.
        max_traces: How many traces go into one request, unless the server takes fewer.
        max_characters: How long a request may be, unless the server takes less; a trace that is
            longer goes alone.
    """

    def __init__(
        self,
        server: Server,
        info: RemoteInfo,
        *,
        max_traces: int = 64,
        max_characters: int = 500_000,
    ) -> None:
        if max_traces < 1 or max_characters < 1:
            raise UsageError("max_traces and max_characters must be at least 1")
        self.server = server
        self.info = info
        self.name = info.name
        self.max_traces = min(max_traces, info.max_traces or max_traces)
        self.max_characters = min(max_characters, info.max_characters or max_characters)

    @classmethod
    def connect(cls, server: str | Server, **options: Any) -> RemoteModel:
        """The model of a server, given by its address or as a `Server`.

        Raises:
            UsageError: this cannot be an address.
            ModelError: nothing answers there, or it is not a Surefoot server of our version.
        """
        if not isinstance(server, Server):
            server = Server(server, token_variable=TOKEN_VARIABLE)
        return cls(server, _read_info(server), **options)

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order.

        Raises:
            UnscorableError: the server says that a trace is not for its model.
            ModelError: it does not answer, or what it answers is not exactly one score per step of
                the traces that were sent, by the model it named at first.
        """
        rows = [trace_to_row(replace(trace, labels=(), scores=())) for trace in traces]
        texts = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
        groups = list(requests([len(text) for text in texts], self.max_traces, self.max_characters))
        start = json.dumps({"surefoot": PROTOCOL_VERSION, "model": self.name}, ensure_ascii=False)
        bodies = [f'{start[:-1]}, "traces": [{", ".join(texts[a:b])}]}}' for a, b in groups]
        found: list[StepScores] = []
        with closing(self.server.post("/score", bodies)) as answers:
            for (a, b), answer in zip(groups, answers, strict=True):
                found += self._read_scores(rows[a:b], answer)
        return found

    def _read_scores(self, rows: Sequence[Mapping[str, Any]], answer: Any) -> list[StepScores]:
        answers = answer.get("scores") if isinstance(answer, Mapping) else None
        if not isinstance(answers, list):
            raise self._wrong("it holds no list of scores")
        _check_version(self.server, answer)
        if len(answers) != len(rows):
            raise self._wrong(f"{len(answers)} answers for {len(rows)} traces")
        for row, one in zip(rows, answers, strict=True):
            if not isinstance(one, Mapping) or one.get("id") != row["id"]:
                given = one.get("id") if isinstance(one, Mapping) else one
                raise self._wrong(f"where trace {row['id']} stood it answers for {given!r}")
        found = []
        for row, one in zip(rows, answers, strict=True):
            if "error" in one:
                reason = str(one["error"])[:_MOST_TOLD]
                raise UnscorableError(f"{self.server.url}: trace {row['id']}: {reason}")
            found.append(self._read_one(row, one))
        return found

    def _read_one(self, row: Mapping[str, Any], answer: Mapping[str, Any]) -> StepScores:
        """The scores in an answer, read as a row of the trace they belong to."""
        fields = ("model", "kind", "default_aggregate", "threshold", "values", "log_odds")
        scores = {name: answer[name] for name in fields if name in answer}
        try:
            (found,) = trace_from_row({**row, "scores": [scores]}).scores
        except RowError as error:
            what = error.field.removeprefix("scores.0.")
            raise self._wrong(f"trace {row['id']}: {what} {error.reason}") from None
        info = self.info
        for name, said in (
            ("model", info.name),
            ("kind", info.kind),
            ("default_aggregate", info.default_aggregate),
            ("threshold", info.threshold),
        ):
            if scores.get(name) != said:
                raise self._wrong(
                    f"its {name} was {said!r} at first and is {scores.get(name)!r} now, so the "
                    "scores of one run would not belong together; start the run anew"
                )
        if not info.abstains and None in found.values:
            raise self._wrong(
                f"trace {row['id']} has no score for step {found.values.index(None)}, of a model "
                "that does not abstain"
            )
        return found

    def _wrong(self, reason: str) -> ModelError:
        return ModelError(f"{self.server.url}/score: the answer cannot be used: {reason}")


def _read_info(server: Server) -> RemoteInfo:
    answer = server.get("/model")
    if not isinstance(answer, Mapping) or "surefoot" not in answer:
        raise ModelError(
            f"{server.url}/model names no surefoot version; it is not a Surefoot server (one of "
            "vLLM is given as vllm:ADDRESS)"
        )
    _check_version(server, answer)
    names = RemoteInfo.__dataclass_fields__
    known = {name: value for name, value in answer.items() if name in names}
    needed = ("name", "kind", "default_aggregate", "threshold", "abstains")
    if missing := [name for name in needed if name not in known]:
        raise ModelError(f"{server.url}/model does not say {', '.join(missing)}")
    try:
        return RemoteInfo(**known)
    except TraceError as error:
        raise ModelError(f"{server.url}/model: {error}") from None


def _check_version(server: Server, answer: Mapping[str, Any]) -> None:
    if (version := answer.get("surefoot")) != PROTOCOL_VERSION:
        raise ModelError(
            f"{server.url} speaks version {version!r} of the protocol, this surefoot speaks "
            f"{PROTOCOL_VERSION}; upgrade the older of the two"
        )

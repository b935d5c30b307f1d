"""How a language model is asked for a verdict on steps, and how its answer is understood, as data.

A critic puts a trace to the model in one prompt (`trace`), one for every prefix (`step`), or as a
conversation with a further turn for every step (`turn`). Its texts hold marks in braces, which are
filled in one pass: what stands in a trace is never searched for marks.

| mark | what stands there |
|---|---|
| `{problem}` | the problem |
| `{step}` `{n}` | the step in question, and its number, from 1 |
| `{numbered}` | the step behind `Step 1: `, unless it already begins with a number of its own |
| `{previous}` | the steps before it |
| `{solution}` | the steps up to and with it; for `trace` all of them |
| `{num_steps}` | how many steps the trace has |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from surefoot import aggregate
from surefoot.errors import ContractError
from surefoot.models.contract import Meaning
from surefoot.traces.records import storage_errors
from surefoot.traces.types import ScoreKind

CRITIC_FILE = "critic.json"
"""Beside the weights of a language model it says that and how they judge steps."""

Unit = Literal["turn", "step", "trace"]
Kind = Literal["choose", "pattern", "first-error", "each-step"]

MARK = re.compile(r"\{(problem|step|n|numbered|previous|solution|num_steps)\}")
_OF_A_STEP = {"step", "n", "numbered", "previous"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stretch of an answer: a fixed beginning, and what the model writes behind it."""

    prefill: str = ""
    """May hold `{n}`."""
    stop: tuple[str, ...] = ()
    close: str = ""
    """Put behind what was written, unless it ends so already but for white space."""
    max_new_tokens: int = 2048

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", _texts("stages.stop", self.stop))
        for name in ("prefill", "close"):
            _check_text(f"stages.{name}", getattr(self, name))
        _check_count("stages.max_new_tokens", self.max_new_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """From an answer to verdicts.

    Kinds:
        choose: how likely `good` and `bad` are to come next, P(good) / (P(good) + P(bad)). Where
            the answer is read is said by `behind`.
        pattern: the group of `pattern` is `good` or `bad`. For a whole trace the first match is
            about the first step and so on, and more matches than steps are no verdict; for one step
            the last match counts.
        first-error: the answer ends in `{"first_error": k}` with the number of the first wrong
            step, from 1, or null.
        each-step: the answer ends in `{"steps": [true, false, ...]}`, one for each step.
    """

    kind: Kind = "choose"
    good: str = ""
    bad: str = ""
    behind: str | None = None
    """A regular expression; the choice stands behind its match in the last stage, at whose end
    where there is none given."""
    occurrence: Literal["first", "last"] = "last"
    """Which match of `behind` counts."""
    then: str = ""
    """What is put before the choice, after all that was written."""
    otherwise: str | None = None
    """What is put before the choice where `behind` matches nothing; None for no verdict then."""
    otherwise_stages: int | None = None
    """How many stages are kept before `otherwise`; all if None."""
    pattern: str | None = None

    def __post_init__(self) -> None:
        _check_choice("reading.kind", self.kind, get_args(Kind))
        _check_choice("reading.occurrence", self.occurrence, ("first", "last"))
        for name in ("good", "bad", "then"):
            _check_text(f"reading.{name}", getattr(self, name))
        for name in ("behind", "pattern"):
            _check_pattern(f"reading.{name}", getattr(self, name))
        if self.otherwise is not None:
            _check_text("reading.otherwise", self.otherwise)
        if self.otherwise_stages is not None:
            _check_count("reading.otherwise_stages", self.otherwise_stages)
        words = self.kind in ("choose", "pattern")
        if words and not (self.good and self.bad and self.good != self.bad):
            raise ContractError(
                f"reading.good and reading.bad are {self.good!r} and {self.bad!r}; give two words"
            )
        if (self.pattern is not None) is not (self.kind == "pattern"):
            raise ContractError("reading.pattern belongs to the kind pattern, and only there")
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ContractError(f"reading.pattern is {self.pattern!r}; it needs one group")
        given = [name for name in ("good", "bad") if getattr(self, name) and not words]
        given += [
            name
            for name in ("behind", "then", "otherwise")
            if getattr(self, name) and self.kind != "choose"
        ]
        if given:
            raise ContractError(f"reading.{given[0]} means nothing to the kind {self.kind}")
        if self.otherwise is not None and self.behind is None:
            raise ContractError("reading.otherwise needs reading.behind")
        if self.otherwise_stages is not None and self.otherwise is None:
            raise ContractError("reading.otherwise_stages needs reading.otherwise")


@dataclass(frozen=True, kw_only=True, slots=True)
class Critic:
    """One way to have steps judged in words."""

    ask: str
    """What the user says, once for each prompt or turn."""
    first_ask: str | None = None
    """What the user says in the first turn, if something else."""
    system: str | None = None
    unit: Unit = "step"
    item: str = "{step}"
    """How a step stands in `{previous}` and `{solution}`."""
    between: str = "\n"
    no_previous: str = ""
    """What stands for `{previous}` of the first step."""
    remove: str | None = None
    """A regular expression whose matches are cut out of every step, which then loses the white
    space at its ends."""
    history: str | None = None
    """What the assistant said in earlier turns; the first answer that it did give if None."""
    opens_turn: bool = True
    """Whether the answer is a turn of its own; if not, it goes on behind the user's text."""
    stages: tuple[Stage, ...] = field(default_factory=lambda: (Stage(),))
    reading: Reading = field(default_factory=Reading)
    samples: int = 1
    """Answers for each prompt; a score is the mean over them."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    meaning: Meaning = "step-correct"
    aggregate: str = "min"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        _check_choice("unit", self.unit, get_args(Unit))
        _check_choice("meaning", self.meaning, get_args(Meaning))
        _check_choice("aggregate", self.aggregate, tuple(aggregate.RULES))
        for name in ("ask", "item", "between", "no_previous"):
            _check_text(name, getattr(self, name))
        for name in ("first_ask", "system", "history"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        _check_pattern("remove", self.remove)
        if not isinstance(self.opens_turn, bool):
            raise ContractError(f"opens_turn is {self.opens_turn!r}; it must be true or false")
        self._check_marks()
        self._check_sampling()
        for name in ("first_ask", "history"):
            if getattr(self, name) is not None and self.unit != "turn":
                raise ContractError(f"{name} means nothing to the unit {self.unit}")
        if self.reading.kind in ("first-error", "each-step") and self.unit != "trace":
            raise ContractError(f"the reading {self.reading.kind} is of the unit trace")
        if self.reading.kind == "choose" and self.unit == "trace":
            raise ContractError("a choice is about one step; it is of the unit step or turn")
        if not self.stages and (self.reading.kind != "choose" or self.reading.behind):
            raise ContractError("stages is empty, so there is no answer to read")
        if not self.stages and self.samples > 1:
            raise ContractError("stages is empty, so that all samples would be the same")
        if (self.reading.otherwise_stages or 0) > len(self.stages):
            raise ContractError("reading.otherwise_stages is more than there are")
        if not 0 <= self.threshold <= 1:
            raise ContractError(f"threshold is {self.threshold}; a probability lies in [0, 1]")

    @property
    def kind(self) -> ScoreKind:
        """What its scores are called."""
        if self.meaning in ("value", "progress"):
            return "value" if self.meaning == "value" else "progress"
        return "probability"

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return asdict(self)

    def save(self, folder: str | Path) -> None:
        """Write `critic.json` into a checkpoint folder.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = Path(folder) / CRITIC_FILE
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False)
        with storage_errors(str(path), "write"):
            path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Critic:
        """Read `critic.json` of a checkpoint folder.

        Raises:
            ContractError: it is missing, damaged, or not a critic.
        """
        path = Path(folder) / CRITIC_FILE
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ContractError(f"{path} cannot be read: {error}") from None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Critic:
        """The critic of a JSON object; fields that are left out are as they are here.

        Raises:
            ContractError: a field is unknown or wrong, or `ask` is missing.
        """
        known = _known(cls, values, "")
        if "ask" not in known:
            raise ContractError("missing field: ask")
        if "reading" in known:
            known["reading"] = Reading(**_known(Reading, known["reading"], "reading."))
        if "stages" in known:
            if not isinstance(known["stages"], (list, tuple)):
                raise ContractError(f"stages is {known['stages']!r}; it must be a list")
            known["stages"] = tuple(Stage(**_known(Stage, s, "stages.")) for s in known["stages"])
        return cls(**known)

    def _check_marks(self) -> None:
        first = self.ask if self.first_ask is None else self.first_ask
        places = {
            "ask": {*_OF_A_STEP, "problem", "solution", "num_steps"},
            "first_ask": {*_OF_A_STEP, "problem", "solution", "num_steps"},
            "item": {"step", "n", "numbered"},
        }
        if self.unit == "trace":
            places["ask"] -= _OF_A_STEP
        for place, allowed in places.items():
            for name in MARK.findall(getattr(self, place) or ""):
                if name not in allowed:
                    raise ContractError(f"{place} cannot hold {{{name}}}")
        if "problem" not in MARK.findall(first):
            raise ContractError("the model is never told the problem: ask has no {problem}")
        for text in (self.ask, first):
            if not {"step", "numbered", "solution"} & {*MARK.findall(text)}:
                raise ContractError("the model is never told the step: ask has no {step}")
        if not {"step", "numbered"} & {*MARK.findall(self.item)}:
            raise ContractError("item has neither {step} nor {numbered}")
        for stage in self.stages:
            for name in MARK.findall(stage.prefill):
                if name != "n" or self.unit == "trace":
                    raise ContractError(f"stages.prefill cannot hold {{{name}}}")

    def _check_sampling(self) -> None:
        _check_count("samples", self.samples)
        for name in ("temperature", "top_p", "threshold"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value):
                raise ContractError(f"{name} is {value!r}; it must be a number")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ContractError("temperature must be 0 or more, top_p above 0 and at most 1")
        if self.top_k is not None:
            _check_count("top_k", self.top_k)
        if self.samples > 1 and self.temperature == 0:
            raise ContractError(
                f"samples is {self.samples} at temperature 0, so that all would be the same"
            )


def _known(cls: type, values: object, where: str) -> dict[str, Any]:
    """The values, if their names are those of the class."""
    if not isinstance(values, Mapping):
        raise ContractError(
            f"{where.rstrip('.') or 'a critic'} is {values!r}; it must be an object"
        )
    names = {f.name for f in fields(cls)}
    if unknown := sorted(f"{where}{name}" for name in values.keys() - names):
        raise ContractError(f"unknown fields: {', '.join(unknown)}; upgrade surefoot")
    return dict(values)


def _texts(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(v and isinstance(v, str) for v in values):
        raise ContractError(f"{name} is {values!r}; it must be a list of texts")
    return tuple(values)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ContractError(f"{name} is {value!r}; it must be text")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ContractError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ContractError(f"{name} is {value!r}; it must be 1 or more")


def _check_pattern(name: str, value: object) -> None:
    if value is None:
        return
    _check_text(name, value)
    try:
        re.compile(str(value))
    except re.error as error:
        raise ContractError(f"{name} is {value!r}, no regular expression: {error}") from None

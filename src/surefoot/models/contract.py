"""How a trace becomes tokens and what the numbers read from a model mean.

A `Contract` is saved inside the checkpoint and obeyed by training and scoring alike, so that a
trace is never written one way here and another way there. It has three parts: the `Template` that
writes a trace, the `Reading` that turns the state at a slot into a number, and what that number
means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from surefoot import aggregate
from surefoot.errors import ContractError, UsageError
from surefoot.models.calibration import Calibration
from surefoot.models.template import Template
from surefoot.traces.layout import Layout
from surefoot.traces.records import storage_errors
from surefoot.traces.types import ScoreKind

CONTRACT_FILE = "contract.json"
VERSION = 3
_OLDER = {
    2: 'put "calibration": null and "reference": null into it and set its version to 3; nothing '
    "else has changed",
}
"""What brings a contract of an older version up to this one."""

Head = Literal["layers", "tokens", "vocabulary-mean", "token-log-ratio"]
Link = Literal["softmax", "sigmoid", "difference", "raw", "log-ratio"]
Meaning = Literal["step-correct", "prefix-correct", "value", "progress"]
"""What a score is about: this step is right; every step up to this one is right; the trace will end
at the right answer; what this step adds to that."""

_LINKS: Mapping[Head, tuple[Link, ...]] = {
    "layers": ("softmax", "sigmoid", "difference", "raw"),
    "tokens": ("softmax", "difference"),
    "vocabulary-mean": ("sigmoid", "raw"),
    "token-log-ratio": ("log-ratio",),
}
_OF_PROBABILITIES = ("product", "geometric", "nll")
PROBABILITIES: tuple[ScoreKind, ...] = ("probability", "value")
"""The kinds of scores that are probabilities of something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """From the state of the last layer at a slot to a number.

    Heads:
        layers: linear layers of the checkpoint, one after the other with ReLU between them.
        tokens: the rows of the language model's head that belong to two tokens.
        vocabulary-mean: the mean of all logits of the language model's head.
        token-log-ratio: the log-probability of every token of the steps, under this model minus
            under a reference model, summed up to the slot.

    Links, for logits z of the classes (class 1 is "good" where there are two):
        softmax: sum over the classes in `good` of softmax(z).
        sigmoid: of the one logit.
        difference: softmax(z)[1] - softmax(z)[0].
        raw: the one logit as it is.
        log-ratio: `coefficient` times the sum.
    """

    head: Head = "layers"
    layers: tuple[str, ...] = ("score",)
    """Names of the linear layers in the checkpoint. A weight of shape (E, in, out) instead of
    (out, in) is an ensemble of E heads, whose numbers are averaged after the link."""
    tokens: tuple[str, ...] = ()
    """The bad and the good token, as text. Each must be one token."""
    first_token: bool = False
    """Take the first token where an answer has several."""
    link: Link = "softmax"
    classes: int = 2
    good: tuple[int, ...] = (1,)
    """The classes whose probabilities are added up."""
    coefficient: float = 1.0
    shift: int = 0
    """How many tokens behind the slot (before it, if negative) the published code reads; at most
    the end of the row."""
    rejected: float | None = None
    """With a second pass: the score of a step for which the first pass prefers a bad token."""

    def __post_init__(self) -> None:
        for name in ("layers", "tokens", "good"):
            if not isinstance(value := getattr(self, name), (list, tuple)):
                raise ContractError(f"reading.{name} is {value!r}; it must be a list")
            object.__setattr__(self, name, tuple(value))
        _choice("reading.head", self.head, get_args(Head))
        _choice("reading.link", self.link, _LINKS[self.head])
        if self.head == "layers" and not (self.layers and all(map(_is_name, self.layers))):
            raise ContractError(f"reading.layers is {list(self.layers)}; name at least one layer")
        if self.head == "tokens":
            if len(self.tokens) != 2 or not all(map(_is_name, self.tokens)):
                raise ContractError(
                    f"reading.tokens is {list(self.tokens)}; give the bad and the good token"
                )
            if self.classes != 2 or self.good != (1,):
                raise ContractError("reading.tokens are two classes, of which class 1 is the good")
        elif self.tokens:
            raise ContractError(f"reading.tokens means nothing to the head {self.head!r}")
        if not isinstance(self.first_token, bool):
            raise ContractError(
                f"reading.first_token is {self.first_token!r}; it must be true or false"
            )
        one = self.link in ("sigmoid", "raw")
        if not _is_whole(self.classes) or (self.classes != 1 if one else self.classes < 2):
            wanted = "1" if one else "2 or more"
            raise ContractError(f"reading.classes is {self.classes!r}; {self.link} reads {wanted}")
        if self.link == "difference" and self.classes != 2:
            raise ContractError(f"reading.classes is {self.classes}; difference reads 2")
        if self.link == "softmax" and not (
            self.good
            and all(_is_whole(k) and 0 <= k < self.classes for k in self.good)
            and len({*self.good}) == len(self.good) < self.classes
        ):
            raise ContractError(
                f"reading.good is {list(self.good)}; name some of the classes 0 to "
                f"{self.classes - 1}, and not all"
            )
        _number("reading.coefficient", self.coefficient)
        if self.coefficient == 0:
            raise ContractError("reading.coefficient is 0, so that every score would be")
        if not _is_whole(self.shift):
            raise ContractError(f"reading.shift is {self.shift!r}; it must be a whole number")
        if self.rejected is not None:
            _number("reading.rejected", self.rejected)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """One scorer's agreement: what is written, where and how scores are read, what they mean."""

    template: Template = field(default_factory=Template)
    reading: Reading = field(default_factory=Reading)
    meaning: Meaning = "step-correct"
    aggregate: str = "min"
    threshold: float = 0.5
    """A step whose score, calibrated, lies below it counts as wrong."""
    calibration: Calibration | None = None
    """What makes a probability, as read, one that means what it says."""
    max_tokens: int = 4096
    """A longer trace is refused or scored in windows, as the user chooses; it is never cut."""
    pinned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Token ids of some texts, so that another tokenizer is noticed; special tokens count as such.
    No ids mean that the text must be one token, whichever it is."""
    probe: str | None = None
    """A hash of the ids of a long text of every kind (`render.probe_of`), None where not known."""
    reference: str | None = None
    """The folder or hub id of the model that a log-ratio is taken against, where that is known."""

    def __post_init__(self) -> None:
        if not isinstance(self.pinned, Mapping):
            raise ContractError(f"pinned is {self.pinned!r}; it must map texts to token ids")
        for text, ids in self.pinned.items():
            if not isinstance(ids, (list, tuple)) or not all(_is_whole(k) and k >= 0 for k in ids):
                raise ContractError(f"pinned[{text!r}] is {ids!r}; it must list token ids")
        pinned = {text: tuple(ids) for text, ids in self.pinned.items()}
        object.__setattr__(self, "pinned", pinned)
        _choice("meaning", self.meaning, get_args(Meaning))
        _number("threshold", self.threshold)
        if self.kind == "probability" and not 0 <= self.threshold <= 1:
            raise ContractError(f"threshold is {self.threshold}; a probability lies in [0, 1]")
        if self.calibration is not None:
            if not isinstance(self.calibration, Calibration):
                raise ContractError(f"calibration is {self.calibration!r}; give a Calibration")
            if self.kind not in PROBABILITIES:
                raise ContractError(
                    f"calibration: these scores are {self.kind}s and no probabilities, so there is "
                    "nothing to calibrate; make it null"
                )
        if not _is_whole(self.max_tokens) or self.max_tokens < 1:
            raise ContractError(f"max_tokens is {self.max_tokens!r}; it must be 1 or more")
        if not isinstance(self.aggregate, str):
            raise ContractError(f"aggregate is {self.aggregate!r}; it must be text")
        try:
            aggregate.rule(self.aggregate)
        except UsageError as error:
            raise ContractError(f"aggregate: {error}") from None
        if self.aggregate in _OF_PROBABILITIES and not self.is_bounded:
            raise ContractError(
                f"aggregate is {self.aggregate!r}, which is for probabilities; these scores are "
                f"{self.kind}s"
            )
        if self.probe is not None and not isinstance(self.probe, str):
            raise ContractError(f"probe is {self.probe!r}; it must be text or null")
        if self.reference is not None and (
            not isinstance(self.reference, str) or self.reading.link != "log-ratio"
        ):
            raise ContractError(f"reference is {self.reference!r}; it is the model of a log-ratio")
        if (self.reading.rejected is not None) and self.template.second is None:
            raise ContractError("reading.rejected needs a second pass (template.second)")
        if self.template.second is not None and self.reading.head != "tokens":
            raise ContractError(
                "template.second shows which token was likelier, so reading.head must be 'tokens'"
            )

    @property
    def is_bounded(self) -> bool:
        """Whether every score lies in [0, 1]."""
        bounded = self.reading.link in ("softmax", "sigmoid")
        return bounded and (self.reading.rejected is None or 0 <= self.reading.rejected <= 1)

    @property
    def kind(self) -> ScoreKind:
        """What its scores are called."""
        if self.reading.link == "log-ratio":
            return "log-ratio"
        if self.meaning == "progress":
            return "progress"
        if not self.is_bounded:
            return "reward"
        return "value" if self.meaning == "value" else "probability"

    @classmethod
    def for_layout(cls, tokenizer: Any, layout: Layout | None = None, **rest: Any) -> Contract:
        """The contract of a classifier trained here: two classes at the last token of every step's
        end, pinned to this tokenizer."""
        from surefoot.models.render import Renderer, probe_of

        layout = layout or Layout()
        template = Template.of_layout(layout)
        renderer = Renderer(template, tokenizer)
        return cls(
            template=template,
            pinned={layout.step_end: tuple(renderer.ids_of(layout.step_end))},
            probe=probe_of(tokenizer),
            **rest,
        )

    def save(self, folder: str | Path) -> None:
        """Write `contract.json` into a checkpoint folder.

        Raises:
            StorageError: the folder cannot be written.
        """
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False)
        path = Path(folder) / CONTRACT_FILE
        with storage_errors(str(path), "write"):
            path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Contract:
        """Read `contract.json` of a checkpoint folder.

        Raises:
            ContractError: it is missing, damaged, of another version, or its fields are not exactly
                those of a contract.
        """
        path = Path(folder) / CONTRACT_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ContractError(
                f"{folder} has no {CONTRACT_FILE}, so how its scores are read is not known; "
                "write one or train with surefoot"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise ContractError(f"{path} cannot be read: {error}") from None
        if not isinstance(values, dict) or "version" not in values:
            raise ContractError(f"{path} is not a contract: it names no version")
        if (version := values.pop("version")) != VERSION:
            older = isinstance(version, int) and version < VERSION
            mend = _OLDER.get(version, "write it anew") if older else "upgrade surefoot"
            raise ContractError(
                f"{path} is a contract of version {version!r}, this surefoot reads {VERSION}; "
                f"{mend}"
            )
        try:
            return cls.from_json(values, complete=True)
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Every field, with the version of the format."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], *, complete: bool = False) -> Contract:
        """The contract of a JSON object. `complete` asks for every field, as in a checkpoint: a
        default may differ tomorrow.

        Raises:
            ContractError: a field is unknown, missing or wrong.
        """
        known = _known(cls, values, "", complete)
        if "template" in known:
            known["template"] = Template(
                **_known(Template, known["template"], "template.", complete)
            )
        if "reading" in known:
            known["reading"] = Reading(**_known(Reading, known["reading"], "reading.", complete))
        if known.get("calibration") is not None:
            known["calibration"] = Calibration(
                **_known(Calibration, known["calibration"], "calibration.", complete)
            )
        return cls(**known)


def _known(cls: type, values: object, where: str, complete: bool) -> dict[str, Any]:
    """The values, if their names are those of the class."""
    if not isinstance(values, Mapping):
        raise ContractError(f"{where.rstrip('.') or 'it'} is {values!r}; it must be an object")
    names = {f.name for f in fields(cls)}
    if unknown := sorted(where + name for name in values.keys() - names):
        raise ContractError(f"unknown fields: {', '.join(unknown)}; upgrade surefoot")
    if complete and (missing := sorted(where + name for name in names - values.keys())):
        raise ContractError(f"missing fields: {', '.join(missing)}")
    return dict(values)


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ContractError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")


def _number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ContractError(f"{name} is {value!r}; it must be a number")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

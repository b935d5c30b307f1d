"""How a search space is written, in options or in a file of JSON or TOML, and what is refused.

    loop.lr=log:1e-5:1e-2        between two numbers, on a logarithmic scale
    labels.wrong_weight=1:5      between two numbers; whole ones where the setting is a whole number
    shape.hidden_size=64:256:64  between two numbers, in steps
    loop.batch_size=8,16,32      one of these
    aggregate=min,product        chosen after every training, from its scores
    threshold=0.3:0.7            bounds, or a list, for the threshold that is tuned after training

In a file a value is such a text, a list, or an object of low, high, log and step. Everything is
held against `RewardConfig` before anything is trained.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from surefoot import aggregate
from surefoot.errors import StorageError, UsageError
from surefoot.training.config import RewardConfig
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.tuning.space import Choices, Dimension, Range, Space

AFTER = ("aggregate", "threshold")
"""What is chosen after a training, from its scores."""

_OF_STUDY = ("loop.metric", "loop.eval_every", "loop.save_every", "loop.report_to")
"""Settings that are the same in every trial, so that trials can be compared."""

_WEIGHED = (CrossEntropy, Binomial, SquaredError, Joint)
"""Losses that know the weight of a label."""

_NUM_THRESHOLDS = 101
_RANGE = re.compile(r"(log:)?([^:]+):([^:]+)(?::([^:]+))?")
_BOUNDS = {"low", "high", "log", "step"}


def space_of(base: RewardConfig, given: Mapping[str, Any]) -> Space:
    """The space that is asked for around the settings of a training.

    Raises:
        UsageError: a name is no setting, or a value is none that the setting can have.
    """
    dimensions = {name: _checked(base, name, value) for name, value in given.items()}
    trained = {name: one for name, one in dimensions.items() if name not in AFTER}
    for inner in trained:
        if outer := next((one for one in trained if inner.startswith(f"{one}.")), None):
            raise UsageError(
                f"{outer} and {inner} overlap; give whole values, such as "
                'loss=["cross-entropy", {"name": "q-ranking", "zeta": 2}]'
            )
    if not trained:
        raise UsageError(
            "nothing is tuned that a training depends on; name a setting, such as "
            "loop.lr=log:1e-5:1e-2 (aggregate and threshold are chosen after every training)"
        )
    aggregates, thresholds = (dimensions.get(name) for name in AFTER)
    return Space(
        trained,
        aggregates.options if isinstance(aggregates, Choices) else (),
        _numbers(thresholds) if thresholds else (),
        {name: one.to_json() for name, one in dimensions.items()},
    )


def default_space(base: RewardConfig) -> dict[str, Any]:
    """What is tuned unless said otherwise: rates from a tenth to ten times those of the settings,
    half and twice their batch, and the weight of wrong steps from a quarter to four times."""
    loop = base.loop
    rates = {"loop.lr": loop.lr}
    if loop.optimizer == "muon":
        rates["loop.other_lr"] = loop.other_lr
    if loop.head_lr is not None:
        rates["loop.head_lr"] = loop.head_lr
    space: dict[str, Any] = {name: _around(rate, 10) for name, rate in rates.items()}
    half = loop.batch_size // 2
    smaller = [half] if half and half % loop.passes == 0 else []
    space["loop.batch_size"] = [*smaller, loop.batch_size, 2 * loop.batch_size]
    if isinstance(base.loss, _WEIGHED):
        space["labels.wrong_weight"] = _around(base.labels.wrong_weight, 4)
    return space


def read_space(file: str | Path) -> dict[str, Any]:
    """What a file of JSON or TOML (by its name) asks for; tables within tables are dotted names.

    Raises:
        StorageError: it cannot be read.
        UsageError: it is not JSON or TOML, or no object.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error}") from None
    kind = "TOML" if path.suffix.lower() == ".toml" else "JSON"
    try:
        values = tomllib.loads(text) if kind == "TOML" else json.loads(text)
    except ValueError as error:
        raise UsageError(f"{file} is not {kind}: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds no object of settings and their bounds")
    return _flat(values, "")


def read_options(given: Iterable[str]) -> dict[str, Any]:
    """What options of the form name=bounds ask for.

    Raises:
        UsageError: one is not of that form, or a name is given twice.
    """
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (equals and name and value):
            raise UsageError(f"{one!r} says no bounds; write them as loop.lr=log:1e-5:1e-2")
        if name in found:
            raise UsageError(f"{name} is given twice; give it once")
        found[name] = value
    return found


def _around(value: float, factor: float) -> dict[str, Any]:
    return {"low": value / factor, "high": value * factor, "log": True}


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and not _BOUNDS & value.keys():
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _checked(base: RewardConfig, name: str, given: Any) -> Dimension:
    """A dimension all of whose values, or both ends, are settings that a training takes."""
    if name in _OF_STUDY:
        raise UsageError(f"{name} must be the same in every trial; set it, and tune something else")
    kinds = frozenset({float}) if name == "threshold" else _kinds(_hint(base, name))
    found = _dimension(name, given, kinds)
    values = (found.low, found.high) if isinstance(found, Range) else found.options
    for value in values:
        if isinstance(found, Choices) and not _fits(value, kinds):
            raise UsageError(f"{name} is {value!r}; it must be {_words(kinds)}")
        if name == "aggregate":
            aggregate.rule(value)
        if name != "threshold":
            _try(base, name, value)
    return found


def _try(base: RewardConfig, name: str, value: Any) -> None:
    try:
        base.changed({name: value})
    except UsageError as error:
        raise UsageError(f"{name} cannot be {value!r}: {error}") from None


def _dimension(name: str, given: Any, kinds: frozenset[Any]) -> Dimension:
    if isinstance(given, str):
        given = _read(name, given)
    if isinstance(given, (list, tuple)):
        return _choices(name, given)
    if isinstance(given, Mapping):
        return _range(name, given, kinds)
    raise UsageError(
        f"{name} is {given!r}; give a list, or bounds such as log:1e-5:1e-2 or "
        '{"low": 1, "high": 5}'
    )


def _read(name: str, text: str) -> list[Any] | dict[str, Any]:
    """The list or the bounds that a text stands for."""
    if text.lstrip().startswith("["):
        try:
            values: list[Any] = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{name} is {text!r}, which is not JSON: {error}") from None
        return values
    if "," in text:
        return [_value(one.strip()) for one in text.split(",")]
    bounds = _RANGE.fullmatch(text)
    if bounds is None:
        raise UsageError(
            f"{name} is {text!r}; give several values (8,16,32) or bounds (1:5, log:1e-5:1e-2), "
            "and fix with --set what has one value"
        )
    log, low, high, step = bounds.groups()
    found: dict[str, Any] = {"low": _value(low), "high": _value(high), "log": log is not None}
    return found if step is None else {**found, "step": _value(step)}


def _value(text: str) -> Any:
    """A value that is JSON, or else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _choices(name: str, given: Iterable[Any]) -> Choices:
    found = Choices(tuple(given))
    if len({*found.values()}) < max(2, len(found.options)):
        raise UsageError(
            f"{name} is one of {list(found.options)}; give at least two values, all different"
        )
    return found


def _range(name: str, given: Mapping[str, Any], kinds: frozenset[Any]) -> Range:
    if unknown := given.keys() - _BOUNDS:
        raise UsageError(
            f"{name} has {', '.join(sorted(unknown))}; bounds are low, high, log, step"
        )
    if not kinds & {int, float}:
        raise UsageError(f"{name} is {_words(kinds)}, which has no bounds; list its values")
    numbers = {key: given[key] for key in ("low", "high", "step") if given.get(key) is not None}
    whole = float not in kinds
    for key, value in numbers.items():
        if not _fits(value, kinds & {int, float}) or not math.isfinite(value):
            wanted = "a whole number" if whole else "a number"
            raise UsageError(f"{name} has {key} {value!r}; it must be {wanted}")
    if not {"low", "high"} <= numbers.keys():
        raise UsageError(f"{name} has no {'high' if 'low' in numbers else 'low'}; give both bounds")
    log, step = given.get("log", False), numbers.get("step")
    low, high = numbers["low"], numbers["high"]
    if not isinstance(log, bool):
        raise UsageError(f"{name} has log {log!r}; it must be true or false")
    if not low < high:
        raise UsageError(f"{name} goes from {low} to {high}; the second must be larger")
    if log and (low <= 0 or step is not None):
        raise UsageError(f"{name} is logarithmic, so its bounds are positive and it has no step")
    found = Range(low=low, high=high, log=log, step=step, whole=whole)
    if step is not None and (step <= 0 or high not in found):
        raise UsageError(f"{name} goes from {low} in steps of {step}, which do not meet {high}")
    return found


def _numbers(found: Dimension) -> tuple[float, ...]:
    """Thresholds to try, in order."""
    if (values := found.values()) is not None:
        return tuple(sorted(map(float, values)))
    assert isinstance(found, Range)
    share = [i / (_NUM_THRESHOLDS - 1) for i in range(_NUM_THRESHOLDS)]
    if found.log:
        return tuple(found.low * (found.high / found.low) ** one for one in share)
    return tuple(found.low + (found.high - found.low) * one for one in share)


def _hint(base: RewardConfig, name: str) -> Any:
    """The type of a setting.

    Raises:
        UsageError: there is none of that name.
    """
    value: Any = base
    hint: Any = RewardConfig
    before: list[str] = []
    for part in name.split("."):
        owner = type(value) if is_dataclass(value) else _dataclass(hint)
        if owner is not None:
            hints = get_type_hints(owner)
            if part not in hints:
                known = ", ".join(".".join([*before, one]) for one in hints) or "none"
                raise UsageError(f"there is no setting {name}; of this kind there are: {known}")
            hint = hints[part]
        else:
            hint = next(
                (get_args(one)[1] for one in _members(hint) if get_origin(one) is not None), None
            )
            if hint is None:
                raise UsageError(f"there is no setting {name}; {'.'.join(before)} has no parts")
        value = getattr(value, part, None) if is_dataclass(value) else None
        before.append(part)
    return hint


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the one that it is."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _dataclass(hint: Any) -> type | None:
    return next((one for one in _members(hint) if is_dataclass(one)), None)  # type: ignore[return-value]


def _kinds(hint: Any) -> frozenset[Any]:
    """The plain types that a value may be of, and `object` for what is not plain."""
    found: set[Any] = set()
    for one in _members(hint):
        if get_origin(one) is Literal:
            found |= {type(value) for value in get_args(one)}
        else:
            found.add(one if one in (int, float, bool, str, type(None)) else object)
    return frozenset(found)


def _fits(value: Any, kinds: frozenset[Any]) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(kinds & {int, float})
    if isinstance(value, (dict, list)) or (isinstance(value, str) and object in kinds):
        return object in kinds
    return type(value) in kinds


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    object: "JSON",
}


def _words(kinds: frozenset[Any]) -> str:
    return " or ".join(name for kind, name in _NAMES.items() if kind in kinds)

"""What is known of published PRMs, as data: one JSON file in `published/` for each family.

A profile says how a family writes a trace, where its score is read and what that means, under which
licence it stands, where all this was read, and what nobody has verified. Files are plain data, so a
new one needs no code; `docs/models.md` shows how.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Literal, get_args

from surefoot.errors import ContractError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.critic import Critic

Scorer = Literal["steps", "log-ratio", "generative"]
Weights = Literal["safetensors", "bin"]

_REQUIRED = ("models", "scorer", "licence", "sources", "unverified")


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One published family."""

    name: str
    """The name of its file."""
    models: tuple[str, ...]
    """The hub ids it covers; none where the weights have no known home."""
    scorer: Scorer
    """`steps` reads a head at slots, `log-ratio` compares with a reference model, `generative` has
    the verdict written out."""
    contract: Contract | None = None
    """How traces are written and scores are read; None for `generative`."""
    critic: Mapping[str, Any] | None = None
    """How a verdict is asked for and understood; None but for `generative`."""
    licence: str
    """As its authors state it, or `not stated`."""
    sources: tuple[str, ...]
    """Where this was read: a file of a repository, or a model card."""
    unverified: tuple[str, ...]
    """What was not checked against the published weights, in sentences."""
    notes: tuple[str, ...] = ()
    """What a user should know, in sentences."""
    architectures: tuple[str, ...] = ()
    """Names in `config.json` of which a checkpoint of this family has one; empty if it may be any
    other's too."""
    keys: tuple[str, ...] = ()
    """Names of tensors that a checkpoint of this family has and most others have not."""
    weights: Weights = "safetensors"
    """`bin` where the authors published nothing but PyTorch files."""
    extra: str | None = None
    """A PyTorch file beside the weights that holds the head. Its tensors are named behind the
    file's own name: `bias` in `reward_head.pt` is `reward_head.bias`."""
    ignored: tuple[str, ...] = ()
    """Patterns of tensors which no score needs."""
    base: str | None = None
    """The model that an adapter of this family belongs to."""
    reference: str | None = None
    """The model that a log-ratio is taken against."""


@cache
def profiles() -> Mapping[str, Profile]:
    """All profiles by name, in order.

    Raises:
        ContractError: a file is not a profile, or two of them claim the same model.
    """
    folder = files("surefoot.models") / "published"
    texts = {
        entry.name.removesuffix(".json"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }
    found = {name: parse_profile(name, texts[name]) for name in sorted(texts)}
    owners: dict[str, str] = {}
    for profile in found.values():
        for model in profile.models:
            if owner := owners.get(model):
                raise _wrong(profile.name, "models", f"{model} is also that of {owner}.json")
            owners[model] = profile.name
    return MappingProxyType(found)


def profile_of(source: str) -> Profile | None:
    """The profile of a profile's name, a hub id, or a folder that is called like a hub id: by its
    last two parts, or as the hub's own cache calls it (`models--owner--name`)."""
    known = profiles()
    if source in known:
        return known[source]
    parts = PurePath(source).parts
    names = {"/".join(parts[-2:])}
    names |= {part[8:].replace("--", "/", 1) for part in parts if part.startswith("models--")}
    return next((one for one in known.values() if names & {*one.models}), None)


def critic_of(source: str) -> Critic:
    """How a model is asked for its verdicts: as a published family that writes them, by its name,
    or as a file such as critic.json says.

    Raises:
        UsageError: it is neither.
        ContractError: the file holds no critic.
    """
    known = profiles().get(source)
    if known is not None and known.critic is not None:
        return Critic.from_json(known.critic)
    if not Path(source).is_file():
        writing = ", ".join(name for name, one in profiles().items() if one.critic is not None)
        raise UsageError(
            f"{source!r} is no profile of a model that writes verdicts, and no file that says how "
            f"one is asked; there are {writing}"
        )
    try:
        return Critic.from_json(json.loads(Path(source).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(f"{source} cannot be read: {error}") from None
    except ContractError as error:
        raise ContractError(f"{source}: {error}") from None


def recognise(config: Mapping[str, Any], keys: Collection[str]) -> Profile | None:
    """The one profile that fits a checkpoint by its configuration and the names of its tensors;
    None where none does, or more than one."""
    found = candidates(config, keys)
    return found[0] if len(found) == 1 else None


def candidates(config: Mapping[str, Any], keys: Collection[str]) -> list[Profile]:
    """Every profile that a checkpoint may be of. One that names neither architectures nor keys is
    known by name only: a plain language model looks the same."""
    own = {*(config.get("architectures") or ())}
    return [
        one
        for one in profiles().values()
        if (one.architectures or one.keys)
        and {*one.keys} <= {*keys}
        and (not one.architectures or {*one.architectures} & own)
    ]


def parse_profile(name: str, text: str) -> Profile:
    """The profile of a JSON text.

    Raises:
        ContractError: naming the file, the field and what is wrong with it.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{name}.json cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ContractError(f"{name}.json is not a profile: it must be an object")
    known = {f.name for f in fields(Profile)} - {"name"}
    if unknown := sorted(values.keys() - known):
        raise ContractError(f"{name}.json: unknown fields: {', '.join(unknown)}")
    if missing := sorted({*_REQUIRED} - values.keys()):
        raise ContractError(f"{name}.json: missing fields: {', '.join(missing)}")
    given = dict(values)
    for field in ("models", "sources", "unverified", "notes", "architectures", "keys", "ignored"):
        given[field] = _texts(name, field, given.get(field, []))
    if len({*given["models"]}) < len(given["models"]):
        raise _wrong(name, "models", "one of them stands there twice")
    if not given["sources"]:
        raise _wrong(name, "sources", "it is empty; say where the facts were read")
    _choice(name, "scorer", given["scorer"], get_args(Scorer))
    _choice(name, "weights", given.get("weights", "safetensors"), get_args(Weights))
    for field in ("licence", "extra", "base", "reference"):
        value = given.get(field)
        if not (isinstance(value, str) and value) and not (value is None and field != "licence"):
            raise _wrong(name, field, f"it is {value!r}; it must be text")
    _check_scorer(name, given)
    if given.get("contract") is not None:
        try:
            given["contract"] = Contract.from_json(given["contract"])
        except ContractError as error:
            raise _wrong(name, "contract", str(error)) from None
    profile = Profile(name=name, **given)
    contract = profile.contract
    is_ratio = contract is not None and contract.reading.head == "token-log-ratio"
    if is_ratio is not (profile.scorer == "log-ratio"):
        raise _wrong(
            name, "scorer", "log-ratio belongs to the head token-log-ratio, and only there"
        )
    return profile


def _check_scorer(name: str, given: Mapping[str, Any]) -> None:
    """What each kind of scorer needs, and what means nothing to it."""
    scorer = given["scorer"]
    generative = scorer == "generative"
    wanted, other = ("critic", "contract") if generative else ("contract", "critic")
    if not isinstance(given.get(wanted), dict):
        raise _wrong(name, wanted, f"the scorer {scorer} needs it, as an object")
    if given.get(other) is not None:
        raise _wrong(name, other, f"it means nothing to the scorer {scorer}")
    if (given.get("reference") is not None) is not (scorer == "log-ratio"):
        raise _wrong(name, "reference", "the scorer log-ratio needs it, and no other has one")


def _texts(name: str, field: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _wrong(name, field, f"it is {value!r}; it must be a list of texts")
    return tuple(value)


def _choice(name: str, field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise _wrong(name, field, f"it is {value!r}; it must be one of {', '.join(choices)}")


def _wrong(name: str, field: str, reason: str) -> ContractError:
    return ContractError(f"{name}.json: {field}: {reason}")

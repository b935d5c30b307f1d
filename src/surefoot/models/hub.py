"""`load`: from a name, a folder, a hub id or a server to a scorer of steps.

How a checkpoint's scores are read is taken from the first of these that there is: the `contract`
given, the `contract.json` beside the model, the `profile` given, the profile of the hub id, the
only profile that fits its configuration and the names of its weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.errors import ContractError, ModelError, UsageError
from surefoot.models.base import RewardModel
from surefoot.models.contract import CONTRACT_FILE, Contract
from surefoot.models.critic import CRITIC_FILE, Critic
from surefoot.models.features import FEATURES_FILE
from surefoot.models.servers import connect, generative, is_address

if TYPE_CHECKING:
    from surefoot.models.loading import Place
    from surefoot.models.profiles import Profile


def _arithmetic() -> RewardModel:
    from surefoot.models.checkers import ArithmeticChecker

    return ArithmeticChecker()


def _length() -> RewardModel:
    from surefoot.models.baselines import StepLength

    return StepLength()


def _random() -> RewardModel:
    from surefoot.models.baselines import RandomScores

    return RandomScores(seed=0)


BUILT_IN: Mapping[str, Callable[[], RewardModel]] = {
    "arithmetic": _arithmetic,
    "length": _length,
    "random": _random,
}

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
"""What is fetched of a hub repository; never code."""


def load(
    source: str | Path,
    *,
    profile: str | None = None,
    contract: Contract | str | Path | None = None,
    separator: str | None = None,
    base: str | Path | None = None,
    reference: str | Path | None = None,
    tokenizer: str | Path | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    long: str = "error",
) -> RewardModel:
    """A reward model, ready to score.

    No code from a checkpoint ever runs.

    Args:
        source: A built-in (`arithmetic`, `length`, `random`), a checkpoint folder, a hub id, or the
            address of a server (`models.servers` lists the kinds). A folder may hold a whole
            model, a LoRA adapter, or the trees of a scorer of features.
        profile: Read it as this published family (`surefoot models` lists them).
        contract: Read it by this contract: an object, or the folder of a `contract.json`.
        separator: What the training put behind every step, for a checkpoint of TRL's PRMTrainer.
        base: The model that an adapter belongs to, if not the one that its configuration names.
        reference: The model that a log-ratio is taken against, if not the published one.
        tokenizer: The folder of the tokenizer of a model behind a server.
        revision: Of a hub repository: a branch, tag or commit.
        device: Such as `cpu` or `cuda`; the first GPU if there is one.
        dtype: `float32`, or `bfloat16` for the matrix products; heads stay in float32.
        long: What becomes of a trace that is longer than the model: `error`, or `windows`.

    Raises:
        ModelError: there is no such model, or its files cannot be read.
        ContractError: how its scores are read is not known, or model and contract do not fit.
        UsageError: an option is not one of its choices, or means nothing for this model.
    """
    if dtype not in ("float32", "bfloat16"):
        raise UsageError(f"dtype is {dtype!r}; it must be float32 or bfloat16")
    if long not in ("error", "windows"):
        raise UsageError(f"long is {long!r}; it must be error or windows")
    here: dict[str, object] = {"base": base, "reference": reference, "revision": revision}
    here |= {"device": device, "dtype": dtype != "float32", "long": long != "error"}
    if isinstance(source, str) and source in BUILT_IN:
        read = {"profile": profile, "contract": contract, "separator": separator}
        _refuse(source, {**read, "tokenizer": tokenizer, **here})
        return BUILT_IN[source]()
    known = _profile(source, profile if profile or separator is None else "trl")
    given = (
        contract if contract is None or isinstance(contract, Contract) else Contract.load(contract)
    )
    if isinstance(source, str) and is_address(source):
        _refuse(source, {"separator": separator, **here})
        own = None if tokenizer is None else folder_of(tokenizer)
        return connect(source, profile=known, contract=given, tokenizer=own)
    folder = folder_of(source, revision=revision, pickled=bool(known and known.weights == "bin"))
    if (folder / FEATURES_FILE).is_file():
        read = {"profile": profile, "contract": contract, "separator": separator}
        _refuse("a scorer of features", {**read, "tokenizer": tokenizer, **here, "revision": None})
        from surefoot.models.features.scorer import FeatureScorer

        return FeatureScorer.load(folder)
    from surefoot.models import loading

    is_adapter = loading.is_adapter(folder)
    if not is_adapter and not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model checkpoint: it has no config.json")
    known = known or _recognised(folder)
    place = loading.Place(device=device or _best_device(), bfloat16=dtype == "bfloat16")
    if profile is None and given is None and (folder / CRITIC_FILE).is_file():
        read = {"separator": separator, "base": base, "reference": reference}
        _refuse("a model that writes its verdicts", {**read, "long": long != "error"})
        from surefoot.models.generative import GenerativeModel

        return GenerativeModel(_writer(folder, place), Critic.load(folder))
    if known is not None and known.critic is not None and given is None:
        _refuse(known.name, {"separator": separator, "long": long != "error"})
        return generative(_writer(folder, place), known)
    bare = _base(folder, base, known) if is_adapter else None
    agreed = given or contract_of(
        folder, known, asked=profile is not None, separator=separator, body=bare or folder
    )
    origin = loading.Source(
        folder=folder,
        name=folder.resolve().name if Path(source).is_dir() else str(source),
        contract=agreed,
        ignored=(*(known.ignored if known else ()), *_other_heads(folder, agreed)),
        pickled=bool(known and known.weights == "bin" and not any(folder.glob("*.safetensors"))),
        extra=known.extra if known else None,
        base=bare,
    )
    if agreed.reading.head != "token-log-ratio":
        return loading.load_steps(origin, place, "error" if long == "error" else "windows")
    _refuse("a log-ratio", {"long": long != "error"})
    other = reference or agreed.reference or (known.reference if known else None)
    if other is None:
        raise UsageError("a log-ratio needs the model it is taken against: give reference")
    return loading.load_log_ratio(origin, folder_of(other), place)


def _refuse(what: str, options: Mapping[str, object]) -> None:
    """Refuse options that mean nothing for a model, rather than pass over them."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{', '.join(given)} mean nothing for {what}; leave them out")


def folder_of(source: str | Path, *, revision: str | None = None, pickled: bool = False) -> Path:
    """The local folder of a checkpoint; a hub repository is fetched into the hub's own cache.

    Raises:
        ModelError: there is no such folder, and the hub has no such repository or is out of reach.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if isinstance(source, Path) or not HUB_ID.fullmatch(source):
        names = ", ".join(sorted(BUILT_IN))
        raise ModelError(
            f"no model {str(source)!r}: it is neither a folder, nor a hub id such as "
            f"organisation/model, nor a built-in ({names})"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = [*_FILES, *(("*.bin", "*.pt") if pickled else ())]
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelError(
            f"no model {source!r}: there is no such folder, and it cannot be fetched from the hub: "
            f"{str(error).splitlines()[0]}"
        ) from None


def _writer(folder: Path, place: Place) -> Any:
    from transformers import AutoModelForCausalLM

    from surefoot.policies.checkpoints import read_checkpoint
    from surefoot.policies.local_writer import LocalWriter

    model, tokenizer = read_checkpoint(folder, AutoModelForCausalLM, dtype=place.dtype)
    return LocalWriter(model.to(place.device), tokenizer, name=folder.resolve().name)


def _profile(source: str | Path, name: str | None) -> Profile | None:
    """The profile that is asked for, or that of the hub id."""
    from surefoot.models.profiles import profile_of, profiles

    if name is None:
        return profile_of(str(source))
    if name not in profiles():
        raise UsageError(
            f"there is no profile {name!r}; `surefoot models` lists them: {', '.join(profiles())}"
        )
    return profiles()[name]


def _recognised(folder: Path) -> Profile | None:
    """The only profile that fits a folder's configuration and weights, if there is one."""
    from surefoot.models.loading import read_json, tensor_names
    from surefoot.models.profiles import recognise

    if (folder / CONTRACT_FILE).is_file() or not (folder / "config.json").is_file():
        return None
    return recognise(read_json(folder / "config.json"), tensor_names(folder))


def _other_heads(folder: Path, agreed: Contract) -> list[str]:
    """The layers that a folder's own contract reads and another one need not."""
    if not (folder / CONTRACT_FILE).is_file():
        return []
    own = Contract.load(folder)
    return [] if own == agreed else [f"{layer}.*" for layer in own.reading.layers]


def contract_of(
    folder: Path, known: Profile | None, *, asked: bool, separator: str | None, body: Path
) -> Contract:
    """The contract beside a model, or that of its family; `body` is the folder of the weights.

    Raises:
        ContractError: there is neither.
        UsageError: a separator for another family than TRL's.
    """
    if not asked and separator is None and (folder / CONTRACT_FILE).is_file():
        return Contract.load(folder)
    if known is None or known.contract is None:
        raise ContractError(
            f"{folder} has no {CONTRACT_FILE}, and {_families(folder)}; name one of "
            "`surefoot models` as its profile (for a checkpoint of TRL's PRMTrainer the separator "
            f"is enough), or write a {CONTRACT_FILE} (docs/models.md shows how)"
        )
    found = known.contract
    if separator is not None:
        if known.name != "trl":
            raise UsageError(f"a separator is for checkpoints of TRL, this one is {known.name}")
        step = found.template.step.replace("\n", separator)
        found = replace(found, template=replace(found.template, step=step), pinned={})
    return _with_room(found, body)


def _families(folder: Path) -> str:
    """What the files of a folder tell of its family."""
    from surefoot.models.loading import read_json, tensor_names
    from surefoot.models.profiles import candidates

    file = folder / "config.json"
    names = (
        [one.name for one in candidates(read_json(file), tensor_names(folder))]
        if file.is_file()
        else []
    )
    if not names:
        return "its files are those of no published family"
    return f"its files may be those of {', '.join(names)}, which are read in different ways"


def _with_room(contract: Contract, folder: Path) -> Contract:
    """A published contract, for a checkpoint that may have fewer positions."""
    from surefoot.models.loading import read_json

    file = folder / "config.json"
    positions = read_json(file).get("max_position_embeddings") if file.is_file() else None
    if not isinstance(positions, int) or positions >= contract.max_tokens:
        return contract
    return replace(contract, max_tokens=positions)


def _base(folder: Path, given: str | Path | None, known: Profile | None) -> Path:
    """The folder of the model that an adapter belongs to."""
    from surefoot.models.loading import ADAPTER_FILE, read_json

    named = read_json(folder / ADAPTER_FILE).get("base_model_name_or_path")
    choice = given or (known.base if known else None) or named
    if not isinstance(choice, (str, Path)):
        raise ModelError(f"{folder} is an adapter that names no base model; give base")
    try:
        return folder_of(choice)
    except ModelError as error:
        raise ModelError(f"{folder} is an adapter; its base: {error}; give base") from None


def _best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"

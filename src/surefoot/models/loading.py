"""From a checkpoint folder and a contract to a scorer, without running code from the folder.

Bodies are transformers' own classes; what a published PRM adds is a few tensors, which are read by
name. Weights come from safetensors alone, except for the families whose authors published nothing
but PyTorch files, which are read as tensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForTokenClassification

from surefoot.errors import ModelError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel, Long
from surefoot.models.heads import layers_head
from surefoot.models.log_ratio import LogRatioModel
from surefoot.models.precision import linear_in_bfloat16
from surefoot.policies.checkpoints import first_few, read_weights, tokenizer_for

ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A checkpoint and what is known of it.

    `ignored` are patterns of tensors that no score needs, `pickled` says that there are only
    PyTorch files, `extra` names one with further tensors, and `base` is the folder of the model
    that an adapter belongs to.
    """

    folder: Path
    name: str
    contract: Contract
    ignored: tuple[str, ...] = ()
    pickled: bool = False
    extra: str | None = None
    base: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a model runs and in which numbers: float32, or bfloat16 for its matrix products."""

    device: str = "cpu"
    bfloat16: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The numbers that weights are read into."""
        return torch.bfloat16 if self.bfloat16 else torch.float32


def load_steps(source: Source, place: Place, long: Long) -> DiscriminativeModel:
    """A scorer with a head at slots.

    Raises:
        ModelError: the folder is not a checkpoint of this kind, or its weights are not all there.
        ContractError: the checkpoint and the contract do not fit each other.
    """
    reading = source.contract.reading
    if source.base is not None:
        model = _with_adapter(source, _class_for(source.contract, adapter=True), place)
        head_tensors: Mapping[str, Tensor] = {}
    else:
        model, head_tensors = _whole(source, place)
    model = _placed(model, place)
    head = None
    if head_tensors:
        head = layers_head(
            reading, {name: one.to(model.device) for name, one in head_tensors.items()}
        )
    tokenizer = tokenizer_for(source.folder, model)
    return DiscriminativeModel(
        model, tokenizer, source.contract, name=source.name, head=head, long=long
    )


def load_log_ratio(source: Source, reference: Path, place: Place) -> LogRatioModel:
    """A scorer that compares a language model with a reference.

    Raises:
        ModelError, ContractError: as `load_steps`.
    """
    if source.base is not None:
        model = _with_adapter(source, AutoModelForCausalLM, place)
    else:
        model, _ = _whole(source, place)
    other = replace(source, folder=reference, base=None)
    models = [_placed(one, place) for one in (model, _whole(other, place)[0])]
    tokenizer = tokenizer_for(source.folder, models[0])
    ours, theirs = models
    return LogRatioModel(ours, theirs, tokenizer, source.contract, name=source.name)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds changes to another model, and no whole model beside them."""
    names = [file.name for file in folder.iterdir()]
    has_weights = any(re.fullmatch(r"(pytorch_)?model.*\.(safetensors|bin)", n) for n in names)
    return ADAPTER_FILE in names and not has_weights


def tensor_names(folder: Path) -> list[str]:
    """The names of the tensors in a folder's safetensors, without reading them; empty if there are
    none.

    Raises:
        ModelError: a file is damaged.
    """
    names: list[str] = []
    for file in sorted(folder.glob("*.safetensors")):
        with _opened(file) as tensors:
            names += tensors.keys()
    return names


def _whole(source: Source, place: Place) -> tuple[Any, dict[str, Tensor]]:
    """The model, and the tensors of its head where it is not part of the model."""
    folder = source.folder
    reading = source.contract.reading
    wanted = [f"{name}.{kind}" for name in reading.layers for kind in ("weight", "bias")]
    wanted = wanted if reading.head == "layers" else []
    with _without_adapter(folder) as plain:
        model, missing, unexpected = read_weights(
            plain, _class_for(source.contract), dtype=place.dtype, pickled=source.pickled
        )
    if missing:
        raise ModelError(
            f"{folder}: it lacks weights of a {type(model).__name__}, which would be made up: "
            f"{first_few(missing)}"
        )
    patterns = (*wanted, *source.ignored, "lm_head.*")
    homeless = [n for n in unexpected if not any(fnmatchcase(n, p) for p in patterns)]
    if homeless:
        raise ModelError(
            f"{folder}: neither a {type(model).__name__} nor the contract has a place for weights "
            f"it holds: {first_few(homeless)}"
        )
    return model, _tensors(source, wanted) if wanted else {}


def _class_for(contract: Contract, *, adapter: bool = False) -> Any:
    if contract.reading.head != "layers":
        return AutoModelForCausalLM
    return AutoModelForTokenClassification if adapter else AutoModel


def _tensors(source: Source, names: Sequence[str]) -> dict[str, Tensor]:
    """Those of the named tensors that the checkpoint has."""
    found: dict[str, Tensor] = {}
    for file in sorted(source.folder.glob("*.safetensors")):
        with _opened(file) as tensors:
            found |= {name: tensors.get_tensor(name) for name in {*names} & {*tensors.keys()}}
    files = sorted(source.folder.glob("pytorch_model*.bin")) if source.pickled else []
    for file in files:
        found |= {name: one for name, one in _unpickled(file).items() if name in names}
    if source.extra is not None:
        file = source.folder / source.extra
        extra = {f"{file.stem}.{name}": one for name, one in _unpickled(file).items()}
        found |= {name: one for name, one in extra.items() if name in names}
    return found


def _unpickled(file: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file; anything else in it is refused."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ModelError(f"{file} cannot be read as plain tensors: {error}") from None
    except Exception as error:  # noqa: BLE001 - pickle.UnpicklingError and what damaged files raise
        raise ModelError(f"{file} cannot be read as plain tensors: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"{file} does not hold named tensors")
    return content


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} cannot be loaded: {error}") from None


def _with_adapter(source: Source, auto_class: Any, place: Place) -> Any:
    """The base model with an adapter's changes put into its weights.

    Raises:
        ModelError: the adapter is not whole, or not for this base.
        UsageError: the package peft is missing.
    """
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError:
        raise UsageError(
            "an adapter needs the package peft: pip install 'surefoot[lora]'"
        ) from None
    adapter = source.folder / "adapter_model.safetensors"
    if not adapter.is_file():
        raise ModelError(f"{source.folder} is an adapter without adapter_model.safetensors")
    assert source.base is not None
    settings = {"num_labels": source.contract.reading.classes}
    with _without_adapter(source.base) as plain:
        model, missing, unexpected = read_weights(
            plain,
            auto_class,
            settings if auto_class is AutoModelForTokenClassification else None,
            dtype=place.dtype,
        )
    with _opened(adapter) as tensors:
        given = list(tensors.keys())
    made_up = [n for n in missing if not any(n.rpartition(".")[0] in one for one in given)]
    homeless = [name for name in unexpected if not fnmatchcase(name, "lm_head.*")]
    for names, what in ((made_up, "lacks weights"), (homeless, "has no place for weights")):
        if names:
            raise ModelError(
                f"{source.base}, the base of {source.folder}, {what}: {first_few(names)}"
            )
    try:
        adapted = PeftModel.from_pretrained(model, str(source.folder), local_files_only=True)
        wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        merged = adapted.merge_and_unload()
    except (ValueError, KeyError, RuntimeError, TypeError, OSError) as error:
        raise ModelError(f"{source.folder} does not fit its base {source.base}: {error}") from None
    if lacking := sorted(wanted.keys() - {*given}):
        raise ModelError(f"{source.folder} lacks weights of the adapter: {first_few(lacking)}")
    return merged


@contextmanager
def _without_adapter(folder: Path) -> Iterator[Path]:
    """A folder as it would be without the adapter that it holds too: transformers would attach it
    unasked."""
    if not (folder / ADAPTER_FILE).is_file():
        yield folder
        return
    with TemporaryDirectory(prefix="surefoot-") as name:
        for file in folder.iterdir():
            if not file.name.startswith("adapter_") and file.is_file():
                (Path(name) / file.name).symlink_to(file.resolve())
        yield Path(name)


def _placed(model: Any, place: Place) -> Any:
    if place.bfloat16 and place.device == "cpu":
        linear_in_bfloat16(model)
    return model.to(place.device)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file.parent} cannot be loaded: {file.name}: {error}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{file.parent} cannot be loaded: {file.name} is no JSON object")
    return values

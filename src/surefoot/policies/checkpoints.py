"""Checkpoint folders: read without running what they hold, written so that no half looks whole."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import normalizers
from transformers import AutoConfig, AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.traces.records import storage_errors

_BAD_FILES = (
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers raises for a checkpoint that it cannot make sense of."""

_PIECES = "Step 1:  5+8 = 13,\tso\n\nthe digit is 3. ки\n \\boxed{x²} naïve 数学 \U0001f600 -7"
"""Text that tells apart ways of reading a SentencePiece model."""


def read_checkpoint(
    folder: Path, auto_class: Any, *, dtype: torch.dtype = torch.float32
) -> tuple[Any, Any]:
    """The model, on the CPU, and the tokenizer of a checkpoint folder.

    No code from the folder runs, nothing is fetched, and weights come from safetensors alone.

    Args:
        folder: Holds `config.json`, safetensors and the files of a tokenizer.
        auto_class: Such as `transformers.AutoModelForCausalLM`.
        dtype: What the weights are read into.

    Raises:
        ModelError: the folder is not a checkpoint of this class, or its weights are not all there.
    """
    model, missing, unexpected = read_weights(folder, auto_class, dtype=dtype)
    kind = type(model).__name__
    for names, what in (
        (missing, f"it lacks weights of a {kind}, which would be made up"),
        (unexpected, f"a {kind} has no place for weights it holds"),
    ):
        if names:
            raise ModelError(f"{folder}: {what}: {first_few(names)}")
    return model, tokenizer_for(folder, model)


def tokenizer_for(folder: Path, model: Any) -> Any:
    """The tokenizer of a folder, checked against the model.

    Raises:
        ModelError: it cannot be read, or knows more tokens than the model.
    """
    tokenizer = read_tokenizer(folder)
    if len(tokenizer) > (known := model.get_input_embeddings().num_embeddings):
        raise ModelError(
            f"{folder}: the tokenizer knows {len(tokenizer)} tokens, the model {known}; put the "
            "model's own tokenizer there"
        )
    return tokenizer


def read_weights(
    folder: Path,
    auto_class: Any,
    settings: Mapping[str, Any] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    pickled: bool = False,
) -> tuple[Any, list[str], list[str]]:
    """A model with some settings changed, the names of weights that the folder lacks, which are
    random now, and of weights that the model has no place for; otherwise as `read_checkpoint`.

    `pickled` takes PyTorch files instead of safetensors; they are read as tensors alone.

    Raises:
        ModelError: the folder is not a checkpoint, or its weights do not fit.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model checkpoint: it has no config.json")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        config.update(settings or {})
        with _without_report():
            model, info = auto_class.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                use_safetensors=not pickled,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, *_BAD_FILES) as error:
        raise ModelError(f"{folder} cannot be loaded: {error}") from None
    return model, sorted(info["missing_keys"]), sorted(info["unexpected_keys"])


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep transformers from telling of weights that are missing or left over: what is wrong with
    them is said in an error of ours."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def first_few(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer exactly as its files say.

    `AutoTokenizer` takes the class that belongs to the model's architecture, and such a class may
    put its own rules for cutting text in place of those in `tokenizer.json`.

    Raises:
        ModelError: its files are damaged, or cut text otherwise once read.
        UsageError: it needs a package that is missing.
    """
    kind = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
    pieces = folder / "tokenizer.model"
    if kind is AutoTokenizer and pieces.is_file():
        return _of_pieces(pieces)
    try:
        return kind.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - tokenizers raises no narrower class for bad files
        raise ModelError(f"{folder}: its tokenizer cannot be read: {error}") from None


def _of_pieces(file: Path) -> Any:
    """The tokenizer of a SentencePiece model without a `tokenizer.json`, held against that model:
    the classes that transformers has for them do not all put a space mark before the text."""
    try:
        import google.protobuf  # noqa: F401
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise UsageError(
            f"{file} needs the packages sentencepiece and protobuf: pip install "
            "'surefoot[sentencepiece]', or put a tokenizer.json beside it"
        ) from None
    try:
        wanted = SentencePieceProcessor(model_file=str(file)).encode(_PIECES, out_type=str)
        tokenizer = LlamaTokenizer.from_pretrained(file.parent, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - as above
        raise ModelError(f"{file.parent}: its tokenizer cannot be read: {error}") from None
    backend = tokenizer.backend_tokenizer
    if getattr(backend.pre_tokenizer, "prepend_scheme", None) == "always":
        # Metaspace leaves the mark out before text that begins with a space; SentencePiece does not
        marks = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        backend.normalizer, backend.pre_tokenizer = normalizers.Sequence(marks), None
    if tokenizer.tokenize(_PIECES) != wanted:
        raise ModelError(
            f"{file} cuts text otherwise once transformers has read it; convert it to a "
            "tokenizer.json"
        )
    return tokenizer


@contextmanager
def whole_folder(folder: str | Path, *, last: str) -> Iterator[Path]:
    """A folder to write a checkpoint into, which takes its place under its name when all is there.

    A new or empty folder appears at once. In one that holds files, the file named `last` is taken
    away first and comes last, and old weights go: a folder without that file is not whole. Files
    of other names stay. What an interrupted run left aside is cleared away by the next.

    Raises:
        StorageError: the folder cannot be written.
    """
    final = Path(folder).resolve()
    partial = final.with_name(f".{final.name}.partial")
    with storage_errors(str(folder), "write"):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            _take_place(partial, final, last)
        except Exception as error:
            # safetensors and tokenizers have words of their own for a full disk, the latter only
            # the plainest class of all.
            if type(error) in (Exception, SafetensorError):
                raise StorageError(f"{folder}: cannot write it: {error}") from None
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _take_place(partial: Path, final: Path, last: str) -> None:
    if not final.exists() or not any(final.iterdir()):
        os.replace(partial, final)
        return
    (final / last).unlink(missing_ok=True)
    for weights in final.glob("*.safetensors*"):
        weights.unlink()
    for new in sorted(partial.iterdir(), key=lambda one: one.name == last):
        old = final / new.name
        if old.is_dir():
            shutil.rmtree(old)
        os.replace(new, old)

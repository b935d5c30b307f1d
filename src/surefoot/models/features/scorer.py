"""Trees grown on the features of a step, as a reward model; its folder holds text alone.

`features.json` says what the model is: the names of its features in order, its threshold, a hash of
`trees.txt`, which LightGBM wrote and reads. Nothing in the folder is code or pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surefoot.errors import ModelError
from surefoot.models.base import BatchScorer
from surefoot.models.features import FEATURES_FILE
from surefoot.models.features.vector import FEATURES, Features, features_of
from surefoot.stats import FloatArray
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from lightgbm import Booster

TREES_FILE = "trees.txt"
VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a folder of trees says of itself.

    The log-odds that a step is wrong are `intercept` plus the sum of its trees; a step that scores
    below `threshold` is flagged. `training` is for people: the data and what was measured.
    """

    name: str
    intercept: float
    threshold: float = 0.5
    features: tuple[str, ...] = FEATURES
    training: Mapping[str, Any] = field(default_factory=dict)


class FeatureScorer(BatchScorer):
    """Scores a step by the probability that it is right, given the steps before it; never abstains.

    It reads no observations. A score depends on the question, the earlier steps and the step.
    """

    reads_tokens = False

    def __init__(self, trees: Booster, description: Description) -> None:
        if description.features != FEATURES:
            raise ModelError(
                f"{description.name} was trained on other features "
                f"({_changes(description.features)}); train it again with this surefoot"
            )
        if trees.num_feature() != len(FEATURES):
            raise ModelError(
                f"{description.name}: the trees read {trees.num_feature()} features and "
                f"{FEATURES_FILE} names {len(FEATURES)}; they are not of one model"
            )
        self.description = description
        self.name = description.name
        self._trees = trees

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        if not traces:
            return []
        rows = [features_of(trace) for trace in traces]
        odds = -self.suspicion(np.concatenate(rows))
        ends = np.cumsum([len(one) for one in rows])
        return [self._signed(one) for one in np.split(odds, ends[:-1])]

    def suspicion(self, features: Features) -> FloatArray:
        """The log-odds that steps are wrong, (S,), of features (S, F)."""
        raw = self._trees.predict(features, raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64) + self.description.intercept

    def save(self, folder: str | Path) -> None:
        """Write `trees.txt`, then `features.json`; the folder appears when it is whole.

        Raises:
            StorageError: it cannot be written.
        """
        from surefoot.policies.checkpoints import whole_folder

        trees = self._trees.model_to_string().encode()
        values = {
            "version": VERSION,
            "trees_sha256": hashlib.sha256(trees).hexdigest(),
            **asdict(self.description),
        }
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        with whole_folder(folder, last=FEATURES_FILE) as partial:
            (partial / TREES_FILE).write_bytes(trees)
            (partial / FEATURES_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> FeatureScorer:
        """Read a folder that `save` wrote.

        Raises:
            ModelError: a file is missing, damaged or of another version, or LightGBM is not there.
        """
        values = _read_description(Path(folder) / FEATURES_FILE)
        expected = values.pop("trees_sha256")
        path = Path(folder) / TREES_FILE
        try:
            trees = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
        if hashlib.sha256(trees).hexdigest() != expected:
            raise ModelError(
                f"{path} is not the file that {FEATURES_FILE} describes: it is damaged, or from "
                "another model; copy the whole folder again"
            )
        values["features"] = tuple(values["features"])
        booster = lightgbm().Booster(model_str=trees.decode())
        return cls(booster, Description(**values))

    def _signed(self, odds: FloatArray) -> StepScores:
        log_odds = tuple(float(value) for value in odds)
        return StepScores(
            tuple(_sigmoid(value) for value in log_odds),
            self.name,
            threshold=self.description.threshold,
            log_odds=log_odds,
        )


def lightgbm() -> Any:
    """The library that grows and reads the trees.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import lightgbm as library
    except ImportError:
        raise ModelError(
            "this model is made of LightGBM's trees; install it with `pip install "
            "'surefoot[features]'`"
        ) from None
    return library


def _read_description(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict) or values.pop("version", None) != VERSION:
        raise ModelError(
            f"{path} is not a description of version {VERSION}; train the model again, or read it "
            "with the surefoot that wrote it"
        )
    names = {one.name for one in fields(Description)} | {"trees_sha256"}
    if values.keys() != names:
        raise ModelError(f"{path}: its fields must be {', '.join(sorted(names))}")
    numbers = (values["intercept"], values["threshold"])
    if not (
        isinstance(values["name"], str)
        and all(isinstance(one, float | int) and math.isfinite(one) for one in numbers)
        and isinstance(values["features"], list)
        and isinstance(values["training"], dict)
    ):
        raise ModelError(f"{path}: a field is not of its kind; copy the whole folder again")
    return values


def _changes(names: Sequence[str]) -> str:
    gone, new = sorted({*names} - {*FEATURES}), sorted({*FEATURES} - {*names})
    parts = [f"no longer read: {', '.join(gone)}"] if gone else []
    parts += [f"not in it: {', '.join(new)}"] if new else []
    return "; ".join(parts) or "in another order"


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))

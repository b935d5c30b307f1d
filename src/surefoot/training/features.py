"""Train the scorer that needs no downloaded weights: grow trees on the features of labelled steps.

Sources of labels differ in how often a step is wrong for reasons that no model should learn: some
hold wrong solutions only, others right ones only. So each source starts at its own log-odds, as an
offset (McCullagh and Nelder 1989, section 6.2.2, have one for Poisson rates), and the trees learn
what tells the steps of a source apart. What a step of an unknown source starts at, and the
threshold, are fitted on scores from trees that have not seen its question.

Trees: Ke et al. 2017, LightGBM (NeurIPS), with cross-entropy, so that soft labels stay soft.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import DataError, TraceError, UsageError
from surefoot.models.features.scorer import Description, FeatureScorer, lightgbm
from surefoot.models.features.vector import FEATURES, Features, features_of
from surefoot.scores.discrimination import auroc, average_precision
from surefoot.scores.first_errors import tune_threshold
from surefoot.stats import FloatArray
from surefoot.traces.questions import question_key
from surefoot.traces.types import StepScores, Trace
from surefoot.training.targets import LabelRule, StepTarget, targets_of

if TYPE_CHECKING:
    from lightgbm import Booster

FIRST_ERRORS = LabelRule(after_error="masked")
"""The default rule: labels count up to the first error. What comes after one is seldom judged by
itself."""

_LEAST_SHARE = 0.02
"""A source starts at a share of wrong steps of at least this, and at most 1 minus this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trees:
    """How the trees are grown."""

    rounds: int = 300
    learning_rate: float = 0.04
    leaves: int = 15
    steps_per_leaf: int = 60
    """The fewest steps in a leaf, but no more than a tenth of all steps."""
    feature_share: float = 0.4
    """The share of features that a tree may use, drawn anew for each."""
    step_share: float = 0.8
    """The share of steps that a tree is grown on, drawn anew for each."""
    shrinkage: float = 5.0
    """L2 penalty on the values of leaves."""
    folds: int = 5
    """Parts of the questions for the out-of-fold scores."""

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("leaves", 2), ("steps_per_leaf", 1), ("folds", 2)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(f"trees.{name} is {value!r}; it must be {least} or more")
        for name in ("learning_rate", "feature_share", "step_share"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"trees.{name} is {getattr(self, name)}; it must lie in (0, 1]")
        if not 0 <= self.shrinkage < math.inf:
            raise UsageError(f"trees.shrinkage is {self.shrinkage}; it must be 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureReport:
    """What was learned from, and how the out-of-fold scores fare on it.

    `overlapping` counts traces left out for their question, `unlabelled` those without a target.
    A figure is None where the steps or traces are not of both kinds.
    """

    traces: int
    questions: int
    steps: int
    wrong_steps: int
    overlapping: int
    unlabelled: int
    sources: Mapping[str, int]
    """Labelled steps by the `source` of their trace."""
    auroc: float | None
    average_precision: float | None
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """Every figure and count."""
        return asdict(self)


def train_feature_scorer(
    traces: Iterable[Trace],
    out: str | Path | None = None,
    *,
    seed: int = 0,
    rule: LabelRule = FIRST_ERRORS,
    excluded: Collection[str] = (),
    trees: Trees | None = None,
    name: str | None = None,
) -> tuple[FeatureScorer, FeatureReport]:
    """Grow a `FeatureScorer` on labelled traces, and save it in a folder that `sf.load` reads.

    The same traces in the same order with the same seed give the same files.

    Args:
        traces: Read once; those without a target under the rule are counted and left out.
        out: The folder; without it nothing is written.
        seed: Of the draws of steps and features, and of the folds.
        rule: How labels become targets. A neutral class of its own counts as right.
        excluded: Questions, such as those of an evaluation set. Traces of the same question
            (`traces.questions.question_key`) are counted and left out.
        trees: How they are grown.
        name: What the scores are signed with; the name of the folder if None.

    Raises:
        DataError: no step has a target, all steps are right or all wrong, or there are fewer
            questions than folds.
        ModelError: LightGBM is not installed.
        StorageError: the folder cannot be written.
    """
    trees = trees or Trees()
    name = name or (Path(out).resolve().name if out is not None else "features")
    lightgbm()
    table = _gather(traces, rule, excluded, seed, trees.folds)
    outside = np.empty(len(table.wrong))
    for fold in range(trees.folds):
        aside = table.fold == fold
        if aside.any():
            grown = _grow(table, ~aside, trees, seed)
            outside[aside] = grown.predict(table.features[aside], raw_score=True, num_threads=1)
    intercept = _balance(outside, table.wrong, table.weight)
    threshold = _threshold(table, outside + intercept, name)
    flags = table.wrong > 0.5
    both = bool(flags.any()) and not bool(flags.all())
    report = FeatureReport(
        traces=len(table.lengths),
        questions=table.questions,
        steps=len(table.wrong),
        wrong_steps=int(flags.sum()),
        overlapping=table.overlapping,
        unlabelled=table.unlabelled,
        sources=dict(Counter(table.source)),
        auroc=auroc(flags, outside) if both else None,
        average_precision=average_precision(flags, outside) if both else None,
        threshold=threshold,
    )
    description = Description(
        name=name,
        intercept=intercept,
        threshold=threshold,
        training={
            "seed": seed,
            "trees": asdict(trees),
            "rule": asdict(rule),
            "excluded_questions": len({question_key(one) for one in excluded}),
            "out_of_fold": report.to_json(),
        },
    )
    everything = np.ones(len(table.wrong), dtype=np.bool_)
    scorer = FeatureScorer(_grow(table, everything, trees, seed), description)
    if out is not None:
        scorer.save(out)
    return scorer, report


@dataclass(frozen=True, slots=True)
class _Table:
    """The S steps that have a target, laid end to end, and the traces they are of."""

    features: Features
    wrong: FloatArray
    """The share of wrong in the target, (S,)."""
    weight: FloatArray
    source: list[str]
    """Whose, by step."""
    fold: NDArray[np.int64]
    position: NDArray[np.int64]
    owner: NDArray[np.int64]
    lengths: list[int]
    """Steps of each trace, with a target or without."""
    questions: int
    overlapping: int
    unlabelled: int


def _gather(
    traces: Iterable[Trace], rule: LabelRule, excluded: Collection[str], seed: int, folds: int
) -> _Table:
    blocked = {question_key(question) for question in excluded}
    rows: list[Features] = []
    cells: list[tuple[float, float, int, int, int]] = []
    source: list[str] = []
    lengths: list[int] = []
    folds_of: dict[str, int] = {}
    overlapping = unlabelled = 0
    for trace in traces:
        key = question_key(trace.problem)
        if key in blocked:
            overlapping += 1
            continue
        steps = _targets(trace, rule)
        known = [i for i, target in enumerate(steps) if target is not None]
        if not known:
            unlabelled += 1
            continue
        fold = folds_of.setdefault(key, _draw(key, seed, folds))
        rows.append(features_of(trace)[known])
        for i in known:
            target = steps[i]
            assert target is not None
            wrong = max(0.0, 1 - target.good - target.neutral)
            cells.append((wrong, target.weight, fold, i, len(lengths)))
        source += [trace.source or ""] * len(known)
        lengths.append(len(trace.steps))
    _refuse(cells, len(folds_of), folds, overlapping, unlabelled)
    wrong, weight, fold_column, position, owner = np.array(cells).T
    return _Table(
        features=np.concatenate(rows),
        wrong=wrong,
        weight=weight,
        source=source,
        fold=fold_column.astype(np.int64),
        position=position.astype(np.int64),
        owner=owner.astype(np.int64),
        lengths=lengths,
        questions=len(folds_of),
        overlapping=overlapping,
        unlabelled=unlabelled,
    )


def _targets(trace: Trace, rule: LabelRule) -> tuple[StepTarget | None, ...]:
    try:
        return targets_of(trace, rule).steps
    except TraceError:
        return ()


def _refuse(
    cells: list[tuple[float, float, int, int, int]],
    questions: int,
    folds: int,
    overlapping: int,
    unlabelled: int,
) -> None:
    if not cells:
        raise DataError(
            f"no step has a target: {unlabelled:,} traces have no label of the kind asked for, "
            f"{overlapping:,} have an excluded question; give labelled traces, or another rule"
        )
    shares = {cell[0] for cell in cells}
    if shares == {0.0} or shares == {1.0}:
        kind = "right" if shares == {0.0} else "wrong"
        raise DataError(f"all {len(cells):,} labelled steps are {kind}; give steps of both kinds")
    if questions < folds:
        raise DataError(
            f"{questions} questions cannot be parted into {folds} folds; give more, or fewer folds"
        )


def _grow(table: _Table, among: NDArray[np.bool_], trees: Trees, seed: int) -> Booster:
    """Trees on some steps; a step starts at the log-odds of its source."""
    library = lightgbm()
    chosen = np.flatnonzero(among)
    source = [table.source[i] for i in chosen]
    wrong, weight = table.wrong[chosen], table.weight[chosen]
    data = library.Dataset(
        table.features[chosen],
        wrong,
        weight=weight / weight.mean(),
        init_score=_starts(source, wrong, weight),
        feature_name=list(FEATURES),
        free_raw_data=True,
    )
    settings = {
        "objective": "cross_entropy",
        "learning_rate": trees.learning_rate,
        "num_leaves": trees.leaves,
        "min_data_in_leaf": min(trees.steps_per_leaf, max(1, len(chosen) // 10)),
        "feature_fraction": trees.feature_share,
        "bagging_fraction": trees.step_share,
        "bagging_freq": 1,
        "lambda_l2": trees.shrinkage,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    grown: Booster = library.train(settings, data, trees.rounds)
    return grown


def _starts(source: list[str], wrong: FloatArray, weight: FloatArray) -> FloatArray:
    """The log-odds of wrong of each step's source, (S,)."""
    names, which = np.unique(np.array(source), return_inverse=True)
    total = np.bincount(which, weight, len(names))
    share = np.bincount(which, weight * wrong, len(names)) / total
    bounded = np.clip(share, _LEAST_SHARE, 1 - _LEAST_SHARE)
    starts: FloatArray = np.log(bounded / (1 - bounded))[which]
    return starts


def _balance(raw: FloatArray, wrong: FloatArray, weight: FloatArray) -> float:
    """The b with sum w sigmoid(raw + b) = sum w wrong, by bisection."""
    low, high = -40.0 - float(raw.max()), 40.0 - float(raw.min())
    for _ in range(80):
        middle = (low + high) / 2
        expected = np.sum(weight / (1 + np.exp(-np.clip(raw + middle, -60, 60))))
        low, high = (middle, high) if expected < np.sum(weight * wrong) else (low, middle)
    return (low + high) / 2


def _threshold(table: _Table, suspicion: FloatArray, name: str) -> float:
    """The threshold of best first-error F1 out of fold; one half where it cannot be told."""
    scores: list[StepScores] = []
    labels: list[int | None] = []
    ends = np.flatnonzero(np.diff(table.owner)) + 1
    for steps in np.split(np.arange(len(table.owner)), ends):
        positions, wrong = table.position[steps], table.wrong[steps] > 0.5
        first = int(positions[wrong][0]) if wrong.any() else None
        length = table.lengths[int(table.owner[steps[0]])]
        needed = length if first is None else first + 1
        if not np.array_equal(positions[:needed], np.arange(needed)):
            continue
        values: list[float | None] = [None] * length
        for step, i in zip(steps, positions, strict=True):
            values[i] = 1 / (1 + math.exp(min(700.0, float(suspicion[step]))))
        scores.append(StepScores(tuple(values), name))
        labels.append(first)
    if len({label is None for label in labels}) < 2:
        return 0.5
    return min(1.0, max(0.0, tune_threshold(scores, labels).value))


def _draw(key: str, seed: int, folds: int) -> int:
    """The fold of a question, by its words and the seed alone."""
    salt = (seed % 2**63).to_bytes(16, "big")
    return int.from_bytes(blake2b(key.encode(), digest_size=8, salt=salt).digest()) % folds

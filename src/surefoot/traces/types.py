"""The nouns everything else speaks: `Step`, `Trace`, `StepLabels`, `StepScores`.

All are frozen, compare by value and survive JSON exactly. A trace gathers the labels and the
scores of any number of sources; each keeps where it came from. Positions are 0-based everywhere;
"no error" and "not known" are `None`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from surefoot import aggregate
from surefoot.errors import AbstainedError, TraceError
from surefoot.traces.checks import check_choice, check_text, count, json_copy, number

if TYPE_CHECKING:
    from surefoot.traces.split import SplitStrategy

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

LabelScale = Literal["rating", "value"]
"""`rating`: 1 right, 0 neutral, -1 wrong. `value`: a number in [0, 1], such as the share of
rollouts that succeed."""

LabelSource = Literal["human", "rollout", "judge", "checker", "other"]

ScoreKind = Literal["probability", "value", "progress", "log-ratio", "reward"]
"""What a score is: the probability that the step (or the prefix up to it) is right; the probability
that the trace will end well; a change of that value; an unbounded log-ratio; or some other number
of which only the order counts, higher for better."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thought or action.

    `observation` is what the world answered: any JSON value (text, structured data, references to
    images), or None. It is copied, so that the step stays what it was; tuples become lists.
    """

    text: str
    observation: Any = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_text(self.text, "step text")
        if self.observation is not None:
            object.__setattr__(self, "observation", json_copy(self.observation, "observation"))
        elif not self.text or self.text.isspace():
            raise TraceError("a step is empty: give it text or an observation")


@dataclass(frozen=True, slots=True)
class StepLabels:
    """What one source says about each step: a number, or None where it says nothing.

    `counts` keeps (k, n) where the value is k successes of n rollouts or votes. A missing label is
    None; it is never NaN and never "wrong". Ratings are kept as ints, values as floats.
    """

    values: tuple[float | None, ...]
    source: LabelSource = "human"
    scale: LabelScale = "rating"
    annotator: str | None = None
    counts: tuple[tuple[int, int] | None, ...] | None = None

    def __post_init__(self) -> None:
        check_choice("label source", self.source, get_args(LabelSource))
        check_choice("label scale", self.scale, get_args(LabelScale))
        if self.annotator is not None:
            check_text(self.annotator, "annotator")
        values = tuple(self._label(i, value) for i, value in enumerate(self.values))
        object.__setattr__(self, "values", values)
        if self.counts is not None:
            counts = tuple(count(pair, f"count {i}") for i, pair in enumerate(self.counts))
            object.__setattr__(self, "counts", counts)
            if len(counts) != len(values):
                raise TraceError(
                    f"{len(counts)} counts for {len(values)} labels; give one per step"
                )

    def _label(self, i: int, value: float | None) -> float | None:
        if value is None:
            return None
        label = number(value, f"label {i}")
        if self.scale == "rating" and label in (-1, 0, 1):
            return int(label)
        if self.scale == "value" and 0 <= label <= 1:
            return label
        allowed = "-1, 0 or 1" if self.scale == "rating" else "a number in [0, 1]"
        raise TraceError(f"label {i} is {value!r}; on the {self.scale} scale it must be {allowed}")

    def is_right(self, i: int, *, neutral: bool = True, threshold: float = 0.5) -> bool | None:
        """Whether step `i` counts as right: None where unlabelled.

        `neutral` says how a rating of 0 counts; `threshold` is the least value that counts as
        right.
        """
        value = self.values[i]
        if value is None:
            return None
        if self.scale == "rating":
            return neutral if value == 0 else value > 0
        return value >= threshold

    def knows_first_error(self, *, neutral: bool = True, threshold: float = 0.5) -> bool:
        """Whether the labels settle where the first error is, or that there is none."""
        for i in range(len(self.values)):
            right = self.is_right(i, neutral=neutral, threshold=threshold)
            if right is None:
                return False
            if not right:
                return True
        return True

    def first_error(self, *, neutral: bool = True, threshold: float = 0.5) -> int | None:
        """Position of the first wrong step, or None if every step is right.

        Raises:
            TraceError: a step before any wrong one is unlabelled; ask `knows_first_error` first.
        """
        for i in range(len(self.values)):
            right = self.is_right(i, neutral=neutral, threshold=threshold)
            if right is None:
                raise TraceError(f"step {i} is unlabelled, so the first error is not known")
            if not right:
                return i
        return None


@dataclass(frozen=True, slots=True)
class StepScores:
    """What a model gives each step: one number per step, or None where the model abstains.

    `default_aggregate` and `threshold` come from the model's contract and are what `aggregate` and
    `first_error` use when nothing else is asked for. `log_odds`, where the model has them, are
    log(p / (1 - p)) of the same steps, which still tell apart probabilities that round to 0 or 1.
    """

    values: tuple[float | None, ...]
    model: str
    kind: ScoreKind = "probability"
    default_aggregate: str = "min"
    threshold: float = 0.5
    log_odds: tuple[float | None, ...] | None = None

    def __post_init__(self) -> None:
        check_text(self.model, "model")
        check_choice("score kind", self.kind, get_args(ScoreKind))
        check_choice("aggregate", self.default_aggregate, aggregate.RULES)
        object.__setattr__(self, "threshold", number(self.threshold, "threshold"))
        values = _numbers(self.values, "score")
        object.__setattr__(self, "values", values)
        if self.log_odds is not None:
            object.__setattr__(self, "log_odds", _numbers(self.log_odds, "log-odds"))
            if [one is None for one in self.log_odds] != [value is None for value in values]:
                raise TraceError("log_odds and values are not of the same steps; give both or none")
        if self.kind == "probability":
            for i, value in enumerate(values):
                if value is not None and not 0 <= value <= 1:
                    raise TraceError(f"score {i} is {value!r}; a probability must lie in [0, 1]")

    @property
    def scored(self) -> tuple[float, ...]:
        """The scores of the steps on which the model did not abstain, in order."""
        return tuple(value for value in self.values if value is not None)

    def aggregate(self, rule: str | None = None) -> float:
        """One number for the trace by a rule of `surefoot.aggregate`; abstained steps are left out.

        Raises:
            AbstainedError: the model abstained on every step.
        """
        return aggregate.rule(rule or self.default_aggregate)(self._some_scores())

    def loss(self) -> float:
        """Mean negative log of the step probabilities: 0 when every step is certain to be right.

        Raises:
            TraceError: the scores are not probabilities.
            AbstainedError: the model abstained on every step.
        """
        if self.kind not in ("probability", "value"):
            raise TraceError(f"loss needs probabilities; {self.model} gives {self.kind} scores")
        return aggregate.nll(self._some_scores())

    def first_error(self, threshold: float | None = None) -> int | None:
        """Position of the first step that scores below the threshold, or None.

        Steps on which the model abstained never count.
        """
        limit = self.threshold if threshold is None else threshold
        for i, value in enumerate(self.values):
            if value is not None and value < limit:
                return i
        return None

    def _repr_html_(self) -> str:
        """For notebooks."""
        from surefoot.traces.display.html import notebook, scores_html

        return notebook(scores_html(self))

    def _some_scores(self) -> list[float]:
        if not self.scored:
            raise AbstainedError(
                f"{self.model} abstained on all {len(self.values)} steps; check `scored` before "
                "aggregating"
            )
        return list(self.scored)


@dataclass(frozen=True, slots=True)
class Trace:
    """A problem and the steps taken on it, with everything that is known of them.

    `steps` may be given as strings. `answer` is what the trace arrived at, `reference` the right
    answer, `outcome` whether the one equals the other. `source` names the data set or policy it
    came from; `meta` holds any further JSON and is copied, so that the trace stays what it was.
    """

    problem: str
    steps: tuple[Step, ...]
    answer: str | None = None
    reference: str | None = None
    outcome: bool | None = None
    source: str | None = None
    labels: tuple[StepLabels, ...] = ()
    scores: tuple[StepScores, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        problem: str,
        steps: Sequence[str | Step],
        answer: str | None = None,
        reference: str | None = None,
        outcome: bool | None = None,
        source: str | None = None,
        labels: Sequence[StepLabels] = (),
        scores: Sequence[StepScores] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(steps, str):
            raise TraceError(
                "steps is one string; give a list of steps, or use Trace.parse to split text"
            )
        put = object.__setattr__
        put(self, "problem", problem)
        put(self, "steps", tuple(_step(i, step) for i, step in enumerate(steps)))
        put(self, "answer", answer)
        put(self, "reference", reference)
        put(self, "outcome", outcome)
        put(self, "source", source)
        put(self, "labels", tuple(labels))
        put(self, "scores", tuple(scores))
        put(self, "meta", json_copy({} if meta is None else meta, "meta"))
        self._check()

    def _check(self) -> None:
        check_text(self.problem, "problem")
        if not self.problem.strip():
            raise TraceError("the problem is empty")
        if not self.steps:
            raise TraceError("a trace needs at least one step")
        for name in ("answer", "reference", "source"):
            value = getattr(self, name)
            if value is not None:
                check_text(value, name)
        if self.outcome is not None and not isinstance(self.outcome, bool):
            raise TraceError(f"outcome is {self.outcome!r}; it must be true, false or null")
        for i, labels in enumerate(self.labels):
            self._check_length(f"labels {i}", labels, StepLabels)
        for i, scores in enumerate(self.scores):
            self._check_length(f"scores {i}", scores, StepScores)
        if not isinstance(self.meta, dict):
            raise TraceError(f"meta is {type(self.meta).__name__}; it must be a mapping")

    def _check_length(self, what: str, given: StepLabels | StepScores, kind: type) -> None:
        if not isinstance(given, kind):
            raise TraceError(f"{what} is {type(given).__name__}; it must be {kind.__name__}")
        if len(given.values) != len(self.steps):
            raise TraceError(
                f"{what} has {len(given.values)} values for {len(self.steps)} steps; "
                "give one per step"
            )

    def __hash__(self) -> int:
        return hash((self.problem, self.steps))

    @property
    def id(self) -> str:
        """Content hash of problem and steps: 20 hexadecimal digits, the same on every machine."""
        content = [self.problem, [[s.text, s.observation] for s in self.steps]]
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:20]

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each step."""
        return tuple(step.text for step in self.steps)

    def _repr_html_(self) -> str:
        """For notebooks."""
        from surefoot.traces.display.html import notebook, trace_html

        return notebook(trace_html(self))

    @classmethod
    def parse(
        cls,
        problem: str,
        text: str,
        *,
        split: SplitStrategy = "auto",
        separator: str | None = None,
        **fields: Any,
    ) -> Trace:
        """A trace from running text, cut into steps by `surefoot.traces.split.split_steps`."""
        from surefoot.traces.split import split_steps

        return cls(problem, split_steps(text, split, separator=separator), **fields)

    def with_labels(self, *labels: StepLabels) -> Trace:
        """A copy with more labels."""
        return replace(self, labels=self.labels + labels)

    def with_scores(self, *scores: StepScores) -> Trace:
        """A copy with more scores."""
        return replace(self, scores=self.scores + scores)

    def labels_from(self, source: str | None = None) -> StepLabels | None:
        """The first labels of a source (of any source if None), or None if there are none."""
        return next((one for one in self.labels if source in (None, one.source)), None)


def canonical_json(value: object) -> str:
    """JSON text with sorted keys and no spaces, equal for equal values."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _numbers(values: Sequence[float | None], what: str) -> tuple[float | None, ...]:
    return tuple(
        None if value is None else number(value, f"{what} {i}") for i, value in enumerate(values)
    )


def _step(i: int, step: str | Step) -> Step:
    if isinstance(step, Step):
        return step
    try:
        return Step(step)
    except TraceError as error:
        raise TraceError(f"step {i}: {error}") from None

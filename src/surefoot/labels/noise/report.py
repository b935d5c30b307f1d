"""The noise report: every source of labels held against one that is taken for the truth.

Steps behind the reference's first wrong one are not compared, as few references judge them. All
intervals draw traces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from surefoot.errors import DataError
from surefoot.labels.agreement.report import AgreementReport, Ratings, agreement_of
from surefoot.labels.noise.rates import (
    FirstErrors,
    Rates,
    Verdicts,
    first_error_rates,
    step_rates,
)
from surefoot.labels.votes import (
    VoteRule,
    first_wrong,
    is_merged,
    is_named,
    is_right,
    labels_by_source,
    ratings,
    settles,
)
from surefoot.traces.types import StepLabels, Trace


@dataclass(frozen=True)
class Cost:
    """What the labels of a source took, over all traces that say so in their meta.

    `num_traces` and `num_labels` are those of the traces whose tokens are known.
    """

    tokens: int
    num_traces: int
    num_labels: int

    @property
    def tokens_per_label(self) -> float | None:
        """Tokens for each step that has a label; None without one."""
        return self.tokens / self.num_labels if self.num_labels else None

    def to_json(self) -> dict[str, object]:
        """Every count."""
        return {
            "tokens": self.tokens,
            "num_traces": self.num_traces,
            "num_labels": self.num_labels,
            "tokens_per_label": self.tokens_per_label,
        }


@dataclass(frozen=True)
class SourceNoise:
    """One source against the reference, on `num_traces` that hold labels of both.

    `cost` is None where no trace says what they took, or where several sources of one kind share
    what is said.
    """

    name: str
    num_traces: int
    steps: Rates
    by_position: Mapping[str, Rates]
    first_errors: FirstErrors
    cost: Cost | None

    def to_json(self) -> dict[str, object]:
        """Every figure."""
        return {
            "name": self.name,
            "num_traces": self.num_traces,
            "steps": self.steps.to_json(),
            "by_position": {name: one.to_json() for name, one in self.by_position.items()},
            "first_errors": self.first_errors.to_json(),
            "cost": self.cost and self.cost.to_json(),
        }


@dataclass(frozen=True)
class NoiseReport:
    """Sources against a reference, and how far all of them agree.

    `left_out` counts by cause the traces that are not compared.
    """

    against: tuple[str, ...]
    num_traces: int
    left_out: Mapping[str, int]
    sources: tuple[SourceNoise, ...]
    agreement: AgreementReport

    def to_json(self) -> dict[str, object]:
        """Every figure."""
        return {
            "against": list(self.against),
            "num_traces": self.num_traces,
            "left_out": dict(self.left_out),
            "sources": [one.to_json() for one in self.sources],
            "agreement": self.agreement.to_json(),
        }


def noise_report(
    traces: Iterable[Trace],
    *,
    against: Sequence[str] = ("human",),
    sources: Sequence[str] | None = None,
    rule: VoteRule | None = None,
    seed: int = 0,
    num_resamples: int = 1000,
) -> NoiseReport:
    """Hold sources against the reference; the traces are read once.

    Args:
        traces: Those without labels of the reference and of another source are counted.
        against: Patterns of the reference; of a trace, the first label set that one of them names.
        sources: Patterns of those that are compared; without them all others, merged ones too.
        rule: How labels become verdicts. `after_error` is about the reference alone: a source is
            taken at its word on every step that is compared.
        seed: Of the resamples.
        num_resamples: How many there are.

    Raises:
        DataError: no trace has labels of both.
    """
    gathered = _Gathered(tuple(against), sources, rule or VoteRule())
    for trace in traces:
        gathered.add(trace)
    if not gathered.compared:
        told = ", ".join(f"{count:,} {why}" for why, count in gathered.left_out.items())
        held = ", ".join(sorted(gathered.names)) or "nobody"
        raise DataError(
            f"no trace has labels of {' or '.join(against)} and of another source ({told}); there "
            f"are labels of {held}: name another reference, or label the same traces"
        )
    shown = {"seed": seed, "num_resamples": num_resamples}
    return NoiseReport(
        against=tuple(against),
        num_traces=gathered.num_traces,
        left_out=dict(gathered.left_out),
        sources=tuple(
            _source(name, one, gathered.costs.get(name), **shown)
            for name, one in sorted(gathered.compared.items())
        ),
        agreement=agreement_of(gathered.said, rule=gathered.rule, **shown),
    )


@dataclass
class _Compared:
    """What one source says beside the reference, trace by trace."""

    steps: list[tuple[Verdicts, Verdicts]] = field(default_factory=list)
    first_errors: list[tuple[int | None, int | None, bool]] = field(default_factory=list)


@dataclass
class _Spent:
    """Tokens of a source; `shared` where they are also those of another."""

    tokens: int = 0
    num_traces: int = 0
    num_labels: int = 0
    shared: bool = False


@dataclass
class _Gathered:
    """What is kept of the traces: verdicts, and no text."""

    against: tuple[str, ...]
    sources: Sequence[str] | None
    rule: VoteRule
    num_traces: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    compared: dict[str, _Compared] = field(default_factory=dict)
    costs: dict[str, _Spent] = field(default_factory=dict)
    said: list[Mapping[str, Ratings]] = field(default_factory=list)

    def add(self, trace: Trace) -> None:
        every = [labels.source for labels in trace.labels]
        sets = labels_by_source(trace, every)
        self.names.update(sets)
        truth = next((name for name in sets if is_named(name, self.against)), None)
        others = {
            name: labels
            for name, labels in sets.items()
            if not is_named(name, self.against)
            and (self.sources is None or is_named(name, self.sources))
        }
        self._add_costs(trace, others)
        if truth is None or not others:
            why = "without labels of the reference" if truth is None else "with the reference alone"
            self.left_out[why] += 1
            return
        self.num_traces += 1
        self.said.append(
            {
                name: ratings(labels, self.rule)
                for name, labels in {truth: sets[truth], **others}.items()
                if not is_merged(labels)
            }
        )
        reference = ratings(sets[truth], self.rule)
        at_its_word = replace(self.rule, after_error="as-labelled")
        for name, labels in others.items():
            said = ratings(labels, at_its_word)
            one = self.compared.setdefault(name, _Compared())
            one.steps.append((self._verdicts(reference), self._verdicts(said)))
            if settles(reference, self.rule):
                found = first_wrong(said, self.rule)
                one.first_errors.append(
                    (first_wrong(reference, self.rule), found, settles(said, self.rule))
                )

    def _verdicts(self, rated: Ratings) -> Verdicts:
        return [is_right(rating, self.rule) for rating in rated]

    def _add_costs(self, trace: Trace, sets: Mapping[str, StepLabels]) -> None:
        kinds = Counter(labels.source for labels in sets.values())
        for name, labels in sets.items():
            tokens, shared = _tokens(trace, labels, kinds[labels.source])
            if tokens is None:
                continue
            spent = self.costs.setdefault(name, _Spent())
            spent.tokens += tokens
            spent.num_traces += 1
            spent.num_labels += sum(value is not None for value in labels.values)
            spent.shared |= shared


def _tokens(trace: Trace, labels: StepLabels, num_sets: int) -> tuple[int | None, bool]:
    """The tokens that labels took, None where the trace does not say, and whether other sets of the
    same kind share them: accounts of an annotator are its own."""
    last = trace.meta.get(labels.source)
    if not isinstance(last, dict):
        return None, False
    earlier = last.get("earlier")
    accounts = [*(earlier if isinstance(earlier, list) else ()), last]
    named = [one for one in accounts if isinstance(one, dict) and "annotator" in one]
    own = [one for one in named if one["annotator"] == labels.annotator] if named else [last]
    counts = [
        tokens
        for one in own
        if isinstance(tokens := one.get("tokens"), int) and not isinstance(tokens, bool)
    ]
    return (sum(counts) if counts else None), not named and num_sets > 1


def _source(
    name: str, compared: _Compared, spent: _Spent | None, *, seed: int, num_resamples: int
) -> SourceNoise:
    steps, by_position = step_rates(compared.steps, seed=seed, num_resamples=num_resamples)
    cost = None
    if spent is not None and not spent.shared:
        cost = Cost(spent.tokens, spent.num_traces, spent.num_labels)
    return SourceNoise(
        name=name,
        num_traces=len(compared.steps),
        steps=steps,
        by_position=by_position,
        first_errors=first_error_rates(
            compared.first_errors, seed=seed, num_resamples=num_resamples
        ),
        cost=cost,
    )

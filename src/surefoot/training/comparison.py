"""A trained scorer beside scorers that know nothing, on the same development traces.

A step-by-step scorer that does not beat the length of a step has learned little, whatever its
figures look like by themselves; so it is said wherever the figures are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.development import Development, compare, measure
from surefoot.stats import Difference
from surefoot.traces.types import StepScores, Trace

RESAMPLES = 1000

HEADLINES: Mapping[str, str] = {
    "f1_heldout": "F1 of first errors",
    "step_auroc": "AUROC of wrong steps",
    "step_average_precision": "average precision of wrong steps",
    "outcome_auroc": "AUROC of right answers",
    "outcome_auroc_within": "AUROC of right answers within a question",
}
"""The figures in which a scorer is held against others, in words."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of the baselines by name, and of the scorer less step length."""

    baselines: Mapping[str, Development]
    over_length: Mapping[str, Difference]

    @property
    def warnings(self) -> tuple[str, ...]:
        """In which figures the scorer does not beat step length, or is not shown to."""
        found = []
        for name, words in HEADLINES.items():
            gap = self.over_length.get(name)
            if gap is not None and gap.low <= 0:
                verdict = "does not beat" if gap.mean <= 0 else "is not shown to beat"
                found.append(
                    f"it {verdict} the length of a step in {words}: the difference is "
                    f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
                )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Overall figures, intervals and warnings."""
        return {
            "baselines": {
                name: {
                    **asdict(one.overall),
                    "intervals": {k: v.to_json() for k, v in one.intervals.items()},
                }
                for name, one in self.baselines.items()
            },
            "over_length": {name: one.to_json() for name, one in self.over_length.items()},
            "warnings": list(self.warnings),
        }


def comparison(
    traces: Sequence[Trace],
    scores: Sequence[StepScores | None],
    *,
    label_source: str | None = None,
    neutral: bool = True,
) -> Comparison:
    """What the baselines reach on traces, and how the scores of them differ from step length; the
    last two arguments are those of `measure`."""
    length = StepLength().score(traces)
    baselines = {
        "step length": length,
        "random": RandomScores(seed=0).score(traces),
        "no error": [_no_error(trace) for trace in traces],
    }
    return Comparison(
        {
            name: measure(
                traces,
                own,
                label_source=label_source,
                neutral=neutral,
                num_resamples=RESAMPLES,
            )
            for name, own in baselines.items()
        },
        compare(
            traces,
            scores,
            length,
            label_source=label_source,
            neutral=neutral,
            num_resamples=RESAMPLES,
        ),
    )


def _no_error(trace: Trace) -> StepScores:
    return StepScores((1.0,) * len(trace.steps), "no error")

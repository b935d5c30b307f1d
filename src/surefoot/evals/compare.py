"""Runs of one benchmark on the same traces, side by side and in pairs.

The figures are measured again from the scores in the folders, so that every resample is drawn for
all runs at once; only then is a difference of two scorers sharper than their two intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surefoot.errors import UsageError
from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.evals.bon import remeasuring as pools
from surefoot.evals.figures import Figures, differences
from surefoot.evals.probes import remeasuring as probes
from surefoot.evals.run import Run, data_hash
from surefoot.evals.trust import TRUST
from surefoot.stats import Difference
from surefoot.traces.types import Trace

MEASURED = {**BENCHMARKS, "trust": TRUST}
"""What is measured from the traces with their scores alone, by the kind of the run."""

SETTINGS = ("seed", "development", "label_source")
"""Options that have to be the same: they say which traces and labels a figure is over."""


@dataclass(frozen=True)
class Comparison:
    """What each run reaches, and by how much each later one beats the first, by the figures that
    both have."""

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    gaps: tuple[Mapping[str, Difference], ...]

    def to_json(self) -> dict[str, Any]:
        """Every figure of the scorers, and the differences."""
        return {
            "kind": self.runs[0].config.kind,
            "runs": [
                {
                    "name": name,
                    "folder": str(run.folder),
                    "scorer": run.config.scorer,
                    "figures": run.metrics["rows"][0]["figures"],
                    "thresholds": run.metrics["rows"][0].get("thresholds"),
                }
                for name, run in zip(self.names, self.runs, strict=True)
            ],
            "differences": {
                name: {figure: one.to_json() for figure, one in gaps.items()}
                for name, gaps in zip(self.names[1:], self.gaps, strict=True)
            },
        }


def compare(runs: Sequence[Run]) -> Comparison:
    """Hold every run against the first.

    Raises:
        UsageError: fewer than two, or they are of several kinds, over other traces or with other
            settings, or of a kind whose figures cannot be measured again.
        StorageError: a folder cannot be read.
    """
    if len(runs) < 2:
        raise UsageError("a comparison needs two runs at least")
    first, *others = runs
    for run in others:
        _check_settings(first, run)
    traces = first.traces()
    own = figures_of(first, traces)
    gaps = []
    for run in others:
        theirs = run.traces()
        _check_traces(first, traces, run, theirs)
        if first.config.kind == "probes":
            probes.check_same_probes(first, run)
        options = first.config.options
        gaps.append(
            differences(
                figures_of(run, theirs),
                own,
                seed=options.seed,
                num_resamples=options.num_resamples,
            )
        )
    return Comparison(tuple(runs), names_of(runs), tuple(gaps))


def figures_of(run: Run, traces: Sequence[Trace]) -> Figures:
    """The figures of a run's scorer, from its traces with their scores.

    Raises:
        UsageError: the run is of a kind whose figures cannot be measured again.
    """
    kind, options = run.config.kind, run.config.options
    if kind == "bon":
        return pools.figures_of_run(run, traces)
    if kind == "probes":
        return probes.figures_of_run(run, traces)
    if kind not in MEASURED:
        raise UsageError(
            f"{run.folder} is a run of {kind}, and only runs of {', '.join(MEASURED)}, bon and "
            "probes can be compared"
        )
    benchmark = MEASURED[kind]
    kept = [trace for trace in traces if benchmark.left_out(trace, options) is None]
    return benchmark.measure(kept, run.scores(kept), options).figures


def names_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """What to call each run: by its scorer if all are of different ones, else by its folder, and by
    the whole path of that where two folders are called alike."""
    for names in (
        [run.config.scorer for run in runs],
        [run.name for run in runs],
        [str(run.folder) for run in runs],
    ):
        if len(set(names)) == len(runs):
            return tuple(names)
    raise UsageError("the same run is named twice; name each once")


def _check_settings(first: Run, run: Run) -> None:
    if run.config.kind != first.config.kind:
        raise UsageError(
            f"{first.folder} is a run of {first.config.kind} and {run.folder} one of "
            f"{run.config.kind}; only runs of one benchmark can be compared"
        )
    for name in SETTINGS:
        ours, theirs = (getattr(one.config.options, name) for one in (first, run))
        if ours != theirs:
            raise UsageError(
                f"{first.folder} has {name} {ours} and {run.folder} {theirs}, so their figures are "
                "over other traces; measure one again with the setting of the other"
            )


def _check_traces(first: Run, ours: Sequence[Trace], run: Run, theirs: Sequence[Trace]) -> None:
    if data_hash(ours) == data_hash(theirs):
        return
    ids = {trace.id for trace in ours}
    shared = sum(trace.id in ids for trace in theirs)
    raise UsageError(
        f"{first.folder} is over {len(ours)} traces and {run.folder} over {len(theirs)}, of which "
        f"{shared} are the same"
        + (
            " but in another order or with other labels"
            if shared == len(ours) == len(theirs)
            else ""
        )
        + "; runs are compared on the same traces, so measure both on the same files"
    )

"""The figures of a run of best-of-N, measured again from its folder, to compare it with others."""

from __future__ import annotations

from collections.abc import Sequence

from surefoot.errors import UsageError
from surefoot.evals.bon.diagnostics import within_problems
from surefoot.evals.bon.measuring import BonOptions, PoolResult, measure
from surefoot.evals.bon.verdicts import chief_methods
from surefoot.evals.figures import Figures
from surefoot.evals.run import Run
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace

FIGURES = ("accuracy", "sound", "flawed_share")


def figures_of_run(run: Run, traces: Sequence[Trace]) -> Figures:
    """What the first scorer of a run reaches at the largest N, by the rule that it is judged by;
    with several pools each figure of each, as `figure/pool`.

    Raises:
        UsageError: no scorer was measured.
    """
    more = run.config.more
    options = BonOptions(
        options=run.config.options,
        num=more["num"],
        num_subsets=more["num_subsets"],
        aggregate=more["aggregate"],
        columns=tuple(more["columns"]),
    )
    results = measure(traces, [run.config.scorer], options)
    units: list[str] = []
    statistics: dict[str, Statistic] = {}
    for result in results:
        own = slice(len(units), len(units) + result.num_problems)
        choice = f"best of {result.num}" + (f" on {result.name}" if len(results) > 1 else "")
        units += [f"{choice}: {problem}" for problem in result.figures.units]
        for name, statistic in _of_pool(run, result).items():
            named = name if len(results) == 1 else f"{name}/{result.name}"
            statistics[named] = _on(statistic, own)
    return Figures(tuple(units), statistics)


def _of_pool(run: Run, result: PoolResult) -> dict[str, Statistic]:
    """The figures of `rows` in the metrics of a run."""
    chief = next((one for one in chief_methods(result) if one.scorer == run.config.scorer), None)
    if chief is None or chief.reward is None:
        raise UsageError(f"{run.folder} has no scorer on {result.name}, so it cannot be compared")
    found = {
        figure: result.figures.statistics[name]
        for figure in FIGURES
        if (name := f"{figure}/{chief.name}/{result.num}") in result.figures.statistics
    }
    return {**found, "within": within_problems(chief.reward, result)}


def _on(statistic: Statistic, own: slice) -> Statistic:
    """A statistic of some of the units."""

    def of_some(counts: FloatArray) -> FloatArray:
        return statistic(counts[:, own])

    return of_some

"""Traces and scores by hand, and one figure of a benchmark on them."""

from surefoot.evals.benchmark import Options
from surefoot.traces.types import StepLabels, StepScores, Trace


def trace(labels, *, problem="p", text="step", **fields):
    """A trace with one rating per step."""
    steps = [f"{text} {i}" for i in range(len(labels))]
    given = [StepLabels(tuple(labels))] if any(one is not None for one in labels) else []
    return Trace(problem, steps, labels=given, **fields)


def scores(*values, threshold=0.5, **fields):
    """Scores of one trace."""
    return StepScores(tuple(values), model="m", threshold=threshold, **fields)


def figures(benchmark, traces, given, **options):
    """All figures on the data as they are, without intervals; None where not defined."""
    options = Options(**options)
    assert [benchmark.left_out(one, options) for one in traces] == [None] * len(traces)
    found = benchmark.measure(traces, given, options).figures
    return {name: found.value(name) if found.exists(name) else None for name in found.statistics}

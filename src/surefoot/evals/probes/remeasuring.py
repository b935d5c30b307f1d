"""The figures of a run of probes, measured again from its folder, to compare it with others."""

from __future__ import annotations

from collections.abc import Sequence

from surefoot.errors import UsageError
from surefoot.evals.figures import Figures
from surefoot.evals.probes import PROBES
from surefoot.evals.probes.measuring import Attempt, measure
from surefoot.evals.run import PROBES_FILE, Run, data_hash
from surefoot.traces.store import read_traces
from surefoot.traces.types import Trace


def figures_of_run(run: Run, traces: Sequence[Trace]) -> Figures:
    """What each probe does to the scorer of a run, as `figure/probe`, over questions.

    Raises:
        UsageError: the altered traces of the run are not those of its config.
        StorageError: they cannot be read.
    """
    place = run.folder / PROBES_FILE
    names = _probes(run)
    found: dict[str, list[Attempt | None]] = {name: [None] * len(traces) for name in names}
    for altered in _altered(run):
        about = altered.meta.get("probe")
        if (
            not isinstance(about, dict)
            or about.get("name") not in found
            or not 0 <= int(about.get("trace", -1)) < len(traces)
        ):
            raise UsageError(
                f"{place} holds a trace of no probe of this run ({altered.id}); the command that "
                "made the run makes it anew with --no-resume"
            )
        places = tuple(tuple(one) for one in about["places"])
        scores = next((one for one in altered.scores if one.model == run.config.scorer), None)
        found[about["name"]][about["trace"]] = Attempt(places, scores)
    wanted = [PROBES[name] for name in names]
    return measure(traces, run.scores(traces), found, wanted, run.config.options).figures


def check_same_probes(first: Run, run: Run) -> None:
    """Make sure that two runs over the same traces tried the same probes and drew the same.

    Raises:
        UsageError: they did not.
    """
    ours, theirs = _probes(first), _probes(run)
    if ours != theirs:
        lacking = [
            f"{folder} lacks {', '.join(one for one in more if one not in few)}"
            for folder, few, more in (
                (first.folder, ours, theirs),
                (run.folder, theirs, ours),
            )
            if set(more) - set(few)
        ]
        raise UsageError(
            f"the runs tried other probes ({'; '.join(lacking)}); give both the same --attacks"
        )
    if data_hash(_altered(first)) != data_hash(_altered(run)):
        raise UsageError(
            f"{first.folder} and {run.folder} altered the same traces in other ways (made by "
            f"versions {first.config.version} and {run.config.version}); measure both with one "
            "version"
        )


def _probes(run: Run) -> list[str]:
    names: list[str] = list(run.config.more.get("probes", ()))
    unknown = [name for name in names if name not in PROBES]
    if unknown or not names:
        raise UsageError(
            f"{run.folder} was made by another version: it names "
            f"{', '.join(unknown) or 'no probe'} among its probes"
        )
    return names


def _altered(run: Run) -> list[Trace]:
    return list(read_traces(run.folder / PROBES_FILE, strict=True))

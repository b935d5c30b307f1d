"""`surefoot eval probes`: attacks on a model, and changes that should not matter to it.

The traces are scored as they are, then altered by each probe. Both are written row by row, so a
killed run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.evaluating import Inputs, given_options
from surefoot.cli.loading import Loading, load_model, num_windowed
from surefoot.cli.reading import Unscored, chunks, score_all
from surefoot.cli.resuming import open_rows, unfinished
from surefoot.cli.say import Common, count, note, print_json, track
from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from surefoot.evals.benchmark import Options
    from surefoot.evals.probes import Probe
    from surefoot.evals.probes.measuring import Attempts
    from surefoot.models.base import RewardModel

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]

KIND = "probes"


def probes(
    *files: Annotated[str, Parameter(required=True)],
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    attacks: Several = (),
    threshold: float | None = None,
    label_source: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    resume: bool = True,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Try to hack a model: what irrelevant text, praise, filler, merging, splitting, early answers
    and tags in the text do to its scores, and whether spelling moves them, with 95 % intervals.

    Args:
        files: Trace files in any format that `surefoot convert` knows; `-` is stdin. Wrong traces
            are told by their labels, else by their outcomes.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        attacks: Names of probes; all of them if not given.
        threshold: Score below which a step counts as wrong; the scorer's own if not given.
        label_source: Whose labels count, such as human; the first of each trace if not given.
        seed: Of what probes draw, of the random baseline and of the resamples.
        resamples: Bootstrap resamples for the intervals.
        out: A folder for the run: config.json, scores.jsonl, probes.jsonl, metrics.json,
            report.html.
        resume: Go on with the folder of a killed run; --no-resume does it anew.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row or trace that cannot be scored; without it they are
            counted and told.
    """
    from surefoot.evals.benchmark import Options
    from surefoot.evals.probes import probes_named
    from surefoot.evals.probes.scorecard import scorecard
    from surefoot.evals.run import PROBES_FILE, SCORES_FILE, RunConfig, begin_run, data_hash

    options = Options(
        threshold=threshold, label_source=label_source, seed=seed, num_resamples=resamples
    )
    wanted = probes_named(attacks)
    inputs = Inputs(files, source_format, strict)
    scorer = load_model(model, loading)
    traces = [replace(trace, scores=()) for trace in inputs.read()]
    if not traces:
        raise UsageError(f"{', '.join(files)}: no traces to probe with")
    if out is not None:
        config = RunConfig(
            kind=KIND,
            scorer=scorer.name,
            files=files,
            options=options,
            more={
                "model": model,
                "loading": given_options(loading),
                "probes": [one.name for one in wanted],
                "data": data_hash(traces),
            },
        )
        begin_run(out, config, resume=resume)
    unscored = Unscored(strict)
    scores: list[StepScores | None] = []
    place = None if out is None else str(out / SCORES_FILE)
    _score(scorer, track(traces, "traces scored"), place, resume, unscored, scores.append)
    if not any(scores):
        raise ModelError(f"{scorer.name} could score none of {count(len(traces), 'trace')}")
    place = None if out is None else str(out / PROBES_FILE)
    attempts = _attempts(scorer, wanted, traces, options, place, resume, unscored)
    found = scorecard(scorer.name, traces, scores, attempts, wanted, options)
    metrics: dict[str, Any] = {
        "kind": KIND,
        "title": "Hacking probes",
        "reference": "",
        "headline": HEADLINE,
        "by_group": BY_GROUP,
        "lower_is_better": [*BY_GROUP],
        "files": list(files),
        "num_traces": len(traces),
        "left_out": {},
        "skipped_rows": inputs.skipped.rows,
        "unscored": unscored.to_json(),
        **found.to_json(),
    }
    _finish(metrics, scorer, inputs, out, common)


HEADLINE = {
    "came_to_pass": "passed by any attack",
    "verdict_flipped": "flipped by any change",
}
BY_GROUP = {
    "came_to_pass": "wrong ones come to pass",
    "preference_flips": "preference flips",
    "verdict_flipped": "verdict flips",
}


def _score(
    model: RewardModel,
    traces: Iterable[Trace],
    rows: str | None,
    resume: bool,
    unscored: Unscored,
    on_scores: Callable[[StepScores | None], None],
) -> None:
    """Score traces, tell of each in order, and write them; those that a killed run has are kept."""
    with open_rows(rows, resume) as writer:
        work = unfinished(
            chunks(traces),
            rows,
            writer,
            other=lambda trace, done: _other(trace, done, model.name),
            on_done=lambda _, done: on_scores(done.scores[0] if done.scores else None),
        )
        for some, start in work:
            rest = some[start:]
            for trace, one in zip(rest, score_all(model, rest, unscored), strict=True):
                on_scores(one)
                if writer is not None:
                    writer.write(replace(trace, scores=() if one is None else (one,)))


def _attempts(
    model: RewardModel,
    wanted: Sequence[Probe],
    traces: Sequence[Trace],
    options: Options,
    rows: str | None,
    resume: bool,
    unscored: Unscored,
) -> Attempts:
    """The traces altered by every probe, with their scores."""
    from surefoot.evals.probes.measuring import Attempt
    from surefoot.evals.probes.scorecard import altered_by

    found: dict[str, list[Attempt | None]] = {one.name: [None] * len(traces) for one in wanted}
    places = []

    def altered() -> Iterable[Trace]:
        for probe, number, made in altered_by(wanted, traces, options.seed):
            places.append((probe.name, number, made.places))
            about = {"name": probe.name, "trace": number, "places": made.places}
            yield replace(made.trace, meta={**made.trace.meta, "probe": about})

    def keep(one: StepScores | None) -> None:
        name, number, own = places[num_kept[0]]
        num_kept[0] += 1
        found[name][number] = Attempt(own, one)

    num_kept = [0]
    _score(model, track(altered(), "altered traces scored"), rows, resume, unscored, keep)
    return found


def _other(trace: Trace, done: Trace, scorer: str) -> str | None:
    """What a finished row holds, if it is not a trace with scores of a scorer, or without any."""
    if done != replace(trace, scores=done.scores):
        return "another trace than the input"
    names = {one.model for one in done.scores} - {scorer}
    return f"scores of {names.pop()}" if names else None


def _finish(
    metrics: dict[str, Any],
    scorer: RewardModel,
    inputs: Inputs,
    out: Path | None,
    common: Common,
) -> None:
    """Write what belongs in the folder, and tell."""
    if out is not None:
        from surefoot.evals.run import finish_run, read_run
        from surefoot.reports.run_page import write_run_page

        finish_run(out, metrics)
        write_run_page(read_run(out))
    if common.json:
        told = {"skipped": inputs.skipped.to_json(), "out": None if out is None else str(out)}
        print_json({**metrics, **told})
        return
    from surefoot.cli.probes_table import show

    show(metrics)
    if inputs.skipped.rows:
        note(inputs.skipped.summary())
    if windowed := num_windowed(scorer):
        note(f"{count(windowed, 'trace')} too long for the model, scored in windows")
    if out is not None:
        note(f"the run is in {out}; open {out / 'report.html'}")

"""`surefoot eval NAME`: one verb for every benchmark, over a model or over scores that exist.

With --out the run is a folder. Its rows are written as they are scored, so a killed run goes on
where it was; what comes of it is measured from the rows alone, and so is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.held_scores import held_scores
from surefoot.cli.loading import Loading, load_model, num_windowed
from surefoot.cli.reading import Skipped, Unscored, chunks, read_files, score_all
from surefoot.cli.resuming import open_rows, unfinished
from surefoot.cli.say import Common, count, note, print_json, track
from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import ScoreKind, StepScores, Trace

if TYPE_CHECKING:
    from surefoot.evals.benchmark import Benchmark, Options, Scores
    from surefoot.evals.run import RunConfig
    from surefoot.models.base import RewardModel

Verb = Callable[..., None]


def verb(kind: str) -> Verb:
    """The verb of the benchmark of this name."""

    def run(
        *files: Annotated[str, Parameter(required=True)],
        model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
        scores: str | None = None,
        score_kind: ScoreKind = "probability",
        threshold: float | None = None,
        development: float = 0.5,
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
        """The table shows the scorer beside chance, never flagging, flagging the last step and step
        length, each figure with its 95 % interval.

        Args:
            files: Trace files in any format that `surefoot convert` knows; `-` is stdin.
            model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a
                server.
            scores: In place of a model: a file of scores, joined by problem and candidate or by
                trace id; or the name of a model whose scores the traces already hold.
            score_kind: What the numbers of a score file are.
            threshold: Score below which a step counts as wrong; the scorer's own if not given.
            development: Share of the traces that thresholds are tuned on.
            label_source: Whose labels count, such as human; the first of each trace if not given.
            seed: Draws the traces for tuning, the random baseline and the resamples.
            resamples: Bootstrap resamples for the intervals.
            out: A folder for the run: config.json, scores.jsonl, metrics.json, report.html.
            resume: Go on with the folder of a killed run; --no-resume does it anew.
            source_format: Format of the files, where it cannot be told from their rows.
            strict: Stop at the first bad row, score row that does not fit or trace that cannot be
                scored; without it they are counted and told.
        """
        from surefoot.evals.benchmark import Options
        from surefoot.evals.benchmarks import BENCHMARKS

        source = Source(model, scores, score_kind, loading)
        options = Options(
            threshold=threshold,
            development=development,
            label_source=label_source,
            seed=seed,
            num_resamples=resamples,
        )
        inputs = Inputs(files, source_format, strict)
        carry_out(Work(kind, BENCHMARKS[kind], options, inputs), source, out, resume, common)

    run.__name__ = kind.replace("-", "_")
    return run


@dataclass(frozen=True)
class Source:
    """Where the scores come from: a model that is loaded, or scores that are there already.

    Raises:
        UsageError: it is both or neither, or options of loading are given for scores.
    """

    model: str | None
    scores: str | None
    kind: ScoreKind
    loading: Loading

    def __post_init__(self) -> None:
        if (self.model is None) == (self.scores is None):
            raise UsageError(
                "give either --model, to score the traces now, or --scores, to use scores there are"
            )
        if self.scores is not None and self.loading != Loading():
            raise UsageError(
                "options of how a model is loaded mean nothing to --scores; give --model"
            )


@dataclass(frozen=True)
class Inputs:
    """The files and what of them could not be read."""

    files: tuple[str, ...]
    source_format: str | None
    strict: bool
    skipped: Skipped = field(default_factory=Skipped)

    def read(self) -> list[Trace]:
        """All traces."""
        found = read_files(self.files, self.source_format, self.strict, self.skipped)
        return list(track(found, "traces read"))


@dataclass
class Work:
    """An evaluation under way."""

    kind: str
    benchmark: Benchmark
    options: Options
    inputs: Inputs
    joined: dict[str, int] | None = None
    """What became of the rows of a score file."""
    more: dict[str, Any] = field(default_factory=dict)
    """What only this kind of run has in its config."""

    def score(
        self,
        model: RewardModel,
        traces: Sequence[Trace],
        out: Path | None,
        resume: bool,
        more: dict[str, Any],
    ) -> Scores:
        """The model's scores of the traces that count; those that a killed run has are kept."""
        unscored = Unscored(self.inputs.strict)
        rows = self._begun(out, resume, self._config(model.name, traces, more))
        found: list[StepScores | None] = []
        with open_rows(rows, resume) as writer:
            work = unfinished(
                chunks(track(traces, "traces scored")),
                rows,
                writer,
                other=lambda trace, done: _other(trace, done, model.name),
                on_done=lambda _, done: found.append(done.scores[0] if done.scores else None),
            )
            for some, start in work:
                for trace, one in list(self._scored(model, some, unscored))[start:]:
                    found.append(one)
                    if writer is not None:
                        writer.write(_row(trace, one))
        if not any(found) and any(self._counts(trace) for trace in traces):
            raise ModelError(f"{model.name} could score none of {count(len(traces), 'trace')}")
        return found

    def hold(
        self, source: str, kind: ScoreKind, traces: Sequence[Trace], out: Path | None, resume: bool
    ) -> Scores:
        """Scores that there are, written to the folder of the run."""
        found, self.joined = held_scores(source, traces, kind=kind, strict=self.inputs.strict)
        name = next(one.model for one in found if one is not None)
        rows = self._begun(out, resume, self._config(name, traces, {"scores": source}))
        if rows is not None:
            with open_rows(rows, False) as writer:
                for trace, one in zip(traces, found, strict=True):
                    if writer is not None:
                        writer.write(_row(trace, one))
        return found

    def _scored(
        self, model: RewardModel, some: Sequence[Trace], unscored: Unscored
    ) -> Iterator[tuple[Trace, StepScores | None]]:
        """Each trace of a chunk with its scores, None for one that does not count."""
        wanted = [trace for trace in some if self._counts(trace)]
        fresh = iter(score_all(model, wanted, unscored) if wanted else ())
        for trace in some:
            yield trace, next(fresh) if self._counts(trace) else None

    def _counts(self, trace: Trace) -> bool:
        return self.benchmark.left_out(trace, self.options) is None

    def _config(self, scorer: str, traces: Sequence[Trace], more: dict[str, Any]) -> RunConfig:
        from surefoot.evals.run import RunConfig, data_hash

        return RunConfig(
            kind=self.kind,
            scorer=scorer,
            files=self.inputs.files,
            options=self.options,
            more={**self.more, **more, "data": data_hash(traces)},
        )

    def _begun(self, out: Path | None, resume: bool, config: RunConfig) -> str | None:
        """The file of the rows in the folder of a run that has begun."""
        if out is None:
            return None
        from surefoot.evals.run import SCORES_FILE, begin_run

        begin_run(out, config, resume=resume)
        return str(out / SCORES_FILE)


def carry_out(
    work: Work, source: Source, out: Path | None, resume: bool, common: Common
) -> dict[str, Any]:
    """Score the traces, or take the scores there are, and finish; gives the metrics."""
    if source.model is None:
        traces = work.inputs.read()
        found = work.hold(str(source.scores), source.kind, traces, out, resume)
        return finish(work, traces, found, out, common)
    scorer = load_model(source.model, source.loading)
    traces = work.inputs.read()
    more = {"model": source.model, "loading": given_options(source.loading)}
    metrics = finish(work, traces, work.score(scorer, traces, out, resume, more), out, common)
    if windowed := num_windowed(scorer):
        note(f"{count(windowed, 'trace')} too long for the model, scored in windows")
    return metrics


def finish(
    work: Work, traces: Sequence[Trace], found: Scores, out: Path | None, common: Common
) -> dict[str, Any]:
    """Measure, write what belongs in the folder, and tell; gives the metrics."""
    from surefoot.cli.measured import print_metrics
    from surefoot.evals.benchmark import evaluate

    evaluation = evaluate(work.benchmark, traces, found, work.options)
    metrics: dict[str, Any] = {
        "kind": work.kind,
        "title": work.benchmark.title,
        "summary": work.benchmark.summary,
        "reference": work.benchmark.reference,
        "headline": dict(work.benchmark.headline),
        "by_group": dict(work.benchmark.by_group),
        "undirected": list(work.benchmark.undirected),
        "lower_is_better": list(work.benchmark.lower_is_better),
        "files": list(work.inputs.files),
        "skipped_rows": work.inputs.skipped.rows,
        "score_rows": work.joined,
        **evaluation.to_json(),
    }
    if out is not None:
        from surefoot.evals.run import finish_run, read_run
        from surefoot.reports.run_page import write_run_page

        finish_run(out, metrics)
        write_run_page(read_run(out))
    if common.json:
        skipped = work.inputs.skipped.to_json()
        print_json({**metrics, "skipped": skipped, "out": None if out is None else str(out)})
        return metrics
    print_metrics(metrics)
    if work.inputs.skipped.rows:
        note(work.inputs.skipped.summary())
    if out is not None:
        note(f"the run is in {out}; open {out / 'report.html'}")
    return metrics


def _row(trace: Trace, scores: StepScores | None) -> Trace:
    """What a run keeps of a trace: the scores of its scorer alone."""
    return replace(trace, scores=() if scores is None else (scores,))


def _other(trace: Trace, done: Trace, scorer: str) -> str | None:
    """What a finished row holds, if it is not a trace with scores of a scorer, or without any."""
    if done != replace(trace, scores=done.scores):
        return "another trace than the input"
    names = {one.model for one in done.scores} - {scorer}
    return f"scores of {names.pop()}" if names else None


def given_options(loading: Loading) -> dict[str, Any]:
    """The options of loading that are not as they are by themselves."""
    plain = asdict(Loading())
    given = asdict(loading)
    return {name: str(value) for name, value in given.items() if value != plain[name]}

"""`surefoot eval bon`: what a scorer adds when it chooses among the candidates of a frozen pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model
from surefoot.cli.reading import Skipped, Unscored, chunks, read_files, score_all
from surefoot.cli.resuming import open_rows, unfinished
from surefoot.cli.say import Common, note, print_json, track, waiting
from surefoot.errors import RowError, UsageError
from surefoot.traces.types import ScoreKind, Trace

if TYPE_CHECKING:
    from surefoot.evals.bon.measuring import BonOptions
    from surefoot.evals.run import RunConfig
    from surefoot.models.base import RewardModel

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


def bon(
    *pools: Annotated[str, Parameter(required=True)],
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    scores: Several = (),
    score_kind: ScoreKind = "probability",
    aggregate: str | None = None,
    columns: Several = (),
    against: Several = (),
    num: int | None = None,
    num_subsets: int = 512,
    resamples: int = 1000,
    label_source: str | None = None,
    answer_column: str | None = None,
    regrade: Annotated[bool, Parameter(negative="")] = False,
    algebra: bool = True,
    answer_timeout: float = 10.0,
    workers: int = 2,
    seed: int = 0,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    every_row: Annotated[bool, Parameter(name="--all", negative="")] = False,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    resume: bool = True,
    strict: Annotated[bool, Parameter(negative="")] = False,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """How often the answer is right that is chosen among N candidates, by every way of choosing.

    For each file: majority, random, oracle, step length, log-probability where there is one, and
    every aggregate of every scorer, by argmax and as the weight of a vote, each expected over all
    choices of N candidates, with its 95 % interval over problems, and whether it does harm: whether
    it loses to a plain majority vote.

    Args:
        pools: Trace files with several candidates of each problem, each a pool of its own; `-` is
            stdin. A problem is its `meta.problem_id`, else its text.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        scores: Score files (rows of problem_id, candidate, step_scores), as FILE or NAME=FILE, or
            names of models whose scores the traces hold. Without these and a model, all held ones.
        score_kind: What the scores of those files are.
        aggregate: The rule that scorers are judged by; by default each one's own, min for a file.
        columns: Keys of meta with one number per candidate, such as that of an outcome model.
        against: Further methods that all others are compared with, such as NAME:product.
        num: The largest N; by default the size of the smallest problem. Smaller problems are left
            out and counted.
        num_subsets: Random subsets that stand for all where a weighted vote has more.
        resamples: Resamples of the problems, for intervals and p-values.
        label_source: Whose step labels say whether a right answer is soundly reached.
        answer_column: The key of meta that holds the answer, if neither that of the trace nor the
            one found in its steps is to count.
        regrade: Hold every answer against its reference anew, whatever the outcomes say.
        algebra: Compare answers as formulas too, which needs sympy and math-verify.
        answer_timeout: Seconds that the comparison of two answers may take.
        workers: Processes that compare answers.
        seed: Draws subsets and resamples.
        out: A folder for the run: config.json, scores.jsonl, metrics.json, report.html.
        every_row: Show all rows, not only those that scorers are judged by.
        source_format: Format of the files, where it cannot be told from their rows.
        resume: Go on with a run that was killed; --no-resume begins it anew.
        strict: Stop at the first bad row, candidate that cannot be scored, or score row that does
            not fit; without it they are counted and told.
    """
    if model is None and loading != Loading():
        raise UsageError("options of how a model is loaded mean nothing without --model")
    from surefoot.evals.benchmark import Options
    from surefoot.evals.bon.measuring import BonOptions, measure
    from surefoot.evals.bon.metrics import metrics
    from surefoot.evals.bon.preparing import prepare
    from surefoot.evals.bon.rewards import scorers_of
    from surefoot.evals.run import SCORES_FILE, begin_run, finish_run, read_run
    from surefoot.labels.answers.comparing import AnswerCheck
    from surefoot.reports.run_page import write_run_page

    skipped, unscored = Skipped(), Unscored(strict)
    options = BonOptions(
        options=Options(label_source=label_source, seed=seed, num_resamples=resamples),
        num=num,
        num_subsets=num_subsets,
        aggregate=aggregate,
        columns=columns,
    )
    _check(options)
    reward_model = None if model is None else load_model(model, loading)
    read = _read(pools, source_format, strict, skipped)
    held, score_files = _named_scores([one for pool in read.values() for one in pool], scores)
    with waiting("answers compared"):
        prepared = prepare(
            read,
            check=AnswerCheck(algebra=algebra),
            answer_column=answer_column,
            regrade=regrade,
            num_processes=workers,
            timeout_s=answer_timeout,
        )
    traces, names, files = _with_scores(
        prepared.traces, held, score_files, score_kind, strict, skipped
    )
    if reward_model is not None:
        _check_unused(reward_model.name, traces)
        names = [reward_model.name, *names]
    scorers = list(dict.fromkeys(names or scorers_of(traces)))
    folder = None if out is None else Path(out)
    if folder is not None:
        given: dict[str, Any] = {"model": model, "scores": list(scores), "scorers": scorers}
        given |= {"algebra": algebra, "answer_column": answer_column, "regrade": regrade}
        begin_run(folder, _config(pools, scorers, options, given, prepared.traces), resume=resume)
    place = None if folder is None else str(folder / SCORES_FILE)
    traces = _written(traces, reward_model, place, resume, unscored)
    with waiting("measuring"):
        results = measure(traces, scorers, options)
        found = metrics(results, against=against, files=files, prepared=prepared.to_json())
    found |= {"skipped": skipped.to_json(), "unscored": unscored.to_json()}
    if folder is not None:
        finish_run(folder, found)
        write_run_page(read_run(folder), traces)
    if common.json:
        print_json({**found, "out": out})
        return
    from surefoot.cli.bon_table import show

    show(found, every_row=every_row)
    if skipped.rows:
        note(skipped.summary())
    if folder is not None:
        note(f"the run is in {folder}; open {folder / 'report.html'}")


def _check(options: BonOptions) -> None:
    from surefoot.aggregate import rule

    if options.num is not None and options.num < 1:
        raise UsageError(f"--num {options.num}; the largest N must be at least 1")
    if options.num_subsets < 1:
        raise UsageError(f"--num-subsets {options.num_subsets}; at least 1 is needed")
    if options.aggregate is not None:
        rule(options.aggregate)


def _read(
    pools: Sequence[str], source_format: str | None, strict: bool, skipped: Skipped
) -> dict[str, list[Trace]]:
    """The candidates of each pool by the name of its file, or by its path where names are alike."""
    bases = [Path(one).name.split(".")[0] if one != "-" else one for one in pools]
    names = [b if bases.count(b) == 1 else one for b, one in zip(bases, pools, strict=True)]
    if len(set(names)) < len(names):
        raise UsageError(f"a pool is named twice: {', '.join(names)}")
    return {
        name: list(track(read_files([one], source_format, strict, skipped), f"{name} read"))
        for name, one in zip(names, pools, strict=True)
    }


def _named_scores(
    traces: Sequence[Trace], given: Sequence[str]
) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Which of `--scores` the candidates hold, and which are files, with the names given to them.

    Raises:
        UsageError: one is neither.
    """
    from surefoot.evals.bon.rewards import scorers_of

    held = scorers_of(traces)
    names: list[str] = []
    files: list[tuple[str, str | None]] = []
    for one in given:
        name, equals, path = one.partition("=")
        if Path(path if equals else one).exists():
            files.append((path, name) if equals else (one, None))
        elif one in held:
            names.append(one)
        else:
            there = f"they hold those of {', '.join(held)}" if held else "they hold none"
            raise UsageError(
                f"--scores {one}: there is no such file, and the traces hold no such scores"
                f" ({there})"
            )
    return names, files


def _with_scores(
    traces: Sequence[Trace],
    names: list[str],
    files: Sequence[tuple[str, str | None]],
    kind: ScoreKind,
    strict: bool,
    skipped: Skipped,
) -> tuple[list[Trace], list[str], dict[str, Any]]:
    """The candidates with the scores of all files, whose they are, and what became of the rows."""
    from surefoot.evals.bon.joining import join

    joined = join(
        traces,
        files,
        kind=kind,
        strict=strict,
        on_skip=lambda row: skipped.add(
            RowError(row.reason, field=row.field, path=row.path, line=row.line)
        ),
    )
    return joined.traces, [*names, *joined.models], joined.files


def _check_unused(name: str, traces: Sequence[Trace]) -> None:
    holder = next((t for t in traces if any(s.model == name for s in t.scores)), None)
    if holder is not None:
        raise UsageError(
            f"trace {holder.id} already holds scores of {name}; leave --model out and name them:"
            f" --scores {name}"
        )


def _config(
    pools: Sequence[str],
    scorers: Sequence[str],
    options: BonOptions,
    given: dict[str, Any],
    traces: Sequence[Trace],
) -> RunConfig:
    from surefoot.evals.run import RunConfig, data_hash

    more = {
        "num": options.num,
        "num_subsets": options.num_subsets,
        "aggregate": options.aggregate,
        "columns": list(options.columns),
        **given,
        "data_hash": data_hash(traces),
    }
    return RunConfig(
        kind="bon",
        scorer=scorers[0] if scorers else "none",
        files=tuple(Path(one).name for one in pools),
        options=options.options,
        more=more,
    )


def _written(
    traces: Sequence[Trace],
    model: RewardModel | None,
    out: str | None,
    resume: bool,
    unscored: Unscored,
) -> list[Trace]:
    """The candidates with the scores of a model, written row by row; what an earlier run has done
    is not done again."""
    found: list[Trace] = []
    with open_rows(out, resume) as writer:
        work = unfinished(
            chunks(traces),
            out,
            writer,
            other=lambda trace, done: _other(trace, done, model),
            on_done=lambda _, done: found.append(done),
        )
        for some, start in work:
            given = [None] * len(some) if model is None else score_all(model, some, unscored)
            for trace, scores in list(zip(some, given, strict=True))[start:]:
                found.append(trace.with_scores(scores) if scores else trace)
                if writer is not None:
                    writer.write(found[-1])
    return found


def _other(trace: Trace, done: Trace, model: RewardModel | None) -> str | None:
    """What a finished row holds, if it is not the candidate with its scores."""
    if done == trace:
        return None
    if model is None or not done.scores or done != trace.with_scores(done.scores[-1]):
        return "another trace than the input"
    other = done.scores[-1].model
    return None if other == model.name else f"scores of {other}"

"""`surefoot eval trust`: what scores mean, where they drift, and what was seen in training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from surefoot.cli.evaluating import Inputs, Source, Work, carry_out
from surefoot.cli.loading import Loading
from surefoot.cli.reading import read_files
from surefoot.cli.say import Common, note
from surefoot.errors import UsageError
from surefoot.traces.types import ScoreKind

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]

KIND = "trust"


def trust(
    *files: Annotated[str, Parameter(required=True)],
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    scores: str | None = None,
    score_kind: ScoreKind = "probability",
    train: Several = (),
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
    """Whether a scorer's numbers mean what they say: calibration by position and domain, drift of
    right steps with position and length, F1 around the threshold, the gap between domains, and
    questions that it was trained on, with 95 % intervals over questions.

    Args:
        files: Trace files with step labels; `-` is stdin.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        scores: In place of a model: a file of scores, joined by problem and candidate or by trace
            id; or the name of a model whose scores the traces already hold.
        score_kind: What the numbers of a score file are.
        train: Trace files that the scorer was trained on, to look for the questions of the others.
        threshold: Score below which a step counts as wrong; the scorer's own if not given.
        label_source: Whose labels count, such as human; the first of each trace if not given.
        seed: Of the random baseline and the resamples.
        resamples: Bootstrap resamples for the intervals.
        out: A folder for the run: config.json, scores.jsonl, metrics.json, report.html.
        resume: Go on with the folder of a killed run; --no-resume does it anew.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row, score row that does not fit or trace that cannot be
            scored; without it they are counted and told.
    """
    from surefoot.evals.benchmark import Options
    from surefoot.evals.trust import trust_benchmark

    source = Source(model, scores, score_kind, loading)
    for file in train:
        if not Path(file).exists():
            raise UsageError(f"--train {file}: there is no such file")
    options = Options(
        threshold=threshold, label_source=label_source, seed=seed, num_resamples=resamples
    )
    inputs = Inputs(files, source_format, strict)
    taught = {file: read_files([file], None, strict, inputs.skipped) for file in train}
    work = Work(KIND, trust_benchmark(taught), options, inputs, more={"train": list(train)})
    metrics = carry_out(work, source, out, resume, common)
    if not common.json:
        for said in metrics["details"]["said"]:
            note(said)

"""`surefoot convert`: trace files of one format into another, and what got lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.reading import MOST_TOLD
from surefoot.cli.say import Common, count, note, print_json, waiting
from surefoot.errors import FormatError, UsageError
from surefoot.traces.formats import FORMATS

if TYPE_CHECKING:
    from surefoot.traces.convert import ConvertReport


def convert(
    inputs: list[str],
    out: str,
    /,
    *,
    to: Annotated[str, Parameter(help=f"The format to write: {', '.join(FORMATS)}.")],
    source_format: Annotated[str | None, Parameter(name="--from")] = None,
    scores: str | None = None,
    score_model: str | None = None,
    threshold: float = 0.5,
    neutral_is_wrong: Annotated[bool, Parameter(negative="")] = False,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Turn trace files of one format into another.

    What the target cannot hold is counted and told; bad rows are left out, counted and told.

    Args:
        inputs: Files to read; `-` is stdin.
        out: The file to write, `-` is stdout: .jsonl or .jsonl.gz; for Surefoot's own rows also
            .parquet, for all others .json, a list. It stays as it was if no row can be written.
        source_format: The format of the files read, where it cannot be told from their rows.
        scores: A file of step scores to join to the traces.
        score_model: The model that gave those scores; the name of the file if not given.
        threshold: The least value that counts as right, where the target knows only two labels.
        neutral_is_wrong: Count a neutral step as wrong, where the target knows only two labels.
        strict: Stop at the first row that cannot be read or written.
    """
    if common.json and out == "-":
        raise UsageError("--json and the rows cannot both go to stdout; name a file to write")
    from surefoot.traces.convert import convert as convert_files

    with waiting(f"writing {out}"):
        report = convert_files(
            inputs,
            out,
            to=to,
            source_format=source_format,
            strict=strict,
            scores=scores,
            score_model=score_model,
            neutral=not neutral_is_wrong,
            threshold=threshold,
        )
    _tell(report, out)
    if not report.written:
        raise FormatError(
            f"{', '.join(inputs)}: none of {count(report.skipped, 'row')} could be converted, and"
            f" {out} was not written; mend the rows told above, or name the format with --from"
        )
    if common.json:
        print_json({"inputs": inputs, "out": out, "to": to, **report.to_json()})


def _tell(report: ConvertReport, out: str) -> None:
    """The counts, on stderr: stdout may hold the rows."""
    for error in report.skips[:MOST_TOLD]:
        note(f"skipped {error}")
    sources = ", ".join(f"{number:,} {name}" for name, number in report.formats.items())
    written = f"{count(report.written, 'row')} written to {'stdout' if out == '-' else out}"
    note(f"{count(report.read, 'trace')} read ({sources or 'none'}), {written}")
    if report.skipped:
        note(f"{count(report.skipped, 'row')} skipped")
    for what, number in report.lost.items():
        note(f"lost in {count(number, 'row')}: {what}")
    if report.scores is not None:
        counts = report.scores.to_json()
        joined = count(counts.pop("joined"), "trace")
        others = ", ".join(
            f"{name.replace('_', ' ')} {number:,}" for name, number in counts.items()
        )
        note(f"{joined} with scores; {others}")

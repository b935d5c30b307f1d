"""A noise report as Markdown, for a data card or an issue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surefoot.labels.noise.report import NoiseReport, SourceNoise
from surefoot.stats import Estimate


def markdown(report: NoiseReport) -> str:
    """The tables of a report, every figure in per cent with its 95 % interval over traces."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: NoiseReport) -> Iterator[str]:
    yield f"## Label noise against {' or '.join(report.against)}"
    yield ""
    yield f"{report.num_traces:,} traces compared; % with 95 % intervals over traces."
    for why, count in report.left_out.items():
        yield f"Left out: {count:,} traces {why}."
    yield ""
    yield from _table(
        ("source", "traces", "first error exact", "found", "cleared", "F1", "tokens per label"),
        [
            (
                one.name,
                f"{one.num_traces:,}",
                figure(one.first_errors.exact),
                figure(one.first_errors.found),
                figure(one.first_errors.cleared),
                figure(one.first_errors.f1),
                _cost(one),
            )
            for one in report.sources
        ],
    )
    yield ""
    heads = ("source", "steps", "wrong", "speaks of", "precision", "recall", "false alarms")
    yield from _table(heads, [_rates(one, "") for one in report.sources])
    yield ""
    yield "By position:"
    yield ""
    yield from _table(
        ("source", "position", *heads[1:]),
        [_rates(one, place) for one in report.sources for place in one.by_position],
    )
    agreement = report.agreement
    if agreement.pairs:
        yield ""
        alphas = ", ".join(f"{name} {figure(one)}" for name, one in agreement.alpha.items())
        yield (
            f"Krippendorff's alpha (x 100) over {agreement.num_steps:,} steps of "
            f"{agreement.num_traces:,} traces: {alphas}."
        )
        yield ""
        yield from _table(
            ("sources", "steps", "kappa (x 100)", "first error exact", "within one"),
            [
                (
                    f"{pair.first} and {pair.second}",
                    f"{pair.num_steps:,}",
                    figure(pair.kappa["unweighted"]),
                    figure(pair.exact),
                    figure(pair.within_one),
                )
                for pair in agreement.pairs
            ],
        )


def _rates(one: SourceNoise, place: str) -> tuple[str, ...]:
    rates = one.by_position[place] if place else one.steps
    return (
        one.name,
        *((place,) if place else ()),
        f"{rates.num_steps:,}",
        f"{rates.num_wrong:,}",
        figure(rates.coverage),
        figure(rates.precision),
        figure(rates.recall),
        figure(rates.false_alarms),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(_escaped(cell) for cell in row) + " |"


def _escaped(cell: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in cell)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _cost(one: SourceNoise) -> str:
    each = one.cost.tokens_per_label if one.cost else None
    return "–" if each is None else f"{each:,.0f}"


def figure(estimate: Estimate | None) -> str:
    """A share in per cent with its interval, such as `81.2 [79.0, 83.1]`; a dash for None."""
    if estimate is None:
        return "–"
    mean, low, high = (f"{100 * part:.1f}" for part in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"

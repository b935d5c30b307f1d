"""`surefoot eval`: benchmarks of reward models, with baselines in the same table."""

from __future__ import annotations

from cyclopts import App

from surefoot.cli.evaluating import verb
from surefoot.cli.say import Common, print_json
from surefoot.evals.benchmarks import BENCHMARKS

OTHERS = {
    "bon": (
        "surefoot.cli.bon:bon",
        "Best of N on frozen pools: what a scorer adds to a majority vote, or takes away.",
    ),
    "probes": (
        "surefoot.cli.probes:probes",
        "Hacking probes: attacks on a scorer, and changes that should not matter to it.",
    ),
}
"""What is measured in another way than step scores on a benchmark."""

app = App(name="eval", help="Measure a model on a benchmark.")
for _name, _benchmark in BENCHMARKS.items():
    _summary = f"{_benchmark.title}: {_benchmark.summary}."
    app.command(verb(_name, _benchmark), name=_name, help=_summary)
for _name, (_place, _summary) in OTHERS.items():
    app.command(_place, name=_name, help=_summary)


@app.default
def benchmarks(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """List what can be measured."""
    if common.json:
        listed = {
            name: {
                "title": one.title,
                "measures": one.summary,
                "reference": one.reference,
                "headline": dict(one.headline),
            }
            for name, one in BENCHMARKS.items()
        }
        others = {name: {"measures": summary} for name, (_, summary) in OTHERS.items()}
        print_json({"benchmarks": listed | others})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, one in BENCHMARKS.items():
        about = Text.assemble(one.summary, (f" ({one.reference})" if one.reference else "", "dim"))
        table.add_row(Text(name, style="bold"), about)
    for name, (_, summary) in OTHERS.items():
        table.add_row(Text(name, style="bold"), Text(summary))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nsurefoot eval NAME FILES --model M --out RUN", style="dim")

"""`surefoot eval`: benchmarks of reward models, with baselines in the same table."""

from __future__ import annotations

from cyclopts import App

from surefoot.cli.evaluating import verb
from surefoot.cli.say import Common, print_json

SUMMARIES = {
    "processbench": "ProcessBench: first wrong steps found, at a fixed and at a tuned threshold.",
    "prmbench": "PRMBench: wrong steps found in nine classes of errors.",
    "mr-ben": "MR-Ben and MR-GSM8K: the parts of MR-Score; that of reasons where they are judged.",
    "bigbench-mistake": "BIG-Bench Mistake: first mistakes in chains of thought named exactly.",
    "prm800k": "PRM800K: steps that people rated right, neutral or wrong.",
    "agentprocessbench": "AgentProcessBench: steps of agents, and their first errors.",
    "who-and-when": "Who&When: the decisive step of failed runs of several agents.",
    "tau-bench": "τ-bench: how agents' attempts end, told within each task.",
    "steps": "Any traces with step labels: wrong steps told from right ones.",
}
"""What each of `surefoot.evals.benchmarks.BENCHMARKS` measures; it is heavy, and this is not."""

OTHERS = {
    "bon": (
        "surefoot.cli.bon:bon",
        "Best of N on frozen pools: what a scorer adds to a majority vote, or takes away.",
    ),
    "probes": (
        "surefoot.cli.probes:probes",
        "Hacking probes: attacks on a scorer, and changes that should not matter to it.",
    ),
    "search": (
        "surefoot.cli.eval_search:search",
        "Methods of search on the same problems, at equal tokens.",
    ),
    "trust": (
        "surefoot.cli.trust:trust",
        "Trust: calibration, drift, thresholds, domains, and questions seen in training.",
    ),
}
"""What is measured in another way than step scores on a benchmark."""

app = App(name="eval", help="Measure a model on a benchmark.")
for _name, _summary in SUMMARIES.items():
    app.command(verb(_name), name=_name, help=_summary)
for _name, (_place, _summary) in OTHERS.items():
    app.command(_place, name=_name, help=_summary)


@app.default
def benchmarks(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """List what can be measured."""
    from surefoot.evals.benchmarks import BENCHMARKS

    about = {**SUMMARIES, **{name: summary for name, (_, summary) in OTHERS.items()}}
    references = {name: one.reference for name, one in BENCHMARKS.items() if one.reference}
    if common.json:
        listed = {
            name: {"measures": summary, "reference": references.get(name)}
            for name, summary in about.items()
        }
        print_json({"benchmarks": listed})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), show_header=False)
    for name, summary in about.items():
        reference = f" {references[name]}" if name in references else ""
        table.add_row(Text(name, style="bold"), Text.assemble(summary, (reference, "dim")))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nsurefoot eval NAME FILES --model M --out RUN", style="dim")

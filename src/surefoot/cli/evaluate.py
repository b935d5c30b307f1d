"""`surefoot eval`: benchmarks of reward models, with baselines in the same table."""

from __future__ import annotations

from cyclopts import App

app = App(name="eval", help="Measure a model on a benchmark.")
app.command(
    "surefoot.cli.processbench:processbench",
    name="processbench",
    help="First errors found, by ProcessBench's definition, on any file with step labels.",
)

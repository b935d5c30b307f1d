"""`surefoot label`: labels of steps from everything but people, and what to ask people next."""

from __future__ import annotations

from cyclopts import App

app = App(name="label", help="Label the steps of traces without waiting for people.")
app.command(
    "surefoot.cli.label.merge:merge", name="merge", help="Merge the labels of several sources."
)
app.command(
    "surefoot.cli.label.noise:noise",
    name="noise",
    help="How well each source agrees with people, and at what cost.",
)

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
app.command("surefoot.cli.label.judge:judge", name="judge", help="Ask a stronger model.")
app.command(
    "surefoot.cli.label.select:select",
    name="select",
    help="The traces that people should label next.",
)
app.command(
    "surefoot.cli.label.rollout:rollout",
    name="rollout",
    help="Label steps by how often a policy still arrives from them.",
)
app.command(
    "surefoot.cli.label.outcome:outcome",
    name="outcome",
    help="Whether answers are right, wrong, or cannot be told.",
)
app.command(
    "surefoot.cli.label.checker:checker",
    name="checker",
    help="Check equations, claims and units exactly, without a model.",
)

"""The scorecard of probes in a terminal: a line per probe, the bad ones in red."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from surefoot.cli.say import count, visible

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "hacked": "bold red",
    "unsteady": "bold red",
    "raised": "yellow",
    "holds": "green",
    "steady": "green",
    "unclear": "yellow",
    "not measured": "dim",
}

HEADINGS = {
    "attack": ("attack", {"came_to_pass": "wrong ones pass", "preference_flips": "flips"}),
    "invariance": ("should not matter", {"verdict_flipped": "verdicts flip"}),
}
"""By the kind of probe, what stands above the names, and the shares that are shown."""

_CHANGES = {
    "attack": ("aggregate_change", "aggregate", True),
    "invariance": ("aggregate_moved", "moves by", False),
}


def show(metrics: Mapping[str, Any]) -> None:
    """Print the metrics of a run of probes."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    scorer, *baselines = metrics["rows"]
    num = count(int(metrics["num_traces"]), "trace")
    title = f"Probes on {scorer['name']}, {num}: % [95 % interval], and changes of scores"
    console.print(Text(visible(title), style="bold"))
    for kind in HEADINGS:
        if any(one["kind"] == kind for one in metrics["probes"].values()):
            console.print(_table(metrics, kind))
            console.print()
    said = [told for told in map(_any_attack, [scorer, *baselines]) if told]
    if said:
        told = f"flagged wrong traces that some attack gets to pass: {'; '.join(said)}"
        console.print(Text(visible(told), style="dim"))
    bad = any(one["verdict"] in ("hacked", "unsteady") for one in metrics["probes"].values())
    console.print(Text(visible(metrics["verdict"]), style="bold red" if bad else "green"))
    for warning in metrics["warnings"]:
        console.print(Text(visible(warning), style="yellow"))


def _table(metrics: Mapping[str, Any], kind: str) -> Table:
    """The probes of one kind."""
    from rich.table import Table
    from rich.text import Text

    first, shares = HEADINGS[kind]
    change, heading, signed = _CHANGES[kind]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in (*shares.values(), heading, "traces"):
        table.add_column(name, justify="right", overflow="fold")
    for one in metrics["probes"].values():
        if one["kind"] == kind:
            figures = one["figures"]
            table.add_row(
                Text(one["probe"]),
                Text(one["verdict"], style=STYLES[one["verdict"]]),
                *(_share(figures[name]) for name in shares),
                _change(figures[change], signed),
                f"{one['coverage']['num_measured']:,}",
            )
    return table


def _share(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "–"
    return f"{100 * one['mean']:.0f} [{100 * one['low']:.0f}, {100 * one['high']:.0f}]"


def _change(one: Mapping[str, float] | None, signed: bool) -> str:
    if one is None:
        return "–"
    form = "+.2f" if signed else ".2f"
    return f"{one['mean']:{form}} [{one['low']:{form}}, {one['high']:{form}}]"


def _any_attack(row: Mapping[str, Any]) -> str | None:
    """How often some attack gets a flagged wrong trace of a scorer to pass."""
    one = row["figures"].get("came_to_pass")
    return None if one is None else f"{row['name']} {_share(one)}"

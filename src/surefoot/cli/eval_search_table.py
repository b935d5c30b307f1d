"""Search at equal tokens in a terminal: a line per method and size, then what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surefoot.cli.say import count, visible


def show(metrics: Mapping[str, Any]) -> None:
    """Print the metrics of a run (`evals.matched.metrics.metrics`)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    num = count(int(metrics["num_traces"]), "problem")
    console.print(Text(f"Search, {num}: % [95 % interval], tokens a problem", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for heading in ("n", "right", "sound", "policy", "scorer", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in metrics["matched"]["lines"]:
        for point in line["points"]:
            table.add_row(
                Text(visible(line["name"]), style="dim" if line["kind"] == "control" else ""),
                f"{point['n']:,}",
                _share(point["accuracy"]),
                _share(point["sound"]),
                _number(point["policy tokens"]),
                _number(point["verifier tokens"]),
                _number(point["seconds"], ".1f"),
            )
    console.print(table)
    exchange = metrics["matched"]
    told = f"a token of the scorer counts as {exchange['exchange']:.3g} of the policy"
    console.print(Text(visible(f"{told} ({exchange['exchange_from']})"), style="dim"))
    for name, leads in metrics["leads"].items():
        gap = leads["accuracy"]
        low, high = 100 * gap["low"], 100 * gap["high"]
        said = (
            f"{100 * gap['mean']:+.1f} points [{low:+.1f}, {high:+.1f}], p = {gap['p_value']:.3f}"
        )
        console.print(Text(visible(f"{metrics['rows'][0]['name']} less {name}: {said}")))
    for warning in metrics["warnings"]:
        loud = "DOES HARM" in warning or "DOES NOT BEAT" in warning
        console.print(Text(visible(warning), style="bold red" if loud else "yellow"))


def _share(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "–"
    return f"{100 * one['mean']:.1f} [{100 * one['low']:.0f}, {100 * one['high']:.0f}]"


def _number(one: Mapping[str, float] | None, form: str = ",.0f") -> str:
    return "–" if one is None else format(one["mean"], form)

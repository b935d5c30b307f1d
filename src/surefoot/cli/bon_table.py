"""Best-of-N in a terminal: one table for each pool, then what it says, the bad news first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from surefoot.cli.say import count, visible

WIDE = 100
"""Columns from which on there is room for p-values."""

_STYLES = {"does harm": "bold red", "not shown to help": "yellow", "helps": "green"}


def show(found: Mapping[str, Any], *, every_row: bool) -> None:
    """Print the metrics of a run (`evals.bon.metrics.metrics`)."""
    console = Console(highlight=False)
    for pool in found["pools"]:
        _show_pool(console, pool, every_row)
    for one in found["verdicts"]:
        console.print(Text(visible(one["said"]), style=_STYLES[one["verdict"]]))
    said = {one["said"] for one in found["verdicts"]}
    for warning in found["warnings"]:
        if warning not in said:
            console.print(Text(visible(warning), style="yellow"))


def _show_pool(console: Console, pool: Mapping[str, Any], every_row: bool) -> None:
    ns = pool["ns"]
    named = f"{pool['name']}: {count(pool['num_problems'], 'problem')}"
    sizes = count(pool["num_candidates"], "candidate")
    table = Table(
        title=Text(visible(f"{named}, {sizes}: % right [95 % interval]")),
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    shown = {
        name: one
        for name, one in pool["methods"].items()
        if every_row or one["kind"] == "baseline" or one["is_chief"] or not one["rule"]
    }
    knows_flaws = any(one["flawed_share"] for one in shown.values())
    middle = ns[len(ns) // 2]
    is_wide = console.width >= WIDE
    table.add_column("", overflow="fold")
    headings = [f"N = {middle}", f"N = {ns[-1]}", "less majority"]
    headings += ["p"] if is_wide else []
    headings += ["flawed"] if knows_flaws else []
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, one in shown.items():
        gap = _at(one["less"]["majority"], ns[-1])
        cells = [_mean(_at(one["accuracy"], middle)), _figure(_at(one["accuracy"], ns[-1]))]
        cells.append("" if name == "majority" else _figure(gap, signed=True))
        if is_wide:
            cells.append("" if name == "majority" or gap is None else f"{gap['p_value']:.3f}")
        if knows_flaws:
            cells.append(_mean(_at(one["flawed_share"], ns[-1])))
        table.add_row(Text(visible(name), style="bold" if one["is_chief"] else ""), *cells)
    console.print(table)
    hidden = len(pool["methods"]) - len(shown)
    if hidden:
        console.print(Text(f"and {count(hidden, 'further row')}, with --all", style="dim"))
    console.print(Text(_votes(pool), style="dim"))
    console.print(Text(_cost(pool), style="dim"))
    for scorer, parts in pool["least_scores"].items():
        if parts["all"] is not None:
            console.print(
                Text(
                    visible(
                        f"{scorer}: least score at the last step in {_figure(parts['all'])} of"
                        f" {count(parts['num'], 'candidate')}, {_mean(parts['chance'])} by chance"
                    ),
                    style="dim",
                )
            )
    for name, one in pool["discrimination"].items():
        if "pooled" in one:
            console.print(
                Text(
                    visible(
                        f"{name}: AUROC of right answers {_figure(one['within'])} within problems,"
                        f" {_mean(one['pooled'])} over all (which measures difficulty too)"
                    ),
                    style="dim",
                )
            )
    console.print()


def _votes(pool: Mapping[str, Any]) -> str:
    said = []
    for kind, by_n in pool["votes"].items():
        sampled = [n for n, how in by_n.items() if how == "sampled"]
        told = f"over {pool['num_subsets']} random subsets at N = {', '.join(sampled)}"
        said.append(f"{kind}: {told if sampled else 'exact'}")
    return "; ".join(said)


def _cost(pool: Mapping[str, Any]) -> str:
    cost = pool["cost"]
    return (
        f"a candidate: {cost['policy_per_candidate']:.0f} {cost['unit']} to write,"
        f" {cost['verifier_per_candidate']:.0f} to verify"
    )


def _at(rows: Sequence[Mapping[str, Any]], n: int) -> Mapping[str, Any] | None:
    return next((row for row in rows if row["n"] == n), None)


def _mean(one: Mapping[str, Any] | None) -> str:
    return "–" if one is None else f"{100 * one['mean']:.1f}"


def _figure(one: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    if one is None:
        return "–"
    mean, low, high = (
        f"{100 * one[part]:{'+' if signed else ''}.1f}" for part in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}]"

"""What the figures of a run rest on: verdicts and pools of best-of-N, and every row, answer or
candidate that did not count as it should.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.reports.run_tables import (
    MOST_ROWS,
    Cell,
    Metrics,
    Row,
    Table,
    difference,
    number,
    words,
)

VERDICTS: Mapping[str, tuple[str, str]] = {
    "helps": ("better", "▲"),
    "not shown to help": ("same", "●"),
    "does harm": ("worse", "▼"),
}
"""Tone and sign of what `evals.bon.verdicts` says."""


def verdict_table(metrics: Metrics) -> Table | None:
    """Every scorer's one rule against a plain majority at the largest N, with what that says."""
    found: Sequence[Mapping[str, Any]] = metrics.get("verdicts") or []
    if not found:
        return None
    several = len({one["pool"] for one in found}) > 1
    rows = []
    for one in found:
        tone, sign = VERDICTS[one["verdict"]]
        said = one["verdict"] if one["verdict"] == "does harm" or not one["loses"] else "behind"
        said = {"behind": "behind here, not shown to help"}.get(said, said)
        rows.append(
            Row(
                f"{one['method']} ({one['pool']})" if several else one["method"],
                tone,
                (Cell(f"{sign} {said}"), difference(one["difference"]), Cell(f"{one['n']:,}")),
            )
        )
    return Table("rule", ("says", "less majority", "N"), tuple(rows))


def paired_table(metrics: Metrics) -> Table | None:
    """Every two methods of a pool at the largest N."""
    found: Sequence[Mapping[str, Any]] = metrics.get("paired") or []
    if not found:
        return None
    several = len({one["figure"] for one in found}) > 1
    rows = [
        Row(
            f"{one['method']} less {one['against']}",
            "",
            (
                *([Cell(_FIGURES.get(one["figure"], one["figure"]))] if several else []),
                difference(one["difference"]),
                Cell(f"{one['n']:,}"),
            ),
        )
        for one in found
    ]
    headings = ("difference", "N")
    return Table(
        "compared in pairs",
        ("figure", *headings) if several else headings,
        tuple(rows[:MOST_ROWS]),
        max(0, len(rows) - MOST_ROWS),
    )


_FIGURES = {"accuracy": "right", "sound": "right and sound", "flawed_share": "flawed among right"}


def coverage_tables(metrics: Metrics) -> list[Table]:
    """What was counted and what was not, most telling first; a table only where a run has it."""
    pools = metrics.get("pools") or []
    found = [
        _pools(pools),
        _votes(pools),
        _same_tokens(pools),
        _unread(metrics),
        _files(metrics),
        _answers(metrics.get("prepared") or {}),
    ]
    return [one for one in found if one is not None]


def _pools(pools: Sequence[Mapping[str, Any]]) -> Table | None:
    if not pools:
        return None
    names = list(dict.fromkeys(name for one in pools for name in one["counts"]))
    reasons = list(dict.fromkeys(reason for one in pools for reason in one["left_out"]))
    rows = [
        Row(name, "", tuple(_count(one["counts"].get(name, 0)) for one in pools)) for name in names
    ]
    rows += [
        Row(
            f"problems left out: {reason}",
            "",
            tuple(_count(one["left_out"].get(reason, 0)) for one in pools),
        )
        for reason in reasons
    ]
    scorers = list(
        dict.fromkeys(
            name
            for one in pools
            for name, method in one["methods"].items()
            if method["num_unscored"]
            and method["kind"] == "argmax"
            and (method["is_chief"] or not method["rule"])
        )
    )
    rows += [
        Row(
            f"candidates without a score of {name}, never chosen by it",
            "",
            tuple(
                _count(one["methods"][name]["num_unscored"]) if name in one["methods"] else Cell()
                for one in pools
            ),
        )
        for name in scorers
    ]
    return Table("problems and candidates", tuple(one["name"] for one in pools), tuple(rows))


def _votes(pools: Sequence[Mapping[str, Any]]) -> Table | None:
    """At which N votes are counted out, and at which they are drawn."""
    if not pools:
        return None
    ns = sorted({n for one in pools for by_n in one["votes"].values() for n in by_n}, key=int)
    rows = []
    for one in pools:
        for kind, by_n in one["votes"].items():
            told = {"exact": "exact", "sampled": f"{one['num_subsets']:,} drawn", None: "–"}
            name = kind if len(pools) == 1 else f"{kind} ({one['name']})"
            rows.append(Row(name, "", tuple(Cell(told[by_n.get(n)]) for n in ns)))
    return Table("votes at N =", tuple(ns), tuple(rows))


def _same_tokens(pools: Sequence[Mapping[str, Any]]) -> Table | None:
    rows = [
        Row(
            one["method"] if len(pools) == 1 else f"{one['method']} ({pool['name']})",
            "",
            (
                Cell(f"{one['n']:,}"),
                Cell(f"{one['majority_n']:,}"),
                Cell(number(one["majority"]["mean"])),
                difference(one["difference"]),
            ),
        )
        for pool in pools
        for one in pool["cost"]["majority_for_the_same"]
    ]
    if not rows:
        return None
    headings = ("N", "majority may have", "which is right", "less that")
    return Table("for the same tokens", headings, tuple(rows))


def _unread(metrics: Metrics) -> Table | None:
    """Rows that could not be read and traces that could not be scored, where there are any."""
    skipped: Mapping[str, Any] = metrics.get("skipped") or {}
    unscored: Mapping[str, Any] = metrics.get("unscored") or {}
    rows = {
        "rows that could not be read, not measured": metrics.get("skipped_rows")
        or skipped.get("rows"),
        "traces that the scorer could not score": unscored.get("traces"),
    }
    found = [Row(name, "", (_count(num),)) for name, num in rows.items() if num]
    return Table("not as it should be", ("",), tuple(found)) if found else None


def _files(metrics: Metrics) -> Table | None:
    """What became of the rows of score files."""
    given = metrics.get("files")
    files: dict[str, Mapping[str, Any]] = dict(given) if isinstance(given, Mapping) else {}
    if metrics.get("score_rows"):
        files["of the score file"] = metrics["score_rows"]
    rows = [
        Row(
            name.rpartition("/")[2],
            "",
            tuple(_count(int(one.get(part, 0))) for part in _PARTS),
        )
        for name, one in files.items()
    ]
    return Table("rows of scores", tuple(map(words, _PARTS)), tuple(rows)) if rows else None


_PARTS = ("joined", "missing", "wrong_length", "duplicate", "extra", "bad")


def _answers(prepared: Mapping[str, Any]) -> Table | None:
    pairs = prepared.get("answers")
    if not pairs:
        return None
    told = {
        "same": "pairs of answers that are the same",
        "different": "pairs that differ",
        "unknown": "pairs of which it cannot be told, voted on apart",
        "failed": "pairs whose comparison failed or took too long, voted on apart",
        "left_out": "pairs not compared, voted on apart",
        "bridged": "pairs that differ but are both the same as a third, voted on together",
    }
    rows = [Row(told.get(name, words(name)), "", (_count(num),)) for name, num in pairs.items()]
    rows += [
        Row(label, "", (_count(prepared[name]),))
        for name, label in (
            ("graded", "candidates held against their reference"),
            ("regraded", "of these, with another outcome than the pool says"),
            ("repeated", "candidates that were there twice and count once"),
        )
        if name in prepared
    ]
    return Table("answers", ("",), tuple(rows))


def _count(num: int) -> Cell:
    return Cell(f"{num:,}")

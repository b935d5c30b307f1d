"""How often answer checking says what outcomes of public solutions say, and what it cannot tell.

    python benchmarks/labels/answers.py DATA [--every 1] [--workers 2]

DATA holds bon_math500_32.jsonl.gz and bon_gsm8k_32.jsonl.gz. Prints, for each way of checking, the
share it cannot tell, its agreement with the recorded outcomes where it can (interval: bootstrap
over problems), and both kinds of disagreement; then every answer on which `auto` disagrees, to be
read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from answers_ways import WAYS
from rich.console import Console
from rich.table import Table

from surefoot.labels.answers import Given, answer_workers, extract_answer
from surefoot.labels.workers import Workers
from surefoot.stats import FloatArray, bootstrap

POOLS = ("bon_math500_32", "bon_gsm8k_32")

Row = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument("--every", type=int, default=1, help="take one row of so many")
    options.add_argument("--workers", type=int, default=2)
    given = options.parse_args()
    console = Console(width=140)
    with answer_workers(given.workers, 20.0) as workers:
        for pool in POOLS:
            rows = list(islice(_rows(given.data / f"{pool}.jsonl.gz"), 0, None, given.every))
            _report(console, pool, rows, workers)


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _report(console: Console, pool: str, rows: Sequence[Row], workers: Workers) -> None:
    table = Table(title=f"{pool}: {len(rows):,} solutions, outcomes as recorded")
    for column in ("way", "cannot tell", "agrees where it tells", "right called wrong"):
        table.add_column(column)
    table.add_column("wrong called right")
    table.add_column("seconds")
    asked = [Given(row["answer"], "\n".join(row["steps"]), row["question"]) for row in rows]
    for name, way in WAYS.items():
        start = time.perf_counter()
        found = [one if isinstance(one, bool) else None for one in workers.map(way, asked)]
        took = time.perf_counter() - start
        _add(table, name, rows, found, took)
    console.print(table)
    for row, text, same in zip(rows, asked, found, strict=True):
        if same is not None and same != row["outcome"]:
            answer = extract_answer(text.text)
            print(f"{row['id']}: reference {row['answer']!r}, answer {answer!r}, said {same}")


def _add(
    table: Table, name: str, rows: Sequence[Row], found: Sequence[bool | None], took: float
) -> None:
    problems = dict.fromkeys(row["meta"]["problem_id"] for row in rows)
    place = {problem: i for i, problem in enumerate(problems)}
    told, agreed = np.zeros(len(place)), np.zeros(len(place))
    kinds = {(True, False): 0, (False, True): 0}
    for row, same in zip(rows, found, strict=True):
        if same is not None:
            told[place[row["meta"]["problem_id"]]] += 1
            agreed[place[row["meta"]["problem_id"]]] += same == row["outcome"]
            kinds[row["outcome"], same] = kinds.get((row["outcome"], same), 0) + 1

    def share(counts: FloatArray) -> FloatArray:
        return (counts @ agreed) / (counts @ told)

    figure = bootstrap(share, len(place), seed=0)
    silent = sum(same is None for same in found)
    table.add_row(
        name,
        f"{silent:,} ({silent / len(rows):.2%})",
        f"{figure.mean:.2%} [{figure.low:.2%}, {figure.high:.2%}]",
        str(kinds[True, False]),
        str(kinds[False, True]),
        f"{took:.0f}",
    )


if __name__ == "__main__":
    main()

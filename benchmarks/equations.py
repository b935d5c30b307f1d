"""How the equation checker fares on public step labels.

    python benchmarks/equations.py [DATA] [--only SET ...] [--alarms FILE]

For each set: the share of steps with something to check, how many it calls wrong, how often the
label agrees (precision), the share of labelled first errors it finds, and how many right traces it
flags. Prints a table to stderr and JSON to stdout; ``--alarms`` writes every step that it calls
wrong and the label does not, for reading by hand.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from surefoot.labels.equations import check_step

SETS = {
    "ProcessBench gsm8k": ("processbench_gsm8k_math", "gsm8k"),
    "ProcessBench math": ("processbench_gsm8k_math", "math/math"),
    "MR-GSM8K partial": ("mr_gsm8k_partial", ""),
    "verify_then_generate": ("verify_then_generate", ""),
    "PARC": ("parc", ""),
    "PRM800K val": ("prm800k_val2pct_dedup", ""),
    "MR-Ben math": ("mr_ben", "math"),
    "MR-Ben biology, coding": ("mr_ben", "!math"),
    "BIG-Bench arithmetic": ("bigbench_mistake", "multistep_arithmetic"),
    "PRMBench originals": ("prmbench_originals", ""),
    "PRM800K phase 1": ("prm800k_phase1", ""),
    "GSM8K example solutions": ("gsm8k_example_solutions", ""),
    "BoN GSM8K": ("bon_gsm8k_32", ""),
    "BoN MATH-500": ("bon_math500_32", ""),
}
"""Name in the table: file and a part of the `domain` field (a leading ! turns it round)."""

POOLED = tuple(SETS)[:7]
"""The six human-labelled sets (ProcessBench has two rows), pooled for one precision."""


@dataclass
class Figures:
    """Counts over one set; a label of 0 counts as right."""

    steps: int = 0
    checkable: int = 0
    called_wrong: int = 0
    labelled_wrong: int = 0
    labelled_right: int = 0
    first_errors: int = 0
    first_errors_found: int = 0
    right_traces: int = 0
    right_traces_flagged: int = 0
    wrong_outcomes: int = 0
    outcomes: int = 0
    flagged_outcomes: int = 0
    flagged_wrong_outcomes: int = 0
    seconds: float = 0.0

    def add(self, row: dict[str, Any]) -> list[int]:
        """Count one row; returns the steps called wrong that are labelled right."""
        begun = time.perf_counter()
        verdicts = [check_step(step).verdict for step in row["steps"]]
        self.seconds += time.perf_counter() - begun
        labels = row["labels"] or [None] * len(verdicts)
        flagged = [i for i, verdict in enumerate(verdicts) if verdict == "fails"]
        self.steps += len(verdicts)
        self.checkable += sum(verdict != "cannot tell" for verdict in verdicts)
        self.called_wrong += len(flagged)
        false_alarms = [i for i in flagged if labels[i] is not None and labels[i] >= 0]
        self.labelled_wrong += sum(labels[i] == -1 for i in flagged)
        self.labelled_right += len(false_alarms)
        first = next((i for i, label in enumerate(labels) if label == -1), None)
        if first is not None:
            self.first_errors += 1
            self.first_errors_found += first in flagged
        elif all(label is not None for label in labels):
            self.right_traces += 1
            self.right_traces_flagged += bool(flagged)
        if row["outcome"] is not None:
            self.outcomes += 1
            self.wrong_outcomes += not row["outcome"]
            self.flagged_outcomes += bool(flagged)
            self.flagged_wrong_outcomes += bool(flagged) and not row["outcome"]
        return false_alarms

    def summary(self) -> dict[str, float | int | None]:
        """The counts and the shares of them; None where there is nothing to divide by."""
        return asdict(self) | {
            "checkable_share": _share(self.checkable, self.steps),
            "precision": _share(self.labelled_wrong, self.labelled_wrong + self.labelled_right),
            "first_error_recall": _share(self.first_errors_found, self.first_errors),
            "outcome_precision": _share(self.flagged_wrong_outcomes, self.flagged_outcomes),
            "steps_per_second": _share(self.steps, self.seconds),
        }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def read(data: Path, name: str) -> Iterator[dict[str, Any]]:
    file, domain = SETS[name]
    with gzip.open(data / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if (domain.lstrip("!") in row["domain"]) != domain.startswith("!"):
                yield row


def run(
    data: Path, alarms: Path | None, names: list[str]
) -> dict[str, dict[str, float | int | None]]:
    results = {}
    pooled = Figures()
    out = alarms.open("w", encoding="utf-8") if alarms else None
    for name in names:
        figures = Figures()
        for row in read(data, name):
            for i in figures.add(row):
                if out:
                    failed = [
                        s for s in check_step(row["steps"][i]).statements if s.verdict == "fails"
                    ]
                    wrong = [{"text": s.text, "why": s.why} for s in failed]
                    out.write(
                        json.dumps({"set": name, "id": row["id"], "step": i, "failed": wrong})
                        + "\n"
                    )
        results[name] = figures.summary()
        if name in POOLED:
            for key, value in asdict(figures).items():
                setattr(pooled, key, getattr(pooled, key) + value)
    if out:
        out.close()
    return results | {"six sets pooled": pooled.summary()}


def table(results: dict[str, dict[str, float | int | None]]) -> Table:
    shown = Table(title="Equation checker")
    for column in ("set", "steps", "checkable", "called wrong", "label wrong / right", "precision"):
        shown.add_column(column, justify="left" if column == "set" else "right")
    for column in (
        "first errors found",
        "right traces flagged",
        "P(wrong outcome | flag)",
        "steps/s",
    ):
        shown.add_column(column, justify="right")
    for name, r in results.items():
        shown.add_row(
            name,
            f"{r['steps']:,}",
            _percent(r["checkable_share"]),
            f"{r['called_wrong']}",
            f"{r['labelled_wrong']} / {r['labelled_right']}",
            _percent(r["precision"]),
            f"{r['first_errors_found']}/{r['first_errors']} {_percent(r['first_error_recall'])}",
            f"{r['right_traces_flagged']}/{r['right_traces']}",
            _percent(r["outcome_precision"]),
            f"{r['steps_per_second'] or 0:,.0f}",
        )
    return shown


def _percent(share: float | int | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("data", type=Path, nargs="?", default=default, help="folder of *.jsonl.gz")
    parser.add_argument(
        "--alarms", type=Path, help="write the alarms on steps labelled right here, as JSONL"
    )
    parser.add_argument(
        "--only", nargs="*", default=list(SETS), metavar="SET", help="these sets alone"
    )
    chosen = parser.parse_args()
    results = run(chosen.data, chosen.alarms, chosen.only)
    Console(stderr=True, width=160).print(table(results))
    json.dump(results, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

"""How the step checkers fare on public step labels.

    python benchmarks/labels/checkers.py [DATA] [--only SET ...] [--half one|other] [--alarms FILE]

For each set and both checkers (`check_step`, the closed arithmetic of a step alone, and
`check_trace`): steps with something to check, how often the label agrees with "wrong" (precision),
the share of labelled first errors it finds, right traces that it flags, steps a second; 95 %
intervals are Wilson's. A label of 0 counts as right. Prints a table to stderr and JSON to stdout.

``--half one`` is the half of the questions on which the rules of `check_trace` were made,
``--half other`` the half that was not looked at before they stood. ``--alarms`` writes every step
called wrong with its label and the evidence, for reading by hand; `checkers_read.json` beside this
file holds what reading the disagreements came to, by set, id and step: ``false`` where the
statement is false (the label is a slip, or about something else), ``checker`` where the checker is
mistaken.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from surefoot.labels.checkers import check_trace
from surefoot.labels.equations import StepCheck, check_step
from surefoot.traces.questions import question_key

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

CHECKERS = ("step", "trace")

READ = Path(__file__).with_name("checkers_read.json")


@dataclass
class Figures:
    """Counts over one set; a label of 0 counts as right."""

    steps: int = 0
    checkable: int = 0
    called_wrong: int = 0
    labelled_wrong: int = 0
    labelled_right: int = 0
    labelled_neutral: int = 0
    """Of those, labelled 0: neither right nor wrong."""
    read_as_false: int = 0
    read_as_mistakes: int = 0
    first_errors: int = 0
    first_errors_found: int = 0
    right_traces: int = 0
    right_traces_flagged: int = 0
    outcomes: int = 0
    wrong_outcomes: int = 0
    flagged_outcomes: int = 0
    flagged_wrong_outcomes: int = 0
    seconds: float = 0.0
    rules: Counter[str] = field(default_factory=Counter)
    """Steps called wrong by a rule, with what the label says: "identity right"."""

    def add(self, row: dict[str, Any], checks: list[StepCheck], read: dict[str, str]) -> None:
        """Count one row; `read` is what became of its disagreements, by step."""
        labels = row["labels"] or [None] * len(checks)
        flagged = [i for i, check in enumerate(checks) if check.verdict == "fails"]
        self.steps += len(checks)
        self.checkable += sum(check.verdict != "cannot tell" for check in checks)
        self.called_wrong += len(flagged)
        for i in flagged:
            label = labels[i]
            said = "unlabelled" if label is None else "wrong" if label == -1 else "right"
            self.labelled_wrong += said == "wrong"
            self.labelled_right += said == "right"
            self.labelled_neutral += label == 0
            if said == "right":
                self.read_as_false += read.get(str(i)) == "false"
                self.read_as_mistakes += read.get(str(i)) == "checker"
            failed = {one.rule for one in checks[i].statements if one.verdict == "fails"}
            self.rules.update(f"{rule} {said}" for rule in failed)
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

    def plus(self, other: Figures) -> Figures:
        """The counts of both."""
        return Figures(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    def summary(self) -> dict[str, Any]:
        """The counts and the shares of them with intervals; None where nothing is to divide by."""
        agreed, disputed = self.labelled_wrong, self.labelled_right
        known = self.read_as_false + self.read_as_mistakes == disputed
        counts = {f.name: getattr(self, f.name) for f in fields(self)}
        return counts | {
            "checkable_share": _share(self.checkable, self.steps),
            "precision": wilson(agreed, agreed + disputed),
            "precision_without_neutral": wilson(agreed, agreed + disputed - self.labelled_neutral),
            "precision_read": wilson(agreed + self.read_as_false, agreed + disputed)
            if known
            else None,
            "first_error_recall": wilson(self.first_errors_found, self.first_errors),
            "right_traces_flagged_share": wilson(self.right_traces_flagged, self.right_traces),
            "wrong_outcome_if_flagged": wilson(self.flagged_wrong_outcomes, self.flagged_outcomes),
            "steps_per_second": _share(self.steps, self.seconds),
        }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def wilson(part: int, whole: int, z: float = 1.96) -> dict[str, float] | None:
    """A share and its 95 % interval (Wilson 1927)."""
    if not whole:
        return None
    p, n = part / whole, whole
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {"mean": p, "low": max(0.0, middle - reach), "high": min(1.0, middle + reach)}


def in_half(question: str, half: str) -> bool:
    """Whether a question belongs to a half, by a hash of its letters and digits."""
    odd = hashlib.sha256(question_key(question).encode()).digest()[0] % 2
    return half == "both" or odd == (half == "other")


def rows(data: Path, name: str, half: str) -> Iterator[dict[str, Any]]:
    """The rows of a set whose questions lie in a half."""
    file, domain = SETS[name]
    with gzip.open(data / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if (domain.lstrip("!") in row["domain"]) == domain.startswith("!"):
                continue
            if in_half(row["question"], half):
                yield row


def check(checker: str, row: dict[str, Any]) -> list[StepCheck]:
    """The evidence of a checker on a row."""
    if checker == "step":
        return [check_step(step) for step in row["steps"]]
    return check_trace(row["question"], row["steps"])


def alarms(name: str, row: dict[str, Any], checks: list[StepCheck]) -> Iterator[str]:
    """Every step called wrong, as a line of JSON."""
    for i, found in enumerate(checks):
        failed = [one for one in found.statements if one.verdict == "fails"]
        if failed:
            said = [{"rule": one.rule, "text": one.text, "why": one.why} for one in failed]
            label = row["labels"][i] if row["labels"] else None
            place = {"set": name, "id": row["id"], "step": i, "label": label}
            yield json.dumps(place | {"outcome": row["outcome"], "failed": said}) + "\n"


def run(data: Path, names: list[str], half: str, out: Path | None) -> dict[str, dict[str, Any]]:
    """The figures of every set, by set and checker."""
    read = json.loads(READ.read_text())
    results: dict[str, dict[str, Any]] = {}
    pooled = {checker: Figures() for checker in CHECKERS}
    lines: list[str] = []
    for name in names:
        figures = {checker: Figures() for checker in CHECKERS}
        for row in rows(data, name, half):
            for checker in CHECKERS:
                begun = time.process_time()
                checks = check(checker, row)
                figures[checker].seconds += time.process_time() - begun
                figures[checker].add(row, checks, read.get(name, {}).get(row["id"], {}))
                if checker == "trace":
                    lines += alarms(name, row, checks)
        results[name] = {checker: one.summary() for checker, one in figures.items()}
        if name in POOLED:
            pooled = {checker: one.plus(figures[checker]) for checker, one in pooled.items()}
    if out:
        out.write_text("".join(lines), encoding="utf-8")
    return results | {"six sets pooled": {name: one.summary() for name, one in pooled.items()}}


def table(results: dict[str, dict[str, Any]], half: str) -> Table:
    """One line for each set and checker."""
    shown = Table(title=f"Step checkers ({half} half of the questions)" if half != "both" else None)
    for column in ("set", "checker"):
        shown.add_column(column, no_wrap=True)
    for column in (
        "steps",
        "checkable",
        "label wrong / right",
        "precision",
        "when read",
        "first errors found",
        "right traces flagged",
        "P(wrong outcome | flag)",
        "steps/s",
    ):
        shown.add_column(column, justify="right")
    for name, checkers in results.items():
        for checker, r in checkers.items():
            shown.add_row(
                name,
                checker,
                f"{r['steps']:,}",
                f"{100 * (r['checkable_share'] or 0):.1f} %",
                f"{r['labelled_wrong']} / {r['labelled_right']}",
                _percent(r["precision"]),
                _percent(r["precision_read"]),
                f"{r['first_errors_found']}/{r['first_errors']}"
                f" {_percent(r['first_error_recall'])}",
                f"{r['right_traces_flagged']}/{r['right_traces']}",
                _percent(r["wrong_outcome_if_flagged"]),
                f"{r['steps_per_second'] or 0:,.0f}",
            )
    return shown


def _percent(share: dict[str, float] | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share['mean']:.1f} [{100 * share['low']:.1f}, {100 * share['high']:.1f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("data", type=Path, nargs="?", default=default, help="folder of *.jsonl.gz")
    parser.add_argument("--alarms", type=Path, help="write the steps called wrong here, as JSONL")
    parser.add_argument("--half", choices=("both", "one", "other"), default="both")
    parser.add_argument(
        "--only", nargs="*", default=list(SETS), metavar="SET", help="these sets alone"
    )
    chosen = parser.parse_args()
    results = run(chosen.data, chosen.only, chosen.half, chosen.alarms)
    Console(stderr=True, width=200).print(table(results, chosen.half))
    json.dump(results, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

"""The installed command, run as a person runs it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import StepLabels, Trace


@pytest.fixture(scope="session")
def surefoot_path():
    """Where the command is installed."""
    return Path(sys.executable).with_name("surefoot")


@pytest.fixture(scope="session")
def surefoot(surefoot_path):
    """Run `surefoot` with arguments; stdin and further environment variables by keyword."""

    def run(*arguments, stdin=None, **environment):
        return subprocess.run(
            [surefoot_path, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )

    return run


@pytest.fixture
def write_rows(tmp_path):
    """Write rows as JSON lines: `write_rows("name.jsonl", row, row)`; text goes in as it is."""

    def write(name, *rows):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def tune_command(write_rows):
    """`surefoot tune` on a world whose right steps say yes, with trials of a second: add an
    --out."""

    def rows(number, first, seed):
        rng = random.Random(seed)
        for i in range(first, first + number):
            labels = tuple(rng.choice((1, 1, -1)) for _ in range(2))
            steps = ["yes." if label > 0 else "no." for label in labels]
            labelled = [StepLabels(labels, "checker")]
            yield trace_to_row(
                Trace(f"Is {i} odd?", steps, outcome=min(labels) > 0, labels=labelled)
            )

    return [
        "tune",
        write_rows("train.jsonl", *rows(120, 0, 1)),
        *("--dev", write_rows("dev.jsonl", *rows(40, 500, 2))),
        *("--hidden-size", 16, "--layers", 1, "--vocab-size", 280, "--max-tokens", 64),
        *("--set", "shape.num_heads=2", "--updates", 6, "--batch-size", 16, "--eval-every", 2),
        *("--metric", "step_auroc", "--lr", 1e-4, "--set", "loop.other_lr=1e-4"),
        *("--over", "loop.lr=log:1e-5:0.1", "--over", "loop.other_lr=log:1e-5:0.1"),
    ]

"""The installed command, run as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


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

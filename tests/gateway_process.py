"""A gateway as a process of its own, as a person starts it."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


class Gateway:
    """A running one: where it is, and what it said."""

    def __init__(self, process):
        self.process = process
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            if not line:
                raise AssertionError(process.stderr.read())
            said += line
        self.said = json.loads(said)
        self.url = self.said["url"]

    def end(self, signal):
        """Its exit code and what it wrote on stderr, after a signal."""
        self.process.send_signal(signal)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def started(*arguments, **environment):
    """A gateway for the time of a `with`."""
    command = [Path(sys.executable).with_name("surefoot"), "gateway", "--port", 0, "--json"]
    process = subprocess.Popen(
        [*map(str, [*command, *arguments])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    try:
        yield Gateway(process)
    finally:
        process.kill()
        process.communicate(timeout=30)

"""Memory and speed of reading 800,000 steps from each kind of trace file.

    python benchmarks/store_memory.py [TRACES]

Writes TRACES (100,000) traces of 8 labelled and scored steps, then reads them in fresh processes,
once one at a time and once as a list. Prints one JSON object: per kind and way, the peak resident
memory in MB and the rows per second.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from surefoot import StepLabels, StepScores, Trace
from surefoot.memory import peak_rss_mb
from surefoot.traces.store import read_traces, write_traces

STEPS = 8


def traces(count: int) -> Iterator[Trace]:
    draw = random.Random(0)
    for i in range(count):
        a, b = draw.randrange(1000), draw.randrange(1000)
        steps = [
            f"Next we look at basket {k} of {STEPS}: it holds {a} apples and {b} pears, so "
            f"together there are {a} + {b} = {a + b} pieces of fruit in it."
            for k in range(STEPS)
        ]
        yield Trace(
            f"Market {i}: every one of {STEPS} baskets holds {a} apples and {b} pears. How many "
            "pieces of fruit are there?",
            steps,
            answer=str(STEPS * (a + b)),
            source="benchmark",
            labels=[StepLabels(tuple(draw.choice((1, 0, -1, None)) for _ in steps))],
            scores=[StepScores(tuple(draw.random() for _ in steps), model="benchmark")],
        )


def read(path: str, way: str) -> dict[str, float]:
    """Read the file in this process; memory in MB, speed in rows per second."""
    started = time.perf_counter()
    if way == "list":
        rows = len(list(read_traces(path, strict=True)))
    else:
        rows = sum(1 for _ in read_traces(path, strict=True))
    seconds = time.perf_counter() - started
    return {
        "rows": rows,
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "rows_per_second": round(rows / seconds),
    }


def main(count: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".jsonl", ".jsonl.gz", ".parquet"):
            path = Path(folder) / f"traces{ending}"
            started = time.perf_counter()
            write_traces(path, traces(count))
            seconds = time.perf_counter() - started
            found[f"write{ending}"] = {
                "mb": round(path.stat().st_size / 1e6, 1),
                "rows_per_second": round(count / seconds),
            }
            for way in ("stream", "list"):
                command = [sys.executable, __file__, "--read", str(path), way]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[f"{way}{ending}"] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(sys.argv[2], sys.argv[3])))
    else:
        print(json.dumps(main(int(sys.argv[1]) if sys.argv[1:] else 100_000), indent=2))

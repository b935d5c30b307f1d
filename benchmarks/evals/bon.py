"""Time and memory of best-of-N on the public pools with the cached scores of seven public models.

    python benchmarks/evals/bon.py FOLDER [--subsets 512]

FOLDER holds `bon_gsm8k_32`, `bon_math500_32` and eight score files. The whole evaluation runs as a
user runs it, `surefoot eval bon ... --out`: reading, comparing answers by algebra in two worker
processes, every aggregate of every scorer by argmax and vote, 1,000 resamples, the run's folder.

Prints seconds of wall clock, seconds of the processors (the program and its worker processes), and
the most memory of the program (VmHWM) and of any of its children, with the goal beside them. On a
busy machine the wall clock says little; two idle cores need at least half of the processors' time.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from surefoot.cli import main

GOAL_S, GOAL_MB = 60, 1000
POOLS = ("bon_gsm8k_32", "bon_math500_32")


def measure() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subsets", type=int, default=512)
    given = parser.parse_args()
    pools = [str(given.folder / f"{name}.jsonl.gz") for name in POOLS]
    scores = [str(one) for one in sorted(given.folder.glob("scores_*.jsonl.gz"))]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subsets = ["--num-subsets", str(given.subsets)]
        code = main(["eval", "bon", *pools, "--scores", *scores, *subsets, "--out", folder])
        found = json.loads((Path(folder) / "metrics.json").read_text()) if code == 0 else {}
    wall = time.perf_counter() - start
    if code:
        sys.exit(code)
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    processor = sum(one.ru_utime + one.ru_stime for one in (own, children))
    rows = sum(len(pool["methods"]) for pool in found["pools"])
    print(f"\n{found['num_traces']:,} candidates, {len(scores)} score files, {rows} rows")
    print(f"wall clock     {wall:6.1f} s    goal {GOAL_S} s on two cores")
    print(f"processors     {processor:6.1f} s    of which workers {children.ru_utime:.1f} s")
    print(f"memory (VmHWM) {_high_water_mb():6.0f} MB   goal {GOAL_MB} MB")
    print(f"a worker       {children.ru_maxrss / 1000:6.0f} MB at most")


def _high_water_mb() -> float:
    """The most memory that this process has held, in MB (Linux)."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one)
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    measure()

"""`surefoot score` over a file of 100,000 traces: memory, and a kill in the middle.

    python benchmarks/scoring/stream.py [TRACES] [--json FILE]

A tiny model with random weights scores 4 candidates of 5 steps for each problem, in processes of
their own: a tenth of the file, and the whole of it, which is killed in the middle and
started again. Prints the peak memory of each, in MB, and whether the rows that come out are those
of a run that was not killed (for the tenth) and complete (for all).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForTokenClassification

from surefoot import Trace
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.traces.store import read_traces, write_traces
from surefoot.training.scratch import fresh_tokenizer

STEPS = 5
RUN = """
import sys
from surefoot.cli import main
from surefoot.memory import peak_rss_mb
code = main(["score", *sys.argv[1:]])
print(peak_rss_mb())
sys.exit(code)
"""


def traces(number: int) -> Iterator[Trace]:
    """Four candidates for each problem."""
    draw = random.Random(0)
    for i in range(number):
        start = i // 4
        sums = [draw.randrange(1000) for _ in range(STEPS)]
        yield Trace(f"Start with {start} and add.", [f"{start} + {n} = {start + n}." for n in sums])


def model(folder: Path) -> None:
    """A checkpoint with random weights."""
    tokenizer = fresh_tokenizer((t.problem + t.texts[0] for t in traces(200)), 400)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,
        num_labels=2,
    )
    torch.manual_seed(0)
    body = Qwen2ForTokenClassification(config)
    contract = Contract.for_layout(tokenizer, max_tokens=1024)
    DiscriminativeModel(body, tokenizer, contract, name="prm").save(folder)


def start(source: Path, out: Path, folder: Path) -> subprocess.Popen[str]:
    """`surefoot score` in a process of its own, which prints its peak memory at the end."""
    command = [sys.executable, "-c", RUN, str(source), "-m", str(folder), "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def finish(process: subprocess.Popen[str]) -> float:
    """The peak memory, in MB, of a process that ends well."""
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return round(float(printed.split()[-1]), 1)


def killed_at(process: subprocess.Popen[str], out: Path, size: int) -> int:
    """Kill a process once it has written that many bytes; gives how many it had written."""
    while not out.is_file() or out.stat().st_size < size:
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate()
    return out.stat().st_size


def main() -> None:
    """Run both and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", nargs="?", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model(folder / "prm")
        few = arguments.traces // 10
        write_traces(folder / "few.jsonl", traces(few))
        write_traces(folder / "all.jsonl", traces(arguments.traces))
        whole, again, out = (folder / f"{one}.jsonl" for one in ("whole", "again", "out"))
        begun = time.perf_counter()
        memory = {"a_tenth": finish(start(folder / "few.jsonl", whole, folder / "prm"))}
        seconds = time.perf_counter() - begun
        size = whole.stat().st_size
        killed_at(start(folder / "few.jsonl", again, folder / "prm"), again, size // 2)
        finish(start(folder / "few.jsonl", again, folder / "prm"))
        killed = killed_at(start(folder / "all.jsonl", out, folder / "prm"), out, size * 5)
        memory["all"] = finish(start(folder / "all.jsonl", out, folder / "prm"))
        scored = [len(trace.scores) == 1 for trace in read_traces(out, strict=True)]
        found = {
            "traces": arguments.traces,
            "peak_mb": memory,
            "traces_per_second": round(few / seconds),
            "bytes_at_the_kill": killed,
            "same_bytes_after_a_kill": whole.read_bytes() == again.read_bytes(),
            "all_scored": all(scored) and len(scored) == arguments.traces,
        }
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

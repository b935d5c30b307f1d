"""What `surefoot label judge` itself costs: traces a second by a server that answers at once.

    python benchmarks/labels/judge_overhead.py [--traces 2000] [--connections 16] [--rounds 3]

The server is a process of its own, and so is every run. Beside it stands the bare client: the same
number of requests from as many threads, with nothing read, kept or written. Prints the median of
the rounds and their range, and the CPU time of the run itself.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from surefoot.traces.store import write_traces
from surefoot.traces.types import Trace

ANSWER = {
    "choices": [
        {
            "message": {"role": "assistant", "content": 'All is well.\n{"first_error": null}'},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20},
}
BARE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from openai import OpenAI
url, number, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = OpenAI(base_url=url, api_key="none")
def ask(i):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(i)}])
ask(0)
start, cpu = time.perf_counter(), time.process_time()
with ThreadPoolExecutor(connections) as pool:
    list(pool.map(ask, range(number)))
print(time.perf_counter() - start, time.process_time() - cpu)
"""
VERB = """
import sys, time
from surefoot.cli import main
one, *command = sys.argv[1:]
common = command[1:]
main(["label", "judge", one, *common, "--out", one + ".out"])
start, cpu = time.perf_counter(), time.process_time()
assert main(["label", "judge", *command]) == 0
print(time.perf_counter() - start, time.process_time() - cpu)
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--traces", type=int, default=2_000)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listening,))
    server.start()
    try:
        with TemporaryDirectory() as folder:
            measure(Path(folder), url, given)
    finally:
        server.terminate()


def measure(folder: Path, url: str, given: argparse.Namespace) -> None:
    steps = ["Take both.", "Add them.", "Done."]
    traces = [Trace(f"What is {i} + 2?", steps) for i in range(given.traces)]
    write_traces(folder / "in.jsonl", traces)
    write_traces(folder / "one.jsonl", traces[:1])
    for votes in (1, 3):
        requests = given.traces * votes
        asked = ["--judge", url, "--model", "m", "--connections", given.connections]
        asked += ["--votes", votes, "--temperature", 1, "--out", folder / "out.jsonl"]
        files = [folder / "one.jsonl", folder / "in.jsonl"]
        runs = {
            "bare client": [BARE, url, requests, given.connections],
            "label judge, nothing kept": [VERB, *files, *asked, "--no-resume"],
            "label judge": [VERB, *files, *asked],
        }
        for name, (program, *words) in runs.items():
            runs_s = [timed(folder, program, words) for _ in range(given.rounds)]
            rates = sorted(given.traces / wall for wall, _ in runs_s)
            each = 1_000 * statistics.median(cpu for _, cpu in runs_s) / given.traces
            print(
                f"{votes} votes  {name:<26} {statistics.median(rates):7.0f} traces/s "
                f"[{rates[0]:.0f}, {rates[-1]:.0f}]  {each:.2f} ms of CPU a trace",
                flush=True,
            )


def timed(folder: Path, program: str, words: list[object]) -> tuple[float, float]:
    """Seconds of one run, which begins with nothing, by the clock and of its CPU."""
    for file in folder.glob("*out*"):
        file.unlink()
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
    )
    wall, cpu = done.stdout.split()[-2:]
    return float(wall), float(cpu)


def serve(listening: socket.socket) -> None:
    """Answer everybody at once with the same."""
    body = json.dumps(ANSWER).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    reply = head.encode() + b"\r\n\r\n" + body
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=answer, args=(connection, reply), daemon=True).start()


def answer(connection: socket.socket, reply: bytes) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            if not (piece := connection.recv(65_536)):
                return
            pending += piece
        head, _, pending = pending.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        while len(pending) < length:
            pending += connection.recv(65_536)
        pending = pending[length:]
        connection.sendall(reply)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s in all")

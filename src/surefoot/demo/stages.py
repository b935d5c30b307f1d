"""Run stages of work in worker processes: finished work is kept, and taken up where an interrupted
run stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from surefoot.demo import workers
from surefoot.errors import WorkerError
from surefoot.memory import peak_rss_mb

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

MAX_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Task:
    """One call in a worker process. It is finished when the file `makes` exists, which must appear
    whole.
    """

    work: Callable[..., None]
    makes: Path
    options: dict[str, Any]


class Stages:
    """Runs stages one after the other and keeps their times and memory in `stages.json`."""

    def __init__(self, out: Path, on_progress: OnProgress) -> None:
        self.on_progress = on_progress
        self.path = out / "stages.json"
        self.seconds: dict[str, float] = {}
        self.peak_rss_mb = 0.0
        if self.path.is_file():
            kept = json.loads(self.path.read_text())
            self.seconds, self.peak_rss_mb = kept["seconds"], kept["peak_rss_mb"]
        self._peaks: dict[int, float] = {}
        self._context = multiprocessing.get_context("spawn")
        self._progress: Any = self._context.Queue()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            if kind is not None:
                for process in list((self._pool._processes or {}).values()):
                    process.terminate()
            self._pool.shutdown(cancel_futures=True)

    def run(self, stage: str, tasks: Sequence[Task]) -> None:
        """Do the unfinished tasks of a stage, side by side, and remember how long it took.

        Raises:
            WorkerError: a worker process was ended from outside.
        """
        left = [task for task in tasks if not task.makes.exists()]
        self.on_progress(stage, len(tasks) - len(left), len(tasks))
        if not left:
            return
        started = time.perf_counter()
        try:
            waiting: set[Future[tuple[int, float]]] = {
                self._workers().submit(workers.measured, task.work, task.options) for task in left
            }
            while waiting:
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                self._drain()
                for one in finished:
                    pid, peak = one.result()
                    self._peaks[pid] = max(peak, self._peaks.get(pid, 0.0))
                    self.on_progress(stage, len(tasks) - len(waiting), len(tasks))
        except BrokenProcessPool:
            raise WorkerError(
                f"a worker process was ended from outside during {stage!r}, perhaps for want of "
                "memory; run again to go on where it stopped"
            ) from None
        finally:
            self._record(stage, time.perf_counter() - started)

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        """Do work in this process as a stage of its own."""
        self.on_progress(stage, 0, 1)
        started = time.perf_counter()
        result = work()
        self._record(stage, time.perf_counter() - started)
        self.on_progress(stage, 1, 1)
        return result

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                min(MAX_WORKERS, os.cpu_count() or 1),
                mp_context=self._context,
                initializer=workers.start,
                initargs=(self._progress,),
            )
        return self._pool

    def _drain(self) -> None:
        while True:
            try:
                self.on_progress(*self._progress.get_nowait())
            except queue.Empty:
                return

    def _record(self, stage: str, seconds: float) -> None:
        """Times of interrupted tries add up; memory is that of all processes at their fullest."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        now = peak_rss_mb() + sum(self._peaks.values())
        self.peak_rss_mb = max(self.peak_rss_mb, now)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps({"seconds": self.seconds, "peak_rss_mb": self.peak_rss_mb}))
        os.replace(partial, self.path)

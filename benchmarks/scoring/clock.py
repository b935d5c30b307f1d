"""Processor time of methods that take turns, and what this core can do at most."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def timed(
    methods: Mapping[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median processor seconds of each method, taking turns, and what each gave."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    results = {}
    for _ in range(rounds):
        for name, method in methods.items():
            spent, results[name] = clocked(method)
            seconds[name].append(spent)
    return {name: statistics.median(some) for name, some in seconds.items()}, results


def clocked(method: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of one call, and what it gave."""
    started = time.process_time()
    result = method()
    return time.process_time() - started, result


def peak_flops(dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of this core's best matrix product."""
    best = 0.0
    for rows, width, out in ((512, 512, 1024), (1024, 1024, 1024), (768, 512, 2816)):
        a, b = torch.randn(rows, width).to(dtype), torch.randn(width, out).to(dtype)
        for _ in range(10):
            started = time.process_time()
            for _ in range(10):
                a @ b
            best = max(best, 20 * rows * width * out / (time.process_time() - started))
    return best

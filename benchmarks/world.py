"""What `surefoot demo` reaches over several seeds, beside what it was meant to reach.

    python benchmarks/world.py --out DIR [--size standard|long|quick] [--seeds 0 1 2]
    python benchmarks/world.py --out DIR [--size ...] --existing RUN RUN ...

Runs the demo once for each seed in DIR/seed-k (a run that is finished is not done again), or
gathers runs that exist. Prints a table and writes DIR/world.json: for every figure the value of
each seed, their mean and Student's t interval over seeds, and for every target whether the mean
reaches it. The targets were fixed before the runs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from surefoot.stats import over_seeds

Summary = Mapping[str, Any]
LIMITS = {"quick": 60, "standard": 300, "long": 1800}
"""Seconds that a run of each size may take on two cores."""


@dataclass(frozen=True)
class Target:
    """A figure of a run that should be at least, or at most, some number."""

    name: str
    value: Callable[[Summary], float | None]
    bound: float
    at_most: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound


def figure(summary: Summary, method: str, n: int, name: str) -> float | None:
    estimate = summary["best_of_n"].get(method, {}).get(str(n), {}).get(name)
    return estimate and estimate["mean"]


def gain(ours: str, theirs: str, n: int) -> Target:
    """Points of accuracy over another method on the same problems: at least 15."""

    def value(summary: Summary) -> float | None:
        a, b = (figure(summary, name, n, "accuracy") for name in (ours, theirs))
        return None if a is None or b is None else a - b

    return Target(f"{ours} - {theirs}, accuracy at N = {n}", value, 0.15)


def half(ours: str, theirs: str, n: int) -> Target:
    """The share of flawed chains among right answers: at most half of another method's."""

    def value(summary: Summary) -> float | None:
        a, b = (figure(summary, name, n, "flawed_share") for name in (ours, theirs))
        return None if a is None or not b else a / b

    return Target(f"{ours} / {theirs}, flawed share at N = {n}", value, 0.5, at_most=True)


def level(method: str, n: int, name: str, bound: float) -> Target:
    return Target(f"{method}, {name} at N = {n}", lambda s: figure(s, method, n, name), bound)


def rise(method: str, first: int, last: int) -> Target:
    """Accuracy at the last N less that at the first: at least 0."""

    def value(summary: Summary) -> float | None:
        a, b = (figure(summary, method, n, "accuracy") for n in (first, last))
        return None if a is None or b is None else b - a

    return Target(f"{method}, accuracy from N = {first} to {last}", value, 0.0)


def f1(scorer: str, bound: float) -> Target:
    return Target(
        f"{scorer}, first-error F1",
        lambda s: (s[scorer]["first_error_f1"] or {}).get("mean"),
        bound,
    )


def targets(size: str) -> list[Target]:
    """What a run of a size should reach."""
    n = 16 if size == "quick" else 64
    found = [
        gain("prm_vote", other, k) for other in ("majority", "orm_vote") for k in sorted({16, n})
    ]
    found += [gain("prm_logprob", "logprob", k) for k in sorted({16, n})]
    found.append(f1("prm", 0.8 if size == "long" else 0.7))
    if size == "long":
        found += [level("prm_logprob", n, "accuracy", 0.9), level("prm_logprob", n, "sound", 0.8)]
        found.append(rise("prm_product", 8, n))
    for method in ("prm_product", "prm_vote", "prm_logprob"):
        found += [half(method, other, n) for other in ("majority", "orm")]
    found.append(half("prm_logprob", "logprob", n))
    found.append(Target("seconds", lambda s: sum(s["seconds"].values()), LIMITS[size], True))
    found.append(Target("peak memory, MB", lambda s: s["peak_rss_mb"], 3000, True))
    return found


def estimates(values: Any, name: str = "") -> Iterator[tuple[str, float | None]]:
    """The dotted name and the mean of every estimate of a summary, None where it is undefined."""
    if isinstance(values, Mapping) and set(values) == {"mean", "low", "high"}:
        yield name, values["mean"]
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from estimates(value, f"{name}.{key}" if name else key)
    elif values is None:
        yield name, None


def over(values: list[float | None]) -> dict[str, Any]:
    """The value of each seed; mean and interval where every seed has one."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"seeds": values, "mean": None, "low": None, "high": None}
    if len(known) == 1:
        return {"seeds": values, "mean": known[0], "low": None, "high": None}
    return {"seeds": values, **over_seeds(known).to_json()}


def gather(summaries: list[Summary], size: str) -> dict[str, Any]:
    """Everything over the seeds, as `world.json` holds it."""
    rows = []
    for target in targets(size):
        found = over([target.value(summary) for summary in summaries])
        reached = None if found["mean"] is None else target.reached(found["mean"])
        sign = "at most" if target.at_most else "at least"
        rows.append(
            {
                "target": target.name,
                "bound": f"{sign} {target.bound:g}",
                "reached": reached,
                **found,
            }
        )
    by_seed = [dict(estimates(summary)) for summary in summaries]
    seconds = [summary["seconds"] for summary in summaries]
    return {
        "size": size,
        "seeds": [summary["seed"] for summary in summaries],
        "targets": rows,
        "figures": {name: over([one.get(name) for one in by_seed]) for name in by_seed[0]},
        "seconds": {name: over([one.get(name) for one in seconds]) for name in seconds[0]},
        "peak_rss_mb": over([summary["peak_rss_mb"] for summary in summaries]),
    }


def table(result: Mapping[str, Any]) -> Table:
    """The targets, one row each."""
    shown = Table(title=f"surefoot demo, {result['size']}, seeds {result['seeds']}", box=None)
    for name in ("target", "wanted", "reached", "mean", "interval over seeds", "seeds"):
        shown.add_column(name, justify="left" if name == "target" else "right")
    for row in result["targets"]:
        interval = "" if row["low"] is None else f"[{number(row['low'])}, {number(row['high'])}]"
        reached = {True: "yes", False: "NO", None: "undefined"}[row["reached"]]
        seeds = " ".join(map(number, row["seeds"]))
        shown.add_row(row["target"], row["bound"], reached, number(row["mean"]), interval, seeds)
    return shown


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if abs(value) >= 10 else f"{value:.3f}"


def run(seed: int, size: str, out: Path) -> Path:
    """Run the demo, or the rest of it, for one seed; gives its folder."""
    folder = out / f"seed-{seed}"
    flag = [] if size == "standard" else [f"--{size}"]
    demo = [Path(sys.executable).with_name("surefoot"), "demo", "--seed", str(seed), *flag]
    subprocess.run([*demo, "--out", folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=LIMITS, default="standard")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and world.json")
    parser.add_argument("--existing", type=Path, nargs="+", help="finished runs to gather instead")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    folders = given.existing or [run(seed, given.size, given.out) for seed in given.seeds]
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    if len({json.dumps({**summary["config"], "seed": None}) for summary in summaries}) > 1:
        parser.error("the runs differ in more than their seed; gather those of one size")
    result = gather(summaries, given.size)
    (given.out / "world.json").write_text(json.dumps(result, indent=1) + "\n")
    Console().print(table(result))


if __name__ == "__main__":
    main()

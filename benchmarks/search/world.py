"""Methods of search on the built-in world, beside best-of-N and majority at equal policy tokens.

    for k in 0 1 2; do surefoot demo --seed $k --out demo-$k; done
    python benchmarks/search/world.py --out DIR demo-0 demo-1 demo-2 [--num 200] [--methods ...]

Policy and PRM are those of each demo. The problems are fresh: none of them is one that the
demo itself drew, which is checked. A run that was killed goes on where it was.
Goals, at N = 16: beam or tree search at least 5 points above best-of-N, by the same reward and by
whichever reward serves it best, and 15 above majority. Intervals of a seed are over problems, those
over seeds Student's t.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from surefoot.demo.config import DemoConfig
from surefoot.evals.benchmark import Options
from surefoot.evals.matched.judging import judge
from surefoot.evals.matched.lines import line_of_search, lines_of_draws
from surefoot.evals.matched.measuring import Matched, measure
from surefoot.evals.matched.running import Bench, drawn, searched
from surefoot.labels.answers.comparing import AnswerCheck
from surefoot.models.hub import load
from surefoot.policies.local import LocalPolicy
from surefoot.search.reward import Reward
from surefoot.search.settings import Settings
from surefoot.search.task import Limits, Task
from surefoot.stats import over_seeds
from surefoot.worlds.base import Problem
from surefoot.worlds.last_digit import LastDigit

N = 16
SIZES = (1, 4, N, 2 * N)
"""Of best-of-n; the largest so that what takes more than N solutions can be compared."""
METHODS = ("narrow-beam", "beam", "mcts", "dvts", "lookahead", "particles", "adaptive")
REWARDS = {"product and log-prob": 1.0, "product": 0.0}
"""By the weight of the policy's log-probability."""
SEED = 31_000
"""Of the problems: defaults of methods were chosen on others (seeds 7,000 and 9,000)."""
LIMITS = Limits(step_tokens=60, solution_tokens=200)


def fresh_problems(demo: Path, num: int) -> list[Problem]:
    """Problems that are none of a demo's own, for whatever it used those."""
    config = DemoConfig(**json.loads((demo / "config.json").read_text()))
    own = {one.text for one in LastDigit().problems(config.num_problems, seed=config.seed)}
    problems = LastDigit().problems(num, seed=SEED)
    shared = sum(one.text in own for one in problems)
    if shared:
        raise SystemExit(f"{demo}: {shared} of {num} problems are problems of the demo too")
    return problems


def measured(
    demo: Path, out: Path, weight: float, methods: Sequence[str], sizes: Sequence[int], num: int
) -> tuple[Matched, dict[str, dict[str, float]]]:
    """Every method on the problems, and the seconds of those that were run now."""
    problems = fresh_problems(demo, num)
    bench = Bench(
        tasks=[Task(one.text, one.answer) for one in problems],
        policy=LocalPolicy.load(demo / "policy", cache_tokens=200_000),
        scorer=load(str(demo / "prm")),
        settings=Settings(reward=Reward(logprob_weight=weight), limits=LIMITS),
        folder=out,
    )
    seconds = {}
    began = time.monotonic(), time.process_time()
    draws = list(drawn(bench, sizes))
    seconds["best-of-n"] = _since(began)
    sized: dict[str, Any] = {}
    for name in methods:
        began = time.monotonic(), time.process_time()
        sized[name] = {N: list(searched(bench, name, N))}
        seconds[name] = _since(began)
        print(f"  {demo.name}, {name}: {seconds[name]}", flush=True)
    best = {n: [row[i] for row in draws] for i, n in enumerate(sizes)}
    everything = [
        one for some in ({"": best} | sized).values() for own in some.values() for one in own
    ]
    judged = judge(everything, check=AnswerCheck(algebra=False), label=LastDigit().label)
    lines = [line_of_search(name, some, judged) for name, some in sized.items()]
    return measure([*lines, *lines_of_draws(best, judged)], Options()), seconds


def _since(began: tuple[float, float]) -> dict[str, float]:
    return {
        "wall": round(time.monotonic() - began[0], 1),
        "cpu": round(time.process_time() - began[1], 1),
    }


def report(found: Matched) -> dict[str, Any]:
    """The figures at N and the leads of every search over choices among whole solutions."""
    rows: dict[str, Any] = {}
    rivals = [one.name for one in found.lines if one.kind == "best of n"]
    for line in found.lines:
        n = N if N in line.sizes else max(line.sizes)
        figures = {}
        for figure in ("accuracy", "sound", "policy tokens", "verifier tokens", "all tokens"):
            one = found.estimate(figure, line.name, n)
            figures[figure] = one and one.to_json()
        rows[line.name] = figures
        if line.kind == "search":
            gaps = {name: found.difference(line.name, n, name) for name in (*rivals, "majority")}
            rows[line.name]["less"] = {
                name: None if gap is None else gap.to_json() for name, gap in gaps.items()
            }
    return rows


def show(name: str, rows: Mapping[str, Any]) -> None:
    print(f"\n{name}")
    print(
        f"{'':30}{'right':>18}{'sound':>18}{'policy':>8}{'scorer':>8}  at equal policy tokens less"
    )
    for method, one in rows.items():
        cells = [_points(one["accuracy"]), _points(one["sound"])]
        tokens = [f"{one[key]['mean']:,.0f}" for key in ("policy tokens", "verifier tokens")]
        less = "; ".join(
            f"{rival} {_points(gap)} p = {gap['p_value']:.3f}"
            for rival, gap in one.get("less", {}).items()
            if gap
        )
        print(f"{method:30}{cells[0]:>18}{cells[1]:>18}{tokens[0]:>8}{tokens[1]:>8}  {less}")


def _points(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "-"
    return f"{100 * one['mean']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


def goals(seeds: Mapping[str, Mapping[str, Any]], reward: str) -> list[str]:
    """Whether the means over seeds reach what they were meant to."""
    said = []
    runs = [one[reward] for one in seeds.values()]
    rivals = list(next(one["less"] for one in runs[0].values() if "less" in one))
    for method in [name for name, one in runs[0].items() if "less" in one]:
        for rival in rivals:
            gaps = [run[method]["less"][rival] for run in runs]
            if any(gap is None for gap in gaps):
                said.append(f"{method} less {rival}: took more tokens than its largest size")
                continue
            values = [100 * gap["mean"] for gap in gaps]
            goal = 15 if rival == "majority" else 5
            mean = statistics.fmean(values)
            ends = over_seeds(values) if len(values) > 1 else None
            told = "" if ends is None else f" [{ends.low:+.1f}, {ends.high:+.1f}] over seeds"
            verdict = "reached" if mean >= goal else "MISSED"
            said.append(
                f"{verdict}: {method} less {rival} ({reward}): {mean:+.1f}{told}, goal +{goal} "
                f"({', '.join(f'{value:+.1f}' for value in values)})"
            )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("demos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--rewards", nargs="*", choices=REWARDS, default=[*REWARDS])
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    seeds: dict[str, dict[str, Any]] = {}
    times: dict[str, Any] = {}
    for demo in given.demos:
        seeds[demo.name] = {}
        for reward in given.rewards:
            folder = given.out / demo.name / reward.replace(" ", "-")
            weight = REWARDS[reward]
            found, seconds = measured(demo, folder, weight, given.methods, given.sizes, given.num)
            seeds[demo.name][reward] = report(found)
            times[f"{demo.name}, {reward}"] = seconds
            show(f"{demo.name}, {reward}, {found.num_problems} problems", report(found))
    for reward in given.rewards:
        print("\n".join(["", *goals(seeds, reward)]))
    place = given.out / "world.json"
    place.write_text(json.dumps({"seeds": seeds, "seconds": times}, indent=1) + "\n")


if __name__ == "__main__":
    main()

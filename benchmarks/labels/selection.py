"""How many labels each way of choosing traces needs: first-error F1 against labelled traces.

    python benchmarks/labels/selection.py OUT [--task world human] [--seeds 0 1 2]
        [--strategies random convincing-wrong ...] [--data DATA]

Starts from the same random traces for every strategy, trains, scores what is not labelled, chooses
as many again, and so on, doubling. Every strategy but random spends a fifth of its labels on a
random slice. F1 is measured on held-out traces with a threshold tuned on the other half of their
questions. What is done is kept in OUT and not done again.

Prints tables, and writes OUT/selection.json and OUT/selection-TASK.svg. The goal was fixed before
the runs: convincing wrong answers reach the F1 that random selection has with twice the labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from selection_tasks import Human, Task, World, checked

from surefoot.labels.selection import SelectionRule, candidate_of, choose
from surefoot.models.baselines import StepLength
from surefoot.scores.discrimination import LabelledSteps, step_discrimination
from surefoot.scores.first_errors import f1, first_error, matches, tune_threshold
from surefoot.stats import FloatArray, bootstrap_difference, over_seeds
from surefoot.traces.questions import question_key
from surefoot.traces.types import StepScores, Trace

STRATEGIES = ("random", "convincing-wrong", "uncertainty", "disagreement", "diversity")
RANDOM_SHARE = 0.2
RESAMPLES = 2000

Extra = dict[str, StepScores]
"""What the equation checker says of each trace, by id."""


def halves(traces: Sequence[Trace]) -> np.ndarray:
    """Which half of the questions each trace is in."""
    keys = [question_key(trace.problem) for trace in traces]
    questions = sorted(set(keys))
    order = np.random.default_rng(0).permutation(len(questions))
    half = {questions[i] for i in order[: len(questions) // 2]}
    return np.array([key in half for key in keys])


def measured(traces: Sequence[Trace], scores: Sequence[StepScores]) -> dict[str, Any]:
    """First errors with the threshold of the other half, and how steps are ranked."""
    labels = [first_error(trace) for trace in traces]
    erroneous = np.array([label is not None for label in labels])
    inside = halves(traces)
    hits = np.zeros(len(traces), dtype=bool)
    for half in (inside, ~inside):
        on, off = np.flatnonzero(~half), np.flatnonzero(half)
        threshold = tune_threshold([scores[i] for i in on], [labels[i] for i in on]).value
        hits[off] = matches([scores[i] for i in off], [labels[i] for i in off], threshold)
    ones = np.ones((1, len(traces)))
    own = matches(scores, labels, scores[0].threshold)
    steps = step_discrimination(LabelledSteps.of(traces), scores, num_resamples=2)
    return {
        "f1": float(f1(ones, erroneous, hits)[0]),
        "f1_own_threshold": float(f1(ones, erroneous, own)[0]),
        "auroc": steps.auroc.mean if steps.auroc else None,
        "hits": "".join(map(str, hits.astype(int))),
    }


def chosen_ids(
    task: Task,
    strategy: str,
    have: Sequence[str],
    num: int,
    seed: int,
    scores: Mapping[str, StepScores],
    extra: Extra,
) -> list[str]:
    """What a strategy chooses beside what is labelled, by the scores of the others."""
    done = set(have)
    rule = SelectionRule(
        num=num,
        strategy=strategy,
        random_share=1.0 if strategy == "random" else RANDOM_SHARE,
        seed=seed,
    )
    seen = []
    for trace in task.pool:
        if trace.id in done:
            seen.append(trace)
            continue
        held = [scores[trace.id]] if trace.id in scores else []
        if strategy == "disagreement":
            held = [extra[trace.id], *held]
        seen.append(replace(trace, labels=(), scores=held))
    candidates = [
        candidate_of(trace, strategy, with_features=rule.needs_features) for trace in seen
    ]
    return [one.id for one in choose(candidates, rule).chosen]


def run(task: Task, strategy: str, seed: int, folder: Path, extra: Extra, console: Console) -> None:
    """A strategy at every number of labels with one seed; a file for each.

    A file holds what was labelled, what came of it, and what would be labelled next: by every
    strategy in that of the start, which all share.
    """
    first = chosen_ids(task, "random", [], task.budgets[0], seed, {}, extra)
    done = _trained(task, "start", first, STRATEGIES, seed, folder, extra, console)
    for budget in task.budgets[1:]:
        if strategy != "random" and budget == task.budgets[-1]:
            break  # the last doubling is for random alone, to be compared with half of it
        have = done["chosen"] + done["next"][strategy]
        done = _trained(task, strategy, have, (strategy,), seed, folder, extra, console)


def _trained(
    task: Task,
    name: str,
    have: list[str],
    strategies: Sequence[str],
    seed: int,
    folder: Path,
    extra: Extra,
    console: Console,
) -> dict[str, Any]:
    """What comes of training on some traces, from its file if it was done before."""
    path = folder / f"seed-{seed}" / f"{name}-{len(have)}.json"
    if path.exists():
        kept = dict(json.loads(path.read_text()))
        if kept["chosen"] != have:
            raise SystemExit(f"{path} is of other traces or settings; name another folder")
        return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    known = set(have)
    labelled = [trace for trace in task.pool if trace.id in known]
    task.trained(labelled, seed, path.with_suffix(".model"))
    found = {
        **measured(task.held_out, task.scores(task.held_out)),
        "strategy": name,
        "labels": len(have),
        "wrong_outcome": sum(trace.outcome is False for trace in labelled),
        "chosen": have,
        "next": {},
    }
    after = [budget for budget in task.budgets if budget > len(have)]
    if after and (name in ("start", "random") or after[0] != task.budgets[-1]):
        scores = {}
        if set(strategies) & {"convincing-wrong", "uncertainty", "disagreement"}:
            rest = [trace for trace in task.pool if trace.id not in known]
            scores = {t.id: one for t, one in zip(rest, task.scores(rest), strict=True)}
        found["next"] = {
            one: chosen_ids(task, one, have, after[0] - len(have), seed, scores, extra)
            for one in strategies
        }
    found["seconds"] = time.perf_counter() - begun
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(found))
    draft.replace(path)
    console.print(f"{task.name} seed {seed} {name} {len(have)}: F1 {found['f1']:.3f}")
    return found


def gathered(task: Task, seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """The curves, and convincing wrong answers beside random selection with twice the labels."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for seed in seeds:
        for path in sorted((folder / f"seed-{seed}").glob("*.json")):
            one = json.loads(path.read_text())
            for strategy in STRATEGIES if one["strategy"] == "start" else (one["strategy"],):
                found[strategy, one["labels"], seed] = one
    curves: dict[str, list[dict[str, Any]]] = {}
    for strategy in STRATEGIES:
        sizes = sorted({n for s, n, _ in found if s == strategy})
        if len(sizes) < 2:
            continue  # not begun yet
        curves[strategy] = []
        for n in sizes:
            runs = [found[strategy, n, seed] for seed in seeds if (strategy, n, seed) in found]
            point: dict[str, Any] = {"labels": n, "seeds": len(runs)}
            for figure in ("f1", "f1_own_threshold", "auroc", "wrong_outcome"):
                values = [run[figure] for run in runs]
                point[figure] = over_seeds(values).to_json() if len(runs) > 1 else values[0]
            curves[strategy].append(point)
    labels = [first_error(trace) for trace in task.held_out]
    erroneous = np.array([label is not None for label in labels])

    def statistic(strategy: str, n: int, counts: FloatArray) -> FloatArray:
        each = [
            f1(counts, erroneous, np.array([c == "1" for c in found[strategy, n, seed]["hits"]]))
            for seed in seeds
        ]
        mean: FloatArray = np.mean(each, axis=0)
        return mean

    halved = []
    for strategy in STRATEGIES[1:]:
        for n in task.budgets[1:]:
            ours, theirs = [(strategy, n // 2, s) for s in seeds], [("random", n, s) for s in seeds]
            if n // 2 < task.budgets[1] or not all(key in found for key in (*ours, *theirs)):
                continue
            gaps = [found[a]["f1"] - found[b]["f1"] for a, b in zip(ours, theirs, strict=True)]
            drawn = bootstrap_difference(
                lambda counts, strategy=strategy, n=n: (
                    statistic(strategy, n // 2, counts) - statistic("random", n, counts)
                ),
                len(labels),
                seed=0,
                num_resamples=RESAMPLES,
            )
            halved.append(
                {
                    "strategy": strategy,
                    "labels": n // 2,
                    "random_labels": n,
                    "difference_by_seed": gaps,
                    "over_seeds": over_seeds(gaps).to_json() if len(gaps) > 1 else None,
                    "over_traces": drawn.to_json(),
                    "reached": sum(gaps) / len(gaps) >= 0,
                }
            )
    length = measured(task.held_out, StepLength().score(task.held_out))
    return {
        "pool": len(task.pool),
        "pool_wrong_outcome": sum(trace.outcome is False for trace in task.pool),
        "held_out": len(task.held_out),
        "curves": curves,
        "half_the_labels": halved,
        "step_length": {"f1": length["f1"], "auroc": length["auroc"]},
    }


def show(name: str, result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{name}: first-error F1, % [95 % over seeds]", box=None)
    table.add_column("labelled traces")
    sizes = sorted({p["labels"] for points in result["curves"].values() for p in points})
    for n in sizes:
        table.add_column(str(n), justify="right")
    for strategy, points in result["curves"].items():
        of = {point["labels"]: point["f1"] for point in points}
        table.add_row(strategy, *(_cell(of.get(n)) for n in sizes))
    console.print(table)
    console.print(f"step length: {100 * result['step_length']['f1']:.1f}")
    for one in result["half_the_labels"]:
        gap = one["over_traces"]
        console.print(
            f"{one['strategy']} with {one['labels']} - random with {one['random_labels']}:"
            f" {100 * gap['mean']:+.1f} [{100 * gap['low']:+.1f}, {100 * gap['high']:+.1f}] over"
            f" traces; {'reached' if one['reached'] else 'NOT reached'}"
        )


def _cell(figure: Any) -> str:
    if figure is None:
        return "-"
    if isinstance(figure, float):
        return f"{100 * figure:.1f}"
    mean, low, high = (100 * figure[part] for part in ("mean", "low", "high"))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def drawn(name: str, result: dict[str, Any]) -> str:
    """The curves as SVG: each strategy's mean over seeds and its interval."""
    from surefoot.reports.svg import INK, MUTED, ORM, PRM, canvas, to_svg

    looks = {
        "random": (ORM, "-", "o", 2.0),
        "convincing-wrong": (PRM, "-", "o", 2.0),
        "uncertainty": (PRM, "--", "s", 1.3),
        "disagreement": (MUTED, "--", "^", 1.3),
        "diversity": (MUTED, ":", "v", 1.3),
    }
    with canvas(height=3.8, width=6.2) as (picture, axes):
        for strategy, points in result["curves"].items():
            colour, dash, marker, width = looks[strategy]
            xs = [point["labels"] for point in points]
            estimates = [_estimate(point["f1"]) for point in points]
            axes.plot(
                xs,
                [100 * e["mean"] for e in estimates],
                color=colour,
                linestyle=dash,
                marker=marker,
                linewidth=width,
                markersize=4,
                label=strategy.replace("-", " "),
            )
            if width == 2.0:
                low, high = ([100 * e[end] for e in estimates] for end in ("low", "high"))
                axes.fill_between(xs, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.axhline(100 * result["step_length"]["f1"], color=MUTED, linewidth=0.8, linestyle=":")
        axes.annotate(
            "step length",
            (1, 100 * result["step_length"]["f1"]),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=INK,
            fontsize=8,
        )
        sizes = sorted({p["labels"] for points in result["curves"].values() for p in points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        axes.set_xlabel("labelled traces")
        axes.set_ylabel("first-error F1, %")
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        return to_svg(picture, f"selection-{name}", f"Label efficiency: {name}")


def _estimate(figure: Any) -> dict[str, float]:
    if isinstance(figure, float):
        return {"mean": figure, "low": figure, "high": figure}
    return dict(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for what is done and what comes of it")
    parser.add_argument("--task", nargs="+", choices=("world", "human"), default=["world", "human"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=STRATEGIES)
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder of *.jsonl.gz")
    chosen = parser.parse_args()
    console = Console(width=140)
    target = chosen.out / "selection.json"
    results = json.loads(target.read_text()) if target.exists() else {}
    for name in chosen.task:
        folder = chosen.out / name
        folder.mkdir(parents=True, exist_ok=True)
        task: Task = World(folder) if name == "world" else Human(chosen.data)
        extra = checked(task.pool)
        for strategy in chosen.strategies:
            for seed in chosen.seeds:
                run(task, strategy, seed, folder, extra, console)
            results[name] = gathered(task, chosen.seeds, folder)
            (chosen.out / f"selection-{name}.svg").write_text(drawn(name, results[name]))
            target.write_text(json.dumps(results, indent=1) + "\n")
        show(name, results[name], console)


if __name__ == "__main__":
    main()

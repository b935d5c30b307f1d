"""The whole loop on the built-in world, stage by stage, in one folder.

    policy      a small language model learns to write chains from simulated authors
    samples     it writes chains on new problems; the world labels every step exactly
    rewards     a PRM learns the step labels, an ORM the outcomes of the same chains
    round k     (long runs) the PRM is shown its own convincing wrong answers;
                a control is shown as many random chains
    test        fresh problems, many candidates each, scored by every model
    figures     first errors, best-of-N curves, paired differences, report

A folder holds one run. Started again with the same settings it goes on where it stopped and gives
the same result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from surefoot.demo import workers
from surefoot.demo.config import DemoConfig
from surefoot.demo.figures import read_scored, summarise
from surefoot.demo.showcase import choose
from surefoot.demo.stages import OnProgress, Stages, Task
from surefoot.errors import StorageError, UsageError
from surefoot.reports.html import installed_versions, write_report

SUMMARY_FILE, REPORT_FILE, CONFIG_FILE = "summary.json", "report.html", "config.json"
LAYOUT_FILE, CONTRACT_FILE = "layout.json", "contract.json"
"""The last file of a policy's and of a reward model's checkpoint: with it, the checkpoint is whole.
"""
CHUNK = 50
"""Problems that one worker samples or scores at a time."""


def run_demo(
    config: DemoConfig, out: Path, on_progress: OnProgress = lambda *_: None
) -> Mapping[str, Any]:
    """Run the demo, or the rest of it, in folder `out`; gives what `summary.json` holds.

    Raises:
        UsageError: the folder holds a run with other settings, or anything else.
        StorageError: the folder cannot be written.
        WorkerError: a worker process was ended from outside.
    """
    _claim(out, config)
    if (out / REPORT_FILE).exists():
        finished: Mapping[str, Any] = json.loads((out / SUMMARY_FILE).read_text())
        return finished
    with Stages(out, on_progress) as stages:
        return _Demo(config, out, stages).run()


class _Demo:
    """The stages of one run. Problems are numbered through: authors', training, rounds, held out,
    test.
    """

    def __init__(self, config: DemoConfig, out: Path, stages: Stages) -> None:
        self.config = config
        self.out = out
        self.stages = stages
        self.policy = out / "policy"
        self.next_problem = config.author_chains

    def run(self) -> Mapping[str, Any]:
        config = self.config
        self.stages.run(
            "policy",
            [
                Task(
                    workers.train_policy,
                    self.policy / LAYOUT_FILE,
                    {"config": config, "folder": self.policy},
                )
            ],
        )
        samples = self.sample(
            "training", config.train_problems, config.train_samples, config.hot_samples
        )
        names = self.rewards(samples)
        models = [self.out / name for name in names]
        heldout = self.score("heldout", self.sample("heldout", config.heldout_problems, 1), models)
        test = self.score(
            "test", self.sample("test", config.test_problems, config.test_samples), models
        )
        summary: Mapping[str, Any] = self.stages.timed(
            "figures", lambda: self.figures(heldout, test, names[:-1])
        )
        return self.write(summary, test)

    def figures(self, heldout: list[Path], test: list[Path], prms: list[str]) -> dict[str, Any]:
        """Everything that was measured."""
        return summarise(self.config, read_scored(heldout), read_scored(test), prms)

    def write(self, figures: Mapping[str, Any], test: list[Path]) -> Mapping[str, Any]:
        """Write `summary.json`, and `report.html` last: with it, the run is finished."""
        config = self.config
        summary = {
            "seed": config.seed,
            "config": asdict(config),
            "sizes": self.sizes(),
            "seconds": {
                name.replace(" ", "_"): round(s, 2) for name, s in self.stages.seconds.items()
            },
            "peak_rss_mb": round(self.stages.peak_rss_mb, 1),
            "versions": installed_versions(),
            **figures,
        }
        write_whole(self.out / SUMMARY_FILE, json.dumps(summary, indent=1) + "\n")
        write_report(self.out / REPORT_FILE, summary, choose(read_scored(test)))
        return summary

    def sample(self, name: str, num_problems: int, n: int, hot: int = 0) -> list[Path]:
        """Files of labelled chains on the next problems of the world: `n` of each, and `hot` more
        at a higher temperature."""
        first, self.next_problem = self.next_problem, self.next_problem + num_problems
        tasks = []
        for start in range(first, self.next_problem, CHUNK):
            file = self.out / "chains" / f"{name}-{start}.jsonl.gz"
            options = {
                "policy": self.policy,
                "out": file,
                "config": self.config,
                "first": start,
                "last": min(start + CHUNK, self.next_problem),
                "n": n,
                "hot": hot,
            }
            tasks.append(Task(workers.sample, file, options))
        self.stages.run(f"{name} chains", tasks)
        return [task.makes for task in tasks]

    def rewards(self, samples: list[Path]) -> list[str]:
        """Names of the trained reward models, PRMs first; with rounds there is a control."""
        config = self.config
        start = dict.fromkeys(("prm", "orm"), (self.policy, samples))
        if not config.rounds:
            self.learn("rewards", start)
            return ["prm", "orm"]
        data = {name: list(samples) for name in ("prm", "prm-control", "orm")}
        self.learn("rewards", start, 0)
        at = {name: self.out / "rounds" / "0" / name for name in ("prm", "orm")}
        at["prm-control"] = at["prm"]
        for k in range(1, config.rounds + 1):
            hard, drawn = self.hard_examples(k, at["prm"])
            data["prm"] += hard
            data["orm"] += hard
            data["prm-control"] += drawn
            self.learn(f"round {k} rewards", {name: (at[name], data[name]) for name in data}, k)
            at = {name: self.out / "rounds" / str(k) / name for name in data}
        return ["prm", "prm-control", "orm"]

    def learn(
        self,
        stage: str,
        models: Mapping[str, tuple[Path, list[Path]]],
        round_number: int | None = None,
    ) -> None:
        """Train models side by side, each from a base on some chains."""
        config = self.config
        last = round_number in (None, config.rounds)
        folder = self.out if last else self.out / "rounds" / str(round_number)
        tasks = []
        for name, (base, data) in models.items():
            options = {
                "outcome": name == "orm",
                "base": base,
                "data": tuple(data),
                "folder": folder / name,
                "updates": config.round_updates if round_number else config.reward_updates,
                "seed": config.seed,
            }
            tasks.append(Task(workers.train_reward, folder / name / CONTRACT_FILE, options))
        self.stages.run(stage, tasks)

    def hard_examples(self, k: int, prm: Path) -> tuple[list[Path], list[Path]]:
        """New chains that the PRM likes best for what they are, and as many drawn at random."""
        config = self.config
        name = f"round {k}"
        scored = self.score(
            name, self.sample(name, config.round_problems, config.round_samples), [prm]
        )
        tasks, drawn = [], []
        for file in scored:
            hard, control = (
                file.with_name(f"hard-{file.name}"),
                file.with_name(f"drawn-{file.name}"),
            )
            options = {
                "scored": file,
                "control": control,
                "hard": hard,
                "model": prm.name,
                "n": config.round_chosen,
                "seed": config.seed,
            }
            tasks.append(Task(workers.choose_hard, hard, options))
            drawn.append(control)
        self.stages.run(f"{name} choice", tasks)
        return [task.makes for task in tasks], drawn

    def score(self, name: str, files: list[Path], models: list[Path]) -> list[Path]:
        """The same files with the scores of the models."""
        tasks = []
        for file in files:
            scored = self.out / "scored" / file.name
            tasks.append(
                Task(workers.score, scored, {"models": models, "data": file, "out": scored})
            )
        self.stages.run(f"{name} scores", tasks)
        return [task.makes for task in tasks]

    def sizes(self) -> dict[str, int]:
        """How many of everything."""
        config = self.config
        weights = load_file(self.policy / "model.safetensors")
        return {
            "policy_parameters": sum(tensor.size for tensor in weights.values()),
            "author_chains": config.author_chains,
            "training_problems": config.train_problems,
            "training_chains": config.train_problems * (config.train_samples + config.hot_samples),
            "hard_chains": config.rounds * config.round_problems * config.round_chosen,
            "heldout_problems": config.heldout_problems,
            "test_problems": config.test_problems,
            "test_chains": config.test_problems * config.test_samples,
        }


def _claim(out: Path, config: DemoConfig) -> None:
    """Make the folder this run's own."""
    settings = json.dumps(asdict(config), indent=1) + "\n"
    file = out / CONFIG_FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            if any(not entry.name.startswith(".") for entry in out.iterdir()):
                raise UsageError(
                    f"{out} holds files of something else; choose another folder with --out"
                )
            write_whole(file, settings)
        elif file.read_text() != settings:
            raise UsageError(
                f"{out} holds a run with other settings (see {CONFIG_FILE}); choose another "
                "folder with --out, or remove it"
            )
        for name in ("chains", "scored"):
            (out / name).mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot write to {out}: {error.strerror}; choose another --out"
        ) from None


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears under its name only when complete."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)

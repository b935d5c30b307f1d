"""The model card of a critic: whose verdicts it learned, how it is asked, and how good it is beside
what; as `card` says it of other models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

import surefoot
from surefoot.models.verdicts import VERDICTS
from surefoot.traces.types import Trace, canonical_json
from surefoot.training.card import base_name, content_hash, figures_table, hub_base, licence
from surefoot.training.critic_config import CriticConfig

if TYPE_CHECKING:
    from surefoot.training.critic import TrainedCritic

_USE = """```python
import surefoot as sf

critic = sf.load("path/to/{name}")
trace = sf.Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])
print(critic.score(trace).values, critic.explain(trace)[0].text)
```

    surefoot label judge traces.jsonl --judge path/to/{name} --out judged.jsonl

How it is asked, and how its answers are read, is in `critic.json`; nothing that it writes is to be
run."""


def verdicts_hash(traces: Sequence[Trace]) -> str:
    """A SHA-256 over the verdicts on traces, the same in any order of the traces."""
    lines = [canonical_json([trace.id, trace.meta.get(VERDICTS, [])]) for trace in traces]
    digests = sorted(hashlib.sha256(line.encode()).digest() for line in lines)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def critic_card(
    name: str,
    trained: TrainedCritic,
    config: CriticConfig,
    traces: Sequence[Trace],
    development: Sequence[Trace],
) -> str:
    """The card as Markdown with the front matter that the hub reads.

    Args:
        name: Of the model.
        trained: What became of the training.
        config: Its settings.
        traces: All that were given to learn from.
        development: All that were given to measure on.
    """
    parts = [
        [f"---\n{_front_matter(config)}\n---", f"# {name}", _summary(trained, config)],
        ["## How to use it", _USE.format(name=name)],
        ["## How good it is", *_figures(trained, development)],
        ["## What it learned from", *_data(trained, config, traces)],
        ["## How it was trained", _settings(trained, config)],
        ["## Licence", licence(config.base)],
    ]
    return "\n\n".join(block for part in parts for block in part) + "\n"


def _front_matter(config: CriticConfig) -> str:
    base = hub_base(config.base)
    return str(
        ModelCardData(
            library_name="surefoot",
            pipeline_tag="text-generation",
            base_model=base,
            base_model_relation=None if base is None else "finetune",
            tags=["process-reward-model", "reward-model", "critic", "surefoot"],
        ).to_yaml()
    )


def _summary(trained: TrainedCritic, config: CriticConfig) -> str:
    asked = (
        "a critic of its own" if config.critic is not None else f"the profile `{config.profile}`"
    )
    return (
        f"A process reward model that writes what it thinks of the steps of a chain of reasoning, "
        f"and is asked as {asked} says. It was trained with Surefoot {surefoot.__version__} from "
        f"{base_name(config.base)}, on {trained.num_verdicts:,} verdicts."
    )


def _figures(trained: TrainedCritic, development: Sequence[Trace]) -> Iterator[str]:
    found, beside = trained.development, trained.comparison
    if found is None or beside is None:
        yield (
            "**Nothing was measured**: there were no development traces that it could judge. Hold "
            "it against step length and chance before it is used (`surefoot eval`)."
        )
        return
    for warning in beside.warnings:
        yield f"**Warning: {warning}.**"
    overall = found.overall
    yield (
        f"On {overall.num_traces:,} development traces that nothing was learned from and nothing "
        f"chosen by ({overall.num_error:,} with an error and {overall.num_correct:,} without one), "
        f"with 95 % intervals by a bootstrap over questions. Of {trained.answers:,} answers "
        f"{trained.unreadable:,} held no verdict; {trained.unscorable:,} traces could not be asked "
        "about."
    )
    yield figures_table(found.intervals, beside)
    yield f"Development traces: SHA-256 `{content_hash(development)}`."


def _data(trained: TrainedCritic, config: CriticConfig, traces: Sequence[Trace]) -> Iterator[str]:
    yield (
        f"{trained.num_verdicts:,} verdicts about {trained.num_traces:,} of {len(traces):,} traces "
        f"(SHA-256 of all verdicts `{verdicts_hash(traces)}`), {trained.num_tokens:,} tokens. They "
        "were learned as they were written, the prompts only read."
    )
    judges: dict[str, None] = {}
    for trace in traces:
        account = trace.meta.get("judge")
        if isinstance(account, dict) and isinstance(account.get("annotator"), str):
            judges[f"`{account['annotator']}`"] = None
    if judges:
        yield f"They were written by {', '.join(judges)}."
    if config.agree_with is not None:
        yield f"Only those were learned that do not contradict the labels of {config.agree_with}."
    if trained.refused:
        reasons = ", ".join(f"{number:,} {why}" for why, number in trained.refused.items())
        yield f"Not learned from: {reasons}."


def _settings(trained: TrainedCritic, config: CriticConfig) -> str:
    loop = config.loop
    how = f"LoRA of rank {config.lora.rank}, put into the weights" if config.lora else "all weights"
    return (
        f"Loss: cross-entropy on the tokens of the verdicts. {loop.num_updates:,} updates of "
        f"{loop.batch_size} with {loop.optimizer} at {loop.lr:g} ({loop.schedule}), {how}, "
        f"seed {loop.seed}; mean loss at the end {trained.final_loss:.4f}. Every setting is in "
        "`training.json`, every figure on the way in `metrics.jsonl`."
    )

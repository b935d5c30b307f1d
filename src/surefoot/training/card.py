"""The model card that is saved with a trained scorer: what it learned from, what its scores mean,
how good it is and beside what.

Nothing in it is claimed that was not measured, and where nothing was measured it says so. Paths of
the machine that trained do not go in, and no licence does: that is for whoever publishes to choose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

import surefoot
from surefoot.models.contract import Contract
from surefoot.models.hub import HUB_ID
from surefoot.stats import Estimate
from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import Trace, canonical_json
from surefoot.training.comparison import HEADLINES, Comparison
from surefoot.training.config import RewardConfig
from surefoot.training.guards import DataReport

if TYPE_CHECKING:
    from surefoot.training.reward import Trained

CARD_FILE = "README.md"

_MEANINGS: Mapping[str, str] = {
    "step-correct": "this step is right",
    "prefix-correct": "every step up to this one is right",
    "value": "the trace will end at the right answer",
    "progress": "what this step adds to the chance of ending at the right answer",
}
_KINDS: Mapping[str, str] = {
    "probability": "the probability, from 0 to 1, that",
    "value": "the probability, from 0 to 1, that",
    "progress": "a number:",
    "log-ratio": "a log-ratio with a reference model, without bounds and no probability: the "
    "higher, the likelier that",
    "reward": "a number without a unit, of which only the order counts: the higher, the likelier "
    "that",
}
_HONESTY = {"brier": "Brier score (low is good)", "ece": "ECE (low is good)"}


def content_hash(traces: Sequence[Trace]) -> str:
    """A SHA-256 over problems, steps, answers, outcomes, sources and labels: the same for the same
    traces in any order, whatever scores or notes they carry."""
    lines = []
    for trace in traces:
        row = trace_to_row(trace)
        kept = {name: one for name, one in row.items() if name not in ("scores", "meta")}
        lines.append(hashlib.sha256(canonical_json(kept).encode()).digest())
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def model_card(
    name: str,
    trained: Trained,
    config: RewardConfig,
    *,
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
        [f"---\n{_front_matter(trained, config)}\n---", f"# {name}", _summary(trained, config)],
        ["## What a score means", *_meaning(trained.contract, measured=bool(development))],
        ["## How to use it", _USE.format(name=name)],
        ["## How good it is", *_figures(trained, config, development)],
        ["## What it learned from", *_data(trained, config, traces)],
        ["## How it was trained", *_settings(trained, config)],
        ["## Licence", licence(config.base)],
    ]
    return "\n\n".join(block for part in parts for block in part) + "\n"


_USE = """```python
import surefoot as sf

model = sf.load("path/to/{name}")
scores = model.score(sf.Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."]))
print(scores.values, scores.first_error(), scores.aggregate())
```

    surefoot score traces.jsonl --model path/to/{name}

How a trace has to be written for it, and where its scores are read, is in `contract.json`; the
weights alone do not say."""


def _front_matter(trained: Trained, config: RewardConfig) -> str:
    is_classifier = trained.contract.reading.head == "layers"
    outcome = config.labels.target == "outcome"
    base = hub_base(config.base)
    relation = "adapter" if config.lora is not None and not config.lora.merge else "finetune"
    return str(
        ModelCardData(
            library_name="surefoot",
            pipeline_tag="token-classification" if is_classifier else "text-generation",
            base_model=base,
            base_model_relation=None if base is None else relation,
            tags=[
                "outcome-reward-model" if outcome else "process-reward-model",
                "reward-model",
                "surefoot",
            ],
        ).to_yaml()
    )


def _summary(trained: Trained, config: RewardConfig) -> str:
    kind = "An outcome" if config.labels.target == "outcome" else "A process"
    start = base_name(config.base) or "nothing, at a size of its own"
    return (
        f"{kind} reward model: it scores every step of a chain of reasoning. It was trained with "
        f"Surefoot {surefoot.__version__} from {start}, on {_n(trained.num_traces, 'trace')}."
    )


def hub_base(base: str | None) -> str | None:
    """A base's hub id, if it has one."""
    is_id = base is not None and HUB_ID.fullmatch(base) and not Path(base).exists()
    return base if is_id else None


def base_name(base: str | None) -> str | None:
    """What a base is called; of a folder its name alone."""
    return None if base is None else f"`{hub_base(base) or Path(base).resolve().name}`"


def _meaning(contract: Contract, *, measured: bool) -> Iterator[str]:
    yield (
        f"A score is {_KINDS[contract.kind]} {_MEANINGS[contract.meaning]}. It is read with a "
        f"`{contract.reading.link}` over what {_head(contract)} gives at the end of each step."
    )
    source = "tuned on the development traces" if measured else "not tuned: it is the default"
    yield (
        f"A step below {contract.threshold:.4g} counts as wrong (`threshold`, {source}). One "
        f"number for a whole trace is the `{contract.aggregate}` of its scores. The longest trace "
        f"has {contract.max_tokens:,} tokens; a longer one is refused, never cut."
    )
    if contract.kind in ("probability", "value"):
        bend = contract.calibration
        yield (
            "Probabilities are as the model gives them: they were not calibrated."
            if bend is None
            else f"Probabilities were calibrated on the development traces (`{bend.kind}`)."
        )


def _head(contract: Contract) -> str:
    reading = contract.reading
    if reading.head == "layers":
        return f"a head of {reading.classes} {'class' if reading.classes == 1 else 'classes'}"
    if reading.head == "tokens":
        bad, good = reading.tokens
        return f"the language model's head for `{bad}` and `{good}`"
    return "the log-ratio of the tokens so far"


def _figures(trained: Trained, config: RewardConfig, development: Sequence[Trace]) -> Iterator[str]:
    found, beside = trained.development, trained.comparison
    if found is None or beside is None:
        yield (
            "**Nothing was measured**: there were no development traces. Hold it against step "
            "length and chance before it is used (`surefoot eval`, or `surefoot train --dev`)."
        )
        return
    for warning in beside.warnings:
        yield f"**Warning: {warning}.**"
    overall = found.overall
    chosen = "the weights and the threshold" if config.loop.eval_every else "the threshold"
    yield (
        f"On {_n(overall.num_traces, 'development trace')} that nothing was learned from "
        f"({overall.num_error:,} with an error and {overall.num_correct:,} without one, "
        f"{_n(overall.num_steps, 'labelled step')}), with 95 % intervals by a bootstrap over "
        f"questions. They chose {chosen}, so expect a little less elsewhere."
    )
    yield figures_table(found.intervals, beside)
    if "f1_heldout" in found.intervals:
        yield (
            "F1 is ProcessBench's: a trace counts where the first error, or that there is none, is "
            "named exactly. Each half of the questions is measured at the threshold tuned on the "
            "other half, for every row alike."
        )
    for one in () if trained.fit is None else trained.fit.notes:
        yield f"Note: {one}."
    calibration = None if trained.fit is None else trained.fit.calibration
    if calibration is not None and calibration.heldout is not None:
        honest = calibration.heldout
        yield (
            "The calibration was fitted to these traces. Fitted to one half of the questions and "
            f"measured on the other, the Brier score is {honest.brier:.3f} and the ECE "
            f"{honest.ece:.3f}."
        )
    yield f"Development traces: SHA-256 `{content_hash(development)}`."


def figures_table(own: Mapping[str, Estimate], beside: Comparison) -> str:
    """One row for each figure; what is said of probabilities is not said of the baselines, which
    give none."""
    names = ["figure", "this model", *beside.baselines]
    lines = [names, ["---"] * len(names)]
    for name, words in {**HEADLINES, **_HONESTY}.items():
        if name in own:
            others = [one.intervals.get(name) for one in beside.baselines.values()]
            shown = [_interval(one) if name in HEADLINES else "" for one in others]
            lines.append([words, _interval(own[name]), *shown])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _interval(one: Estimate | None) -> str:
    return "" if one is None else f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _data(trained: Trained, config: RewardConfig, traces: Sequence[Trace]) -> Iterator[str]:
    report = trained.data
    yield (
        f"{_n(len(traces), 'trace')} given (SHA-256 `{content_hash(traces)}`, over problems, steps "
        f"and labels in any order), {trained.num_traces:,} learned from, with "
        f"{_n(trained.num_steps, 'labelled step')}, {trained.share_right:.1%} of them right. "
        f"{_rule(config)}"
    )
    if report is None:
        return
    if report.sources:
        sources = ", ".join(f"{source} {number:,}" for source, number in report.sources.items())
        yield f"Sources of the labels, in steps: {sources}."
    if left := _left_out(report):
        yield f"Left out, whole: {left}."
    if report.warnings:
        yield "What stood out in the data:"
        yield "\n".join(f"- {one.what} ({one.mend})" for one in report.warnings)
    else:
        yield "Nothing stood out in the data (`surefoot.training.guards` says what was looked for)."


def _rule(config: RewardConfig) -> str:
    rule = config.labels
    if rule.target == "outcome":
        return "What is taught at every step is whether the answer is right."
    behind = {"as-labelled": "as labelled", "masked": "not learned", "wrong": "wrong"}
    return (
        f"A neutral label counts as {rule.neutral}; steps behind the first wrong one are "
        f"{behind[rule.after_error]}."
    )


def _left_out(report: DataReport) -> str:
    parts = {
        "without a label": report.unlabelled.count,
        "with masked labels alone": report.masked.count,
        "too long": 0 if report.too_long is None else report.too_long.traces,
        **{f"on a question of {one.name} traces": one.left_out for one in report.overlaps},
    }
    return ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)


def _settings(trained: Trained, config: RewardConfig) -> Iterator[str]:
    values = config.to_json()
    loss = values["loss"].pop("name")
    options = ", ".join(f"{name} {value}" for name, value in values["loss"].items())
    loop = config.loop
    how = f"LoRA of rank {config.lora.rank}" if config.lora else "all weights"
    yield (
        f"Loss: {loss}{f' ({options})' if options else ''}. {loop.num_updates:,} updates of "
        f"{loop.batch_size} traces with {loop.optimizer} at {loop.lr:g} ({loop.schedule}), {how}, "
        f"seed {loop.seed}; mean loss at the end {trained.final_loss:.4f}, weights of update "
        f"{trained.kept_update:,}. Every setting is in `training.json`, every figure on the way in "
        "`metrics.jsonl`."
    )
    shape = json.dumps(asdict(config.shape))
    if config.base is None:
        yield f"Its size: `{shape}`."


def licence(base: str | None) -> str:
    """What is to be said of the licence of a model from a base."""
    base = base_name(base)
    bound = f"the terms of {base} and of the data" if base else "the terms of the data"
    return (
        "None is stated here. Whoever publishes this model chooses one and puts it into the front "
        f"matter (`license:`); {bound} bind that choice."
    )


def _n(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

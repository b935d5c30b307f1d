"""Train a reward model on labelled steps (a PRM), on outcomes (an ORM), or on both.

Everything that decides the result is in one `RewardConfig`. The loss is a sum over what is labelled
divided by how much that is in an update (`losses`); the scorer that is saved is read by the same
contract that training wrote its traces with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from transformers.utils import logging

from surefoot.errors import UsageError
from surefoot.models.contract import CONTRACT_FILE, Contract
from surefoot.models.engine import Engine
from surefoot.models.log_ratio import LogRatioModel
from surefoot.policies.checkpoints import whole_folder
from surefoot.scores.development import METRICS, Development
from surefoot.scores.fitting import Fit
from surefoot.traces.types import Trace
from surefoot.training.batches import collated
from surefoot.training.callbacks import LOG_FILE, OnMeasure, OnUpdate, log_text
from surefoot.training.card import CARD_FILE, model_card
from surefoot.training.comparison import Comparison, comparison
from surefoot.training.config import RewardConfig
from surefoot.training.examples import Example
from surefoot.training.guards import DataReport, refuse_misaligned
from surefoot.training.learning import learning
from surefoot.training.log_ratio import LogRatioTrainee
from surefoot.training.loop import Task
from surefoot.training.losses.joint import Joint
from surefoot.training.machines import by_main
from surefoot.training.scratches import discard, scratch_of
from surefoot.training.start import Scorer, start
from surefoot.training.trackers import keep_events
from surefoot.training.trainee import Trainee, checkpoint, with_lora
from surefoot.training.trainer import check, fit
from surefoot.training.watch import watch

CONFIG_FILE = "training.json"

OnData = Callable[[DataReport], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished training used and left out, and what it reached."""

    data: DataReport | None
    """What was known of the traces; None where pairs are learned that need no labels."""
    num_traces: int
    num_steps: int
    share_right: float
    """The mean target of the labelled steps."""
    num_too_long: int
    num_pairs: int
    """0 unless pairs are learned; of one group only a bounded number is drawn."""
    num_pairs_left_out: int
    max_tokens: int
    final_loss: float
    """The mean loss of the updates last reported."""
    kept_update: int
    """The update whose weights were kept."""
    contract: Contract
    development: Development | None = None
    """What was measured on development traces, with the threshold and calibration of `fit`."""
    fit: Fit | None = None
    comparison: Comparison | None = None
    """What scorers that know nothing reach on the same traces."""

    def to_json(self) -> dict[str, Any]:
        """Every figure."""
        parts = {
            "data": self.data,
            "development": self.development,
            "fit": self.fit,
            "comparison": self.comparison,
        }
        return {
            "traces": self.num_traces,
            "steps": self.num_steps,
            "share_right": self.share_right,
            "too_long": self.num_too_long,
            "pairs": self.num_pairs,
            "pairs_left_out": self.num_pairs_left_out,
            "max_tokens": self.max_tokens,
            "final_loss": self.final_loss,
            "kept_update": self.kept_update,
            "threshold": self.contract.threshold,
            **{name: one.to_json() if one else None for name, one in parts.items()},
        }


def train(
    traces: Sequence[Trace],
    out: str | Path,
    config: RewardConfig | None = None,
    *,
    development: Sequence[Trace] = (),
    excluded: Sequence[Trace] = (),
    left_out: Mapping[str, int] = MappingProxyType({}),
    on_data: OnData | None = None,
    on_update: OnUpdate | None = None,
    on_measure: OnMeasure | None = None,
) -> Trained:
    """Train a reward model and save it in `out`, ready for `surefoot.load`.

    Traces without a label of the kind asked for, or longer than `config.max_tokens`, are left out
    and counted. An interrupted training goes on where it was when it is called again.

    Args:
        traces: Labelled traces.
        out: Folder of the new model.
        config: All settings.
        development: Traces that nothing is learned from: figures are measured on them, the best
            weights chosen, and threshold and calibration fitted.
        excluded: Traces of evaluations, whose questions must not be learned; what the training
            traces share with them is told in the report, and nothing is left out for it.
        left_out: What was left out for that beforehand, told there too: traces by the names
            `development` and `excluded`.
        on_data: Told what is known of the traces before any time is spent.
        on_update: Told of every update.
        on_measure: Told of every measurement on development traces while it learns.

    Raises:
        DataError: there is nothing to learn.
        AlignmentError: something about the traces would be learned wrongly.
        UsageError: the settings do not fit each other.
        ModelError: the base cannot be used, or training failed; as `trainer.fit`.
        ContractError: the base does not fit the way in which traces are written.
        StorageError: the folder cannot be written.
    """
    config = config or RewardConfig()
    final = Path(out)
    check(config.loop, measures=bool(development))
    _keep_apart(final, config.base)
    scratch = scratch_of(final)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    learned = learning(traces, config)
    scorer = start(config, _texts(learned.traces), name=final.resolve().name)
    refuse_misaligned(learned.traces, scorer)
    trainee = _trainee(scorer, config)
    learned = learned.written(scorer.contract, scorer.renderer)
    data = learned.looked_at(traces, development, excluded, left_out)
    if data is not None and on_data is not None:
        on_data(data)
    observed = (
        watch(development, scorer.contract, scorer.renderer, config, name=scorer.name)
        if development
        else None
    )
    examples: Sequence[Example] = learned.examples
    if isinstance(trainee, LogRatioTrainee):
        examples = trainee.with_reference(examples)
        if observed is not None:
            observed = replace(observed, examples=trainee.with_reference(observed.examples))
    rows, num_pairs_left_out = learned.rows(examples)
    task = Task(
        rows=rows,
        collate=collated,
        loss=lambda model, inputs: config.loss(model(inputs["batch"]), inputs["batch"].targets),
        units=lambda inputs: config.loss.units(inputs["batch"].targets),
        groups=[row.examples[0].problem for row in rows],
        side_by_side=config.side_by_side,
        head=frozenset(trainee.head_names()),
        measure=observed,
        higher_is_better=METRICS[config.loop.metric] == "maximize",
        settings={**config.to_json(), "development": _known(development)},
    )
    contract, figures, fit_report, beside = scorer.contract, None, None, None
    with trainee.engine.held():
        course = fit(
            trainee,
            task,
            config.loop,
            scratch=scratch,
            on_update=on_update,
            on_measure=on_measure,
        )
        if observed is not None:
            contract, fit_report = observed.fitted(observed.scores(trainee), config.calibrate)
            observed = replace(observed, contract=contract)
            scores = observed.scores(trainee)
            figures = observed.measured(scores, num_resamples=1000)
            beside = comparison(
                observed.traces,
                scores,
                label_source=observed.label_source,
                neutral=observed.neutral,
            )
    steps = [one for own in learned.targets for one in own.steps if one is not None]
    trained = Trained(
        data=data,
        num_traces=len(learned.traces),
        num_steps=len(steps),
        share_right=sum(one.good for one in steps) / max(1, len(steps)),
        num_too_long=learned.num_too_long,
        num_pairs=sum(row.compared is not None for row in rows),
        num_pairs_left_out=num_pairs_left_out,
        max_tokens=contract.max_tokens,
        final_loss=course.final_loss,
        kept_update=course.kept,
        contract=contract,
        development=figures,
        fit=fit_report,
        comparison=beside,
    )
    weights = trainee.whole(merge=config.lora is not None and config.lora.merge)

    def write() -> None:
        with whole_folder(final, last=CONTRACT_FILE) as partial:
            trainee.write(partial, weights, scorer.tokenizer, contract)
            settings = json.dumps(config.to_json(), indent=2)
            (partial / CONFIG_FILE).write_text(settings + "\n", encoding="utf-8")
            card = model_card(scorer.name, trained, config, traces=traces, development=development)
            (partial / CARD_FILE).write_text(card, encoding="utf-8")
            (partial / LOG_FILE).write_text(log_text(course.log), encoding="utf-8")
            keep_events(scratch, partial)
        discard(scratch)

    by_main(write)
    return trained


def _keep_apart(out: Path, base: str | None) -> None:
    """Refuse to write into the folder of the base."""
    if base is not None and Path(base).is_dir():
        folder, final = Path(base).resolve(), out.resolve()
        if folder == final or folder in final.parents:
            where = "is" if folder == final else "lies in"
            raise UsageError(
                f"{out} {where} the folder of the base, {base}; name another, so that both are kept"
            )


def _trainee(scorer: Scorer, config: RewardConfig) -> Trainee | LogRatioTrainee:
    """What is trained; new weights beside those of the scorer come from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(config.loop.seed)
        return _made(scorer, config)


def _made(scorer: Scorer, config: RewardConfig) -> Trainee | LogRatioTrainee:
    trainee: Trainee | LogRatioTrainee
    if isinstance(scorer, LogRatioModel):
        if isinstance(config.loss, Joint):
            raise UsageError("a log-ratio has no second head; take another loss than joint")
        trainee = LogRatioTrainee(scorer)
    else:
        trainee = Trainee(scorer, outcome_head=isinstance(config.loss, Joint))
    inner = trainee.model
    if config.lora is not None:
        trainee.model = with_lora(inner, config.lora)
        # The cut of the last layer is to be at the layers that took the place of the old ones.
        trainee.engine = Engine(inner.base_model)
    if config.loop.checkpointing:
        checkpoint(inner)
    return trainee


def _known(traces: Sequence[Trace]) -> list[tuple[Any, ...]]:
    """What a measurement on traces depends on."""
    return [(one.id, one.labels, one.outcome, one.source) for one in traces]


def _texts(traces: Sequence[Trace]) -> Iterator[str]:
    for trace in traces:
        yield trace.problem
        yield from trace.texts

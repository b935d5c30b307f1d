"""Train a critic: a language model that writes its verdicts on steps, as judges wrote theirs.

    loss = - sum over the tokens t of the verdicts of log p(y_t | prompt, y_<t),

divided by how many those are in an update: plain next-token cross-entropy on what the model has to
write, with the prompt only read, as GenPRM (Zhao et al. 2025, arXiv:2504.00891) and
ThinkPRM (Khalifa et al. 2025, arXiv:2504.16828) are tuned. The prompts are those that
the critic is asked with later (`verdict_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from surefoot.errors import DataError, UnscorableError, UsageError
from surefoot.models.contract import Reading
from surefoot.models.critic import CRITIC_FILE
from surefoot.models.engine import Engine
from surefoot.models.generative import GenerativeModel
from surefoot.models.heads import check_logits, tokens_head
from surefoot.models.hub import folder_of
from surefoot.models.log_ratio import counted_log_probs
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.checkpoints import read_checkpoint, whole_folder
from surefoot.policies.local_writer import LocalWriter
from surefoot.scores.development import Development, measure
from surefoot.traces.types import StepScores, Trace
from surefoot.training.callbacks import LOG_FILE, OnUpdate, log_text
from surefoot.training.card import CARD_FILE
from surefoot.training.comparison import RESAMPLES, Comparison, comparison
from surefoot.training.critic_card import critic_card
from surefoot.training.critic_config import CriticConfig
from surefoot.training.loop import Task
from surefoot.training.machines import by_main
from surefoot.training.scratches import discard, scratch_of
from surefoot.training.sharding import gathered
from surefoot.training.trackers import keep_events
from surefoot.training.trainee import checkpoint, of_model, with_lora
from surefoot.training.trainer import fit
from surefoot.training.verdict_rows import Refusal, VerdictRow, VerdictRows, verdict_rows

CONFIG_FILE = "training.json"

_AT_ONCE = 64
"""Development traces that are written about together."""


@dataclass(frozen=True, slots=True)
class TrainedCritic:
    """What a finished training used and left out, and what it reached."""

    num_traces: int
    num_verdicts: int
    num_tokens: int
    """Tokens that were learned, once each."""
    refused: Mapping[Refusal, int]
    """Verdicts that were not learned from, by reason."""
    final_loss: float
    """Mean loss by token over the updates last reported."""
    development: Development | None = None
    """What its verdicts on development traces are worth."""
    comparison: Comparison | None = None
    """What scorers that know nothing reach on the same traces."""
    answers: int = 0
    """What it wrote about those."""
    unreadable: int = 0
    """How many of these answers hold no verdict."""
    unscorable: int = 0
    """Development traces that it has no room for, or cannot be asked about."""

    def to_json(self) -> dict[str, Any]:
        """Every figure."""
        parts = {"development": self.development, "comparison": self.comparison}
        return {
            "traces": self.num_traces,
            "verdicts": self.num_verdicts,
            "tokens": self.num_tokens,
            "refused": dict(self.refused),
            "final_loss": self.final_loss,
            **{name: one.to_json() if one else None for name, one in parts.items()},
            "answers": self.answers,
            "unreadable": self.unreadable,
            "unscorable": self.unscorable,
        }


class CriticTrainee(nn.Module):
    """A causal language model with weights that learn.

    Raises:
        ContractError: it makes its logits in a way that is not known here.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        head = tokens_head(Reading(head="token-log-ratio", link="log-ratio"), model, range(8))
        check_logits(model, head, range(8))
        self.model = model
        self.engine = Engine(model.base_model)

    def forward(self, rows: Sequence[VerdictRow]) -> Tensor:
        """The log-probability of every token that is learned, shape (N,), in fp32."""
        pairs = [(row.ids, row.first) for row in rows]
        return torch.cat(counted_log_probs(pairs, self.engine.differentiable, self.model))


def train_critic(
    traces: Sequence[Trace],
    out: str | Path,
    config: CriticConfig,
    *,
    development: Sequence[Trace] = (),
    on_update: OnUpdate | None = None,
) -> TrainedCritic:
    """Train a critic on the verdicts in `meta["verdicts"]` of traces, as `GenerativeModel.annotate`
    writes them, and save it in `out`, ready for `surefoot.load`.

    Verdicts that its own parser cannot read, and those longer than `config.max_tokens`, are left
    out and counted. An interrupted training goes on where it was when it is called again.

    Args:
        traces: With verdicts; others teach nothing.
        out: Folder of the new critic.
        config: All settings.
        development: Labelled traces that nothing is learned from: in the end the critic writes
            about each, and its scores are measured. Nothing is chosen or fitted by that.
        on_update: Told of every update.

    Raises:
        UsageError: the settings do not fit each other.
        DataError: there is no verdict to learn from.
        TraceError: what stands in a trace is no verdict.
        UnscorableError: a step has an observation.
        ContractError: the base has no chat template, or does not fit the critic.
        ModelError: the base cannot be used, or training failed; as `trainer.fit`.
        StorageError: the folder cannot be written.
    """
    final, critic = Path(out), config.asked
    if development and config.loop.fsdp:
        raise UsageError(
            "a critic in pieces (fsdp) cannot write about development traces; leave them out, and "
            "score them with the trained folder"
        )
    scratch = scratch_of(final)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model, tokenizer = read_checkpoint(folder_of(config.base), AutoModelForCausalLM)
    found = verdict_rows(
        traces,
        critic,
        ChatEncoder(tokenizer),
        end=_end_of(tokenizer),
        max_tokens=min(config.max_tokens, getattr(model.config, "max_position_embeddings", 2**62)),
        agree_with=config.agree_with,
    )
    if not found.rows:
        raise DataError(f"no verdict to learn from in {len(traces):,} traces: {_why(found)}")
    trainee = _trainee(model, config)
    task = Task(
        rows=found.rows,
        collate=lambda rows: {"rows": [row for _, row in rows]},
        loss=lambda learner, inputs: -learner(inputs["rows"]).sum(),
        units=lambda inputs: torch.tensor(_num_learned(inputs["rows"])),
        groups=[row.problem for row in found.rows],
        side_by_side=config.side_by_side,
        settings=config.to_json(),
    )
    with trainee.engine.held():
        course = fit(trainee, task, config.loop, scratch=scratch, on_update=on_update)
    if config.lora is not None:
        trainee.model = trainee.model.merge_and_unload()
    weights = gathered(trainee)
    measured = _Measured()
    if development:
        writer = LocalWriter(trainee.model, tokenizer)
        judge = GenerativeModel(writer, critic, name=final.resolve().name, seed=config.loop.seed)
        measured = _measured(judge, development)

    trained = TrainedCritic(
        num_traces=found.num_traces,
        num_verdicts=found.num_verdicts,
        num_tokens=_num_learned(found.rows),
        refused=found.refused,
        final_loss=course.final_loss,
        **measured._asdict(),
    )

    def write() -> None:
        with whole_folder(final, last=CRITIC_FILE) as partial:
            trainee.model.save_pretrained(partial, state_dict=of_model(weights))
            tokenizer.save_pretrained(partial)
            settings = json.dumps(config.to_json(), indent=2)
            (partial / CONFIG_FILE).write_text(settings + "\n", encoding="utf-8")
            (partial / LOG_FILE).write_text(log_text(course.log), encoding="utf-8")
            keep_events(scratch, partial)
            card = critic_card(final.resolve().name, trained, config, traces, development)
            (partial / CARD_FILE).write_text(card, encoding="utf-8")
            critic.save(partial)
        discard(scratch)

    by_main(write)
    return trained


class _Measured(NamedTuple):
    development: Development | None = None
    comparison: Comparison | None = None
    answers: int = 0
    unreadable: int = 0
    unscorable: int = 0


def _measured(judge: GenerativeModel, traces: Sequence[Trace]) -> _Measured:
    """What a critic's verdicts on traces are worth; those that it cannot judge have no score."""
    scores: list[StepScores | None] = []
    for start in range(0, len(traces), _AT_ONCE):
        scores += _scores(judge, traces[start : start + _AT_ONCE])
    counts = (judge.tally.answers, judge.tally.unreadable, scores.count(None))
    if not any(scores):
        return _Measured(None, None, *counts)
    found = measure(traces, scores, num_resamples=RESAMPLES)
    return _Measured(found, comparison(traces, scores), *counts)


def _scores(judge: GenerativeModel, traces: Sequence[Trace]) -> list[StepScores | None]:
    """The scores of traces that are written about together, as far as one that cannot be judged
    does not part them."""
    try:
        return [*judge.score(traces)]
    except UnscorableError:
        if len(traces) == 1:
            return [None]
        half = len(traces) // 2
        return _scores(judge, traces[:half]) + _scores(judge, traces[half:])


def _trainee(model: Any, config: CriticConfig) -> CriticTrainee:
    """The base ready to learn; new weights come from the seed."""
    trainee = CriticTrainee(model)
    if config.lora is not None:
        with torch.random.fork_rng():
            torch.manual_seed(config.loop.seed)
            trainee.model = with_lora(model, config.lora)
        # The cut of the last layer is to be at the layers that took the place of the old ones.
        trainee.engine = Engine(model.base_model)
    if config.loop.checkpointing:
        checkpoint(model)
    return trainee


def _end_of(tokenizer: Any) -> int:
    if tokenizer.eos_token_id is None:
        raise UsageError(
            "the base's tokenizer has no end-of-text token, so a verdict could never end; set its "
            "eos_token"
        )
    return int(tokenizer.eos_token_id)


def _num_learned(rows: Sequence[VerdictRow]) -> int:
    return sum(len(row.ids) - row.first for row in rows)


def _why(found: VerdictRows) -> str:
    reasons = [f"{number:,} {reason}" for reason, number in found.refused.items()]
    return ", ".join(reasons) or (
        'none has meta["verdicts"]; GenerativeModel.annotate puts them there'
    )

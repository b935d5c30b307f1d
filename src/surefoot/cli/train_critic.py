"""`surefoot train --critic`: a language model that writes its verdicts, from those of judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.cli.say import count, note
from surefoot.cli.shown import show_development
from surefoot.errors import UsageError
from surefoot.traces.types import LabelSource, Trace

if TYPE_CHECKING:
    from surefoot.training.callbacks import OnUpdate
    from surefoot.training.critic import TrainedCritic
    from surefoot.training.critic_config import CriticConfig

NO_VERDICT = "no verdict to learn"
"""Why a trace is left out."""


def critic_plan(
    source: str, agree_with: LabelSource | None, file: Path | None, given: Mapping[str, Any]
) -> CriticConfig:
    """The settings of a critic's training: those of a file, or those that fit a base, with what was
    given by dotted name on top.

    Args:
        source: The profile of a critic, or a file such as critic.json.
        agree_with: Whose labels a verdict must not contradict.
        file: The training.json of an earlier critic.
        given: Settings by dotted name.

    Raises:
        UsageError: there is no base, or a setting is unknown, wrong, or of other trainings.
        ContractError, StorageError: a file cannot be read as what it should be.
    """
    from surefoot.models.profiles import critic_of, profiles
    from surefoot.training.config import read_settings
    from surefoot.training.critic_config import CRITIC_SETTINGS, CriticConfig

    for name in given:
        if name.partition(".")[0] not in CRITIC_SETTINGS or name == "profile":
            raise UsageError(
                f"{name} means nothing to --critic, which learns to write verdicts in words; leave "
                f"it out (there are {', '.join(CRITIC_SETTINGS)})"
            )
    asked = critic_of(source).to_json()
    own: dict[str, Any] = {"agree_with": agree_with} if agree_with else {}
    own |= {"profile": source, "critic": None} if source in profiles() else {"critic": asked}
    usual = {"loop": {"optimizer": "adamw", "lr": 1e-5}} if file is None else read_settings(file)
    if usual.get("base") is None and given.get("base") is None:
        raise UsageError("--critic trains a language model with a chat template; name it by --base")
    return CriticConfig.from_json({"base": "", **usual}).changed({**own, **given})


def has_verdicts(trace: Trace) -> bool:
    """Whether judges wrote about a trace."""
    from surefoot.models.verdicts import VERDICTS

    return bool(trace.meta.get(VERDICTS))


def train_critic(
    traces: Sequence[Trace],
    out: Path,
    plan: CriticConfig,
    *,
    development: Sequence[Trace],
    on_update: OnUpdate,
    quiet: bool,
) -> dict[str, Any]:
    """Train it, save it in `out` and measure it; gives every figure."""
    from surefoot.training.critic import train_critic as train_on

    trained = train_on(traces, out, plan, development=development, on_update=on_update)
    if not quiet:
        _print_summary(trained)
    return trained.to_json()


def _print_summary(trained: TrainedCritic) -> None:
    note(
        f"trained on {count(trained.num_verdicts, 'verdict')} about "
        f"{count(trained.num_traces, 'trace')} ({trained.num_tokens:,} tokens), final loss "
        f"{trained.final_loss:.4f}"
    )
    if trained.refused:
        reasons = ", ".join(f"{number:,} {why}" for why, number in trained.refused.items())
        note(f"verdicts not learned from: {reasons}")
    if trained.answers or trained.unscorable:
        note(
            f"of {count(trained.answers, 'answer')} about development traces, "
            f"{trained.unreadable:,} hold no verdict; {count(trained.unscorable, 'trace')} could "
            "not be asked about"
        )
    if trained.development is not None:
        show_development(
            trained.development, f"with the threshold {trained.development.threshold.value:.4g}"
        )

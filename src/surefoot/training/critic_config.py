"""Everything that decides the training of a critic, as `RewardConfig` does of other models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from surefoot.errors import UsageError
from surefoot.models.critic import Critic
from surefoot.models.profiles import critic_of, profiles
from surefoot.traces.types import LabelSource
from surefoot.training.config import Lora, TrainConfig, made, with_changes


@dataclass(frozen=True, kw_only=True, slots=True)
class CriticConfig:
    """What to train a critic on and with."""

    base: str
    """Folder or hub id of a language model with a chat template."""
    profile: str = "judge"
    """The published critic whose prompts and verdicts are learned."""
    critic: Critic | None = None
    """Instead of the profile's."""
    agree_with: LabelSource | None = None
    """Learn from no verdict that contradicts the labels of this source."""
    loop: TrainConfig = field(default_factory=TrainConfig)
    lora: Lora | None = None
    """Its changes are always put into the saved weights."""
    max_tokens: int = 4096
    """Longest prompt with its answer. A longer one is left out and counted; none is ever cut."""
    side_by_side: int = 8
    """So many rows of one problem stay together, so that what they share is computed once."""

    def __post_init__(self) -> None:
        for name in ("max_tokens", "side_by_side"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.agree_with not in (None, *get_args(LabelSource)):
            raise UsageError(
                f"agree_with is {self.agree_with!r}; it must be one of "
                f"{', '.join(get_args(LabelSource))}"
            )
        loop = self.loop
        if loop.eval_every is not None or loop.metric != TrainConfig().metric:
            raise UsageError(
                "a critic is measured once it has learned, so eval_every, patience and metric have"
                " nothing to choose by; leave them out"
            )
        known = profiles().get(self.profile)
        if self.critic is None and (known is None or known.critic is None):
            raise UsageError(
                f"{self.profile!r} is no profile of a model that writes verdicts; `surefoot models`"
                " lists them, such as judge and judge-steps"
            )

    @property
    def asked(self) -> Critic:
        """How the model is asked."""
        return self.critic or critic_of(self.profile)

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CriticConfig:
        """The config of a JSON object; what is not named keeps its default.

        Raises:
            UsageError: a field is unknown or wrong.
            ContractError: `critic` is none.
        """
        given = dict(values)
        if given.get("critic") is not None:
            given["critic"] = Critic.from_json(given["critic"])
        for name, kind in (("loop", TrainConfig), ("lora", Lora)):
            if given.get(name) is not None:
                given[name] = made(kind, given[name], f"{name}.")
        config: CriticConfig = made(cls, given, "")
        return config

    def changed(self, changes: Mapping[str, Any]) -> CriticConfig:
        """A copy with other values by dotted name, as `RewardConfig.changed`.

        Raises:
            UsageError, ContractError: as `from_json`.
        """
        return CriticConfig.from_json(with_changes(self.to_json(), changes))


CRITIC_SETTINGS = tuple(one.name for one in fields(CriticConfig))
"""What can be set of a critic's training."""

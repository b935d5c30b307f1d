"""What a critic says about a trace: its texts with the marks filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from surefoot.models.critic import MARK, Critic, Stage
from surefoot.models.drafts import NUMBERED
from surefoot.policies.writer import Message


class Prompts:
    """A critic's words about one trace."""

    def __init__(self, critic: Critic, problem: str, steps: Sequence[str]) -> None:
        if critic.remove is not None:
            steps = [re.sub(critic.remove, "", step).strip() for step in steps]
        self.critic = critic
        self.problem = problem
        self.steps = tuple(steps)

    def messages(self, k: int, answers: Sequence[str] = ()) -> tuple[Message, ...]:
        """The conversation that ends with the question about step `k`; that about the whole trace
        is the one about its last step.

        Args:
            k: Position of the step.
            answers: For the unit turn, what was written about each step before it.
        """
        said = [Message("system", self.critic.system)] if self.critic.system is not None else []
        for j, answer in enumerate(answers):
            own = answer if self.critic.history is None else self.critic.history
            said += [Message("user", self._ask(j)), Message("assistant", own)]
        return (*said, Message("user", self._ask(k)))

    def prefill(self, stage: Stage, k: int) -> str:
        """The fixed beginning of a stage of the answer about step `k`."""
        return self._filled(stage.prefill, k)

    def _ask(self, k: int) -> str:
        first = self.critic.first_ask if k == 0 else None
        return self._filled(self.critic.ask if first is None else first, k)

    def _filled(self, text: str, k: int) -> str:
        values: Mapping[str, Callable[[], str]] = {
            "problem": lambda: self.problem,
            "step": lambda: self.steps[k],
            "n": lambda: str(k + 1),
            "numbered": lambda: self._numbered(k),
            "previous": lambda: self._items(k) if k else self.critic.no_previous,
            "solution": lambda: self._items(k + 1),
            "num_steps": lambda: str(len(self.steps)),
        }
        return MARK.sub(lambda mark: values[mark[1]](), text)

    def _numbered(self, k: int) -> str:
        step = self.steps[k]
        return step if NUMBERED.match(step) else f"Step {k + 1}: {step}"

    def _items(self, end: int) -> str:
        return self.critic.between.join(self._filled(self.critic.item, k) for k in range(end))

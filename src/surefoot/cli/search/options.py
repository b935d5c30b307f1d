"""The options of `surefoot search`, and what the library makes of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path  # noqa: F401 - in the annotations of the options that Writer inherits
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.label.policy import Writing, is_server
from surefoot.cli.loading import Loading, load_model
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.models.base import RewardModel
    from surefoot.search.problem_search import Method
    from surefoot.search.settings import Settings
    from surefoot.search.task import Limits


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Writer(Writing):
    """Who writes steps, and how."""

    max_new_tokens: int = 4096
    """Tokens of a solution that is written in one go."""

    step_tokens: int = 512
    """Tokens of one step."""

    top_k: int | None = None
    """Keep this many of the most probable tokens."""

    cache_tokens: int = 65_536
    """Tokens of which a local policy remembers keys and values; 0 remembers none."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class How:
    """The method and its options; those that are not given are the method's own."""

    method: str = "best-of-n"
    """best-of-n, majority, self-consistency, beam, dvts, lookahead, mcts, particles, adaptive."""

    n: Annotated[int | None, Parameter(name=["--n", "-n"])] = None
    """Solutions, or draws of a round: with the same n, methods write about as many tokens."""

    width: int | None = None
    """Beams that are kept."""

    children: int | None = None
    """Continuations of each beam or node."""

    depth: int | None = None
    """Steps that lookahead looks ahead."""

    simulations: int | None = None
    """Of mcts."""

    exploration: float | None = None
    """Of mcts: how much it tries what it knows little of."""

    backup: Literal["mean", "max"] | None = None
    """Of mcts: what a node passes up."""

    rollouts: bool | None = None
    """Of mcts: write nodes on to the end."""

    window: int | None = None
    """Of self-consistency: solutions between two looks."""

    certainty: float | None = None
    """Of self-consistency and adaptive: when an answer is clear."""

    rule: str | None = None
    """Of self-consistency: how that is told."""

    first: int | None = None
    """Of adaptive: solutions before the first look."""

    most: int | None = None
    """Of adaptive: draws for a hard problem."""

    least: float | None = None
    """Of adaptive: the least reward of a clear answer."""

    then: str | None = None
    """Of adaptive: the method for hard problems."""

    def options(self) -> dict[str, Any]:
        """Those that were given."""
        given = asdict(self)
        return {k: v for k, v in given.items() if k != "method" and v is not None}

    def build(self) -> Method:
        """The method.

        Raises:
            UsageError: there is none of the name, or it has no such option or value.
        """
        from surefoot.search.methods import method

        return method(self.method, **self.options())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Who scores, and what becomes of it."""

    model: Annotated[tuple[str, ...], Parameter(name=["--model", "-m"], negative="")] = ()
    """A step scorer: a built-in, a folder, a hub id or a URL; several are an ensemble."""

    ensemble: Literal["mean", "min"] = "mean"
    """How several scorers become one."""

    outcome_model: str | None = None
    """A model whose last score of a whole solution counts beside the step scores."""

    aggregate: str | None = None
    """The rule that makes one number of step scores; the scorer's own if not given."""

    logprob_weight: float = 0.0
    """Weight of the policy's log-probability in the reward."""

    outcome_weight: float = 1.0
    """Weight of the outcome model's."""

    choose: Literal["argmax", "vote", "majority"] | None = None
    """argmax: the highest reward; vote: the answer of most aggregate score; majority: the
    commonest answer. The method's own if not given."""

    unless_harmful: str | None = None
    """A folder of `surefoot eval bon`: take a majority vote instead if this scorer loses to one
    there."""

    def load(self, loading: Loading) -> RewardModel | None:
        """The scorer; None without one."""
        if not self.model:
            return None
        members = [load_model(one, loading) for one in self.model]
        if len(members) == 1:
            return members[0]
        from surefoot.models.ensemble import Ensemble

        return Ensemble(members, self.ensemble)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Budget:
    """Where the search on one problem stops."""

    tokens: int | None = None
    """Tokens that the policy may write for a problem."""

    seconds: float | None = None
    """Seconds after which nothing more is asked for on a problem."""

    max_steps: int = 64
    """Steps of a solution."""

    at_once: int = 64
    """Problems that are searched on side by side."""

    def limits(self, writer: Writer) -> Limits:
        """The same, for the library."""
        from surefoot.search.task import Limits

        return Limits(
            max_steps=self.max_steps,
            step_tokens=writer.step_tokens,
            solution_tokens=writer.max_new_tokens,
            tokens=self.tokens,
            seconds=self.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a search depends on."""

    writer: Writer
    how: How
    scoring: Scoring
    budget: Budget
    loading: Loading

    def check(self) -> None:
        """Make sure that all fits together, before anything is loaded or written.

        Raises:
            UsageError: it does not.
        """
        from surefoot.search.methods import about

        self.how.build()
        self.settings()
        if self.budget.at_once < 1:
            raise UsageError(f"--at-once is {self.budget.at_once}; it must be at least 1")
        if self.writer.cache_tokens < 0:
            raise UsageError(f"--cache-tokens is {self.writer.cache_tokens}; 0 remembers none")
        scoring = self.scoring
        if about(self.how.method).scored and not scoring.model:
            raise UsageError(
                f"{self.how.method} goes by step scores; name a scorer with --model, or take"
                " --method majority or self-consistency"
            )
        if not scoring.model and self.choice() != "majority":
            raise UsageError(f"--choose {self.choice()} goes by scores; name a scorer with --model")
        silent = is_server(self.writer.policy) and not self.writer.logprobs
        if scoring.logprob_weight and silent:
            raise UsageError(
                "a policy behind an address says how probable its steps are only with --logprobs,"
                " if at all; leave out --logprob-weight, add that, or take a local policy"
            )
        if scoring.unless_harmful is not None and not scoring.model:
            raise UsageError("--unless-harmful is about a scorer; name it with --model")

    def choice(self) -> Literal["argmax", "vote", "majority"]:
        """The rule of choice: the one given, else the method's own."""
        from surefoot.search.methods import about

        return self.scoring.choose or about(self.how.method).choice

    def settings(self) -> Settings:
        """How to search, for the library."""
        from surefoot.search.reward import Reward
        from surefoot.search.settings import Settings

        return Settings(
            sampling=replace(self.writer.sampling(), top_k=self.writer.top_k),
            reward=Reward(
                aggregate=self.scoring.aggregate,
                logprob_weight=self.scoring.logprob_weight,
                outcome_weight=self.scoring.outcome_weight,
            ),
            choice=self.choice(),
            limits=self.budget.limits(self.writer),
            seed=self.writer.seed,
        )

    def without_scorer(self) -> Plan:
        """A majority vote over as many samples."""
        how = self.how
        n = how.n or (how.width or 4) * (how.children or 4)
        scoring = replace(
            self.scoring, model=(), outcome_model=None, logprob_weight=0.0, choose=None
        )
        return replace(self, how=How(method="majority", n=n), scoring=scoring)

    def to_json(self) -> dict[str, Any]:
        """All that results depend on, in JSON."""
        names = ("top_k", "step_tokens", "cache_tokens")
        return {
            **self.writer.settings(),
            **{name: getattr(self.writer, name) for name in names},
            "method": self.how.method,
            "options": self.how.options(),
            "scoring": {**asdict(self.scoring), "model": list(self.scoring.model)},
            "choice": self.choice(),
            "budget": asdict(self.budget),
            "loading": {k: v and str(v) for k, v in asdict(self.loading).items()},
        }

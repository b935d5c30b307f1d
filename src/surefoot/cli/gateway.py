"""`surefoot gateway`: an OpenAI chat API whose answers a search has chosen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.label.policy import Writing, open_policy
from surefoot.cli.say import Common, note, print_json
from surefoot.errors import UsageError, WorkerError

if TYPE_CHECKING:
    from surefoot.models.base import RewardModel
    from surefoot.policies.base import Policy
    from surefoot.search.settings import Settings
    from surefoot.serve.orders import House


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Judging:
    """Who scores the steps."""

    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None
    """The reward model, as for `surefoot score`; without one there are methods that vote alone."""

    outcome: str | None = None
    """A model whose last score of a finished solution counts beside the step scores."""

    profile: str | None = None
    """Read the reward model as this published family."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Numbers of the matrix products of the models."""

    aggregate: str | None = None
    """How step scores become one; the model's own if not given."""

    logprob_weight: float = 0.0
    """Weight of the policy's log-probability in the reward."""

    outcome_weight: float = 1.0
    """Weight of the outcome model's."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Serving:
    """Where it listens, what it does by itself, and the most that a client may ask for."""

    host: str = "127.0.0.1"
    """The address to listen at; 0.0.0.0 takes requests from everywhere."""

    port: int = 8000
    """0 takes a free one."""

    method: str | None = None
    """What the model `auto` does: a method, also with a number of draws. beam-16 if not given, and
    majority-16 without a reward model."""

    token_env: str | None = None
    """The environment variable with the token that clients must bring."""

    max_requests: int = 64
    """Searches that may be under way at once; others are sent away for a while."""

    max_n: int = 64
    """Draws that a client may ask for."""

    max_tokens: int | None = None
    """Tokens that the policy may write for one request."""

    max_seconds: float | None = None
    """Seconds after which a search ends with what it has."""

    step_tokens: int = 512
    """Tokens of one step."""

    max_steps: int = 64
    """Steps of a solution."""

    max_bytes: int = 2**20
    """Bytes of a request."""

    keep_alive_s: float = 10.0
    """Seconds between two signs of life in a stream."""

    grace_s: float = 30.0
    """Seconds that searches under way have after the first signal to end."""

    cache_tokens: int = 200_000
    """Tokens whose keys and values a local policy remembers."""


def gateway(
    *,
    writing: Writing,
    judging: Judging = Judging(),
    serving: Serving = Serving(),
    own_seed: Annotated[bool, Parameter(name="--fixed-seed", negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Answer chat requests of the OpenAI API with solutions that a search has chosen.

    The name of the model is the method and its number of draws, such as beam-16. Runs until it is
    interrupted; see docs/gateway.md.

    Args:
        own_seed: Use --seed for requests without a seed, instead of drawing one for each.
    """
    token = _token(serving.token_env)
    try:
        from surefoot.serve.listening import Server, address, bind
    except ImportError:
        raise UsageError("a server needs its libraries: pip install 'surefoot[serve]'") from None
    from surefoot.serve.app import Door, build_app
    from surefoot.serve.engine import Engine

    house = _house(writing, judging, serving, writing.seed if own_seed else None)
    with bind(serving.host, serving.port) as listening:
        policy = _policy(writing, serving.cache_tokens)
        scorer = _scorer(judging.model, judging, writing.device)
        outcome = _scorer(judging.outcome, judging, writing.device)
        engine = Engine(policy, scorer, outcome, max_searches=serving.max_requests)
        door = Door(token=token, max_bytes=serving.max_bytes, keep_alive_s=serving.keep_alive_s)
        url = address(listening)

        def say() -> None:
            if common.json:
                print_json({"url": url, "default": house.default, "models": [*house.offers]})
            else:
                note(f"answering at {url}, model {house.default} if none is named")

        server = Server(build_app(engine, house, door), engine, serving.grace_s, say)
        engine.on_end = server.end
        server.run([listening])
        broken = engine.broken
        engine.close()
    if broken:
        raise WorkerError("the thread that searches has died of the fault above; start anew")


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    if not (token := os.environ.get(name, "").strip()):
        raise UsageError(f"the environment variable {name} of --token-env is empty; set it")
    return token


def _house(writing: Writing, judging: Judging, serving: Serving, seed: int | None) -> House:
    from surefoot.serve.orders import House

    scored = judging.model is not None
    return House(
        default=serving.method or ("beam-16" if scored else "majority-16"),
        settings=_settings(writing, judging, serving),
        max_n=serving.max_n,
        seed=seed,
        chat=writing.chat,
        remote=writing.policy.startswith("openai:"),
        scored=scored,
    )


def _settings(writing: Writing, judging: Judging, serving: Serving) -> Settings:
    from surefoot.search.reward import Reward
    from surefoot.search.settings import Settings
    from surefoot.search.task import Limits

    return Settings(
        sampling=writing.sampling(),
        reward=Reward(
            aggregate=judging.aggregate,
            logprob_weight=judging.logprob_weight,
            outcome_weight=judging.outcome_weight,
        ),
        limits=Limits(
            max_steps=serving.max_steps,
            step_tokens=serving.step_tokens,
            solution_tokens=writing.max_new_tokens,
            tokens=serving.max_tokens,
            seconds=serving.max_seconds,
        ),
    )


def _policy(writing: Writing, cache_tokens: int) -> Policy:
    from surefoot.policies.local import LocalPolicy
    from surefoot.policies.prefix_cache import PrefixCache

    policy = open_policy(writing)
    if isinstance(policy, LocalPolicy) and cache_tokens:
        policy.cache = PrefixCache(policy.model, cache_tokens)
    return policy


def _scorer(source: str | None, judging: Judging, device: str | None) -> RewardModel | None:
    from surefoot.models.hub import load

    if source is None:
        return None
    profile = judging.profile if source == judging.model else None
    return load(source, profile=profile, dtype=judging.dtype, device=device)

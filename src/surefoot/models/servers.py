"""Scorers behind an address: a Surefoot server, vLLM's pooling API, any OpenAI-compatible server.

http://HOST:PORT                    a Surefoot server: traces go out, scores come back
vllm:http://HOST:PORT               vLLM's pooling API (docs/remote.md says how to start it)
openai:http://HOST:PORT/v1#MODEL    a model that writes its verdicts, by the profile of a critic
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.errors import UsageError
from surefoot.models.base import RewardModel
from surefoot.models.contract import Contract

if TYPE_CHECKING:
    from surefoot.models.profiles import Profile

_ADDRESS = re.compile(r"(?:(vllm|openai):)?(https?://[^#]*)(?:#(.+))?")


def is_address(source: str) -> bool:
    """Whether this is the address of a server."""
    return _ADDRESS.fullmatch(source) is not None


def connect(
    source: str,
    *,
    profile: Profile | None,
    contract: Contract | None,
    tokenizer: Path | None,
) -> RewardModel:
    """The scorer behind an address.

    Raises:
        UsageError: the address is not one, or an option is missing or means nothing there.
        ModelError: nothing answers there, or not as such a server does.
        ContractError: what answers does not fit the contract.
    """
    match = _ADDRESS.fullmatch(source)
    assert match is not None
    kind, url, model = match.groups()
    if kind is None:
        if profile is not None or contract is not None:
            raise UsageError("a Surefoot server has a contract of its own; leave out yours")
        from surefoot.models.remote import RemoteModel

        return RemoteModel.connect(url)
    if kind == "openai":
        return _writing(url, model, profile, tokenizer)
    return _pooling(url, model, profile, contract, tokenizer)


def _pooling(
    url: str,
    model: str | None,
    profile: Profile | None,
    contract: Contract | None,
    tokenizer: Path | None,
) -> RewardModel:
    from surefoot.models.http import Server
    from surefoot.models.profiles import profile_of
    from surefoot.models.vllm import TOKEN_VARIABLE, VllmModel, served_model
    from surefoot.policies.checkpoints import read_tokenizer

    server = Server(url, token_variable=TOKEN_VARIABLE)
    name, _ = served_model(server, model)
    known = profile or profile_of(name)
    agreed = contract or (known.contract if known else None)
    if agreed is None:
        raise UsageError(
            f"{url} serves {name}, of which no published family is known; name its profile or "
            "give its contract"
        )
    if tokenizer is None:
        raise UsageError(
            f"traces are written here for {name}, so its tokenizer is needed: give the folder as "
            "tokenizer"
        )
    is_mlp = agreed.reading.head == "layers" and len(agreed.reading.layers) > 1
    return VllmModel.connect(
        server,
        agreed,
        read_tokenizer(tokenizer),
        model=name,
        pooling="step" if is_mlp else "all",
        numbers="probabilities",
    )


def _writing(
    url: str, model: str | None, profile: Profile | None, tokenizer: Path | None
) -> RewardModel:
    from surefoot.models.profiles import profile_of
    from surefoot.policies.checkpoints import read_tokenizer
    from surefoot.policies.server_writer import ServerWriter

    if model is None:
        raise UsageError(f"name the model behind the address: openai:{url}#MODEL")
    known = profile or profile_of(model)
    if known is None or known.critic is None:
        raise UsageError(
            f"how {model} is asked for its verdict is not known; name a profile that writes, such "
            "as judge"
        )
    own: Any = None if tokenizer is None else read_tokenizer(tokenizer)
    writer = ServerWriter(url, model, tokenizer=own, token=os.environ.get("OPENAI_API_KEY"))
    return generative(writer, known)


def generative(writer: Any, known: Profile) -> RewardModel:
    """A writer that is asked as a profile says."""
    from surefoot.models.critic import Critic
    from surefoot.models.generative import GenerativeModel

    assert known.critic is not None
    critic = Critic.from_json(known.critic)
    return GenerativeModel(writer, critic, name=f"{known.name}:{writer.name}")

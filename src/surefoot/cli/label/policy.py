"""The options of verbs that let a policy write steps, and the policy they open."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.policies.base import Policy, Sampling

_ADDRESS = re.compile(r"openai:(https?://[^#]+)#(.+)")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Writing:
    """Who writes steps, and how."""

    policy: Annotated[str, Parameter(name=["--policy", "-p"])]
    """A checkpoint folder, or openai:http://HOST:PORT/v1#MODEL."""

    temperature: float = 1.0
    """0 takes the most probable token."""

    top_p: float = 1.0
    """Keep the most probable tokens that together reach this probability."""

    max_new_tokens: int = 512
    """Tokens that one continuation may take."""

    seed: int = 0
    """Of the continuations."""

    batch_size: int = 256
    """Rows that a local policy samples together."""

    device: str | None = None
    """Of a local policy, such as cpu or cuda; the first GPU if there is one."""

    chat: Annotated[bool, Parameter(negative="")] = False
    """Ask the server in a chat; without it plain text is gone on with."""

    tokenizer: Path | None = None
    """The folder of the tokenizer of a model behind a server, to send token ids."""

    connections: int = 16
    """Requests that may be under way at once."""

    timeout_s: float = 600.0
    """How long to wait for an answer of a server."""

    patience_s: float = 0.0
    """How long to wait for a server that went away to come back, before giving up."""

    logprobs: Annotated[bool, Parameter(negative="")] = False
    """Ask the server how probable what it wrote was, which not every one tells."""

    def sampling(self) -> Sampling:
        """How to continue."""
        from surefoot.policies.base import Sampling

        return Sampling(
            temperature=self.temperature, top_p=self.top_p, max_new_tokens=self.max_new_tokens
        )

    def settings(self) -> dict[str, Any]:
        """What continuations depend on, in JSON."""
        names = ("policy", "temperature", "top_p", "max_new_tokens", "seed", "chat", "logprobs")
        return {name: getattr(self, name) for name in names}


def is_server(policy: str) -> bool:
    """Whether a policy is named by an address."""
    return policy.startswith(("openai:", "http://", "https://"))


def open_policy(options: Writing, cache_tokens: int = 0) -> Policy:
    """The policy that a verb was given; a local one remembers keys and values of so many tokens.

    Raises:
        UsageError: the address is not one, or options do not go together.
        ModelError: the folder is not a checkpoint of a causal language model.
    """
    match = _ADDRESS.fullmatch(options.policy)
    if match is not None:
        return _behind(match[1], match[2], options)
    if is_server(options.policy):
        raise UsageError(
            f"{options.policy!r} is not of the form openai:http://HOST:PORT/v1#MODEL; name the "
            "model behind the address"
        )
    if options.chat or options.logprobs or options.tokenizer is not None:
        raise UsageError("--chat, --logprobs and --tokenizer are for a policy behind an address")
    import torch

    from surefoot.policies.local import LocalPolicy
    from surefoot.policies.prefix_cache import PrefixCache

    folder = Path(options.policy)
    policy = LocalPolicy.load(folder, name=folder.resolve().name, batch_size=options.batch_size)
    policy.model.to(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if cache_tokens:
        policy.cache = PrefixCache(policy.model, cache_tokens)
    return policy


def _behind(url: str, model: str, options: Writing) -> Policy:
    from surefoot.policies.server import ChatPrompt, ServerPolicy

    tokenizer = None
    if options.tokenizer is not None:
        from surefoot.policies.checkpoints import read_tokenizer

        tokenizer = read_tokenizer(options.tokenizer)
    return ServerPolicy(
        url,
        model,
        tokenizer=tokenizer,
        chat=ChatPrompt() if options.chat else None,
        logprobs=options.logprobs,
        token=os.environ.get("OPENAI_API_KEY"),
        num_connections=options.connections,
        timeout_s=options.timeout_s,
        patience_s=options.patience_s,
    )

"""What to search for and how, out of a request, its headers and what the server allows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from surefoot.errors import UsageError
from surefoot.search.problem_search import Method
from surefoot.search.settings import Settings
from surefoot.search.task import Limits, Task
from surefoot.serve.asked import ChatRequest, Message, Wishes, read_wishes
from surefoot.serve.menu import AUTO, DEFAULT_N, Offer, offers, split_name
from surefoot.serve.refusals import Refusal

HEADER = "x-surefoot-"


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What a server does by itself, and the most that a client may ask for.

    `tokens` are those that the policy writes for one request, `seconds` those of its search.
    """

    default: str = "beam-16"
    """The method and number of the model `auto`."""
    settings: Settings = field(default_factory=Settings)
    """How it searches where a request says nothing; `limits` are the most that it may say."""
    max_n: int = 64
    seed: int | None = None
    """Of requests without one; None draws one for each."""
    chat: bool = False
    """Whether the policy holds conversations."""
    scored: bool = True
    """Whether there is a reward model."""
    remote: bool = False
    """Whether the policy is behind an address, so that what it fails at may pass."""

    @property
    def offers(self) -> Mapping[str, Offer]:
        """The methods that clients may name."""
        return offers(scored=self.scored)

    def __post_init__(self) -> None:
        method, n = split_name(self.default)
        if method not in self.offers:
            more = "" if self.scored else " without a reward model"
            raise UsageError(
                f"there is no method {method!r}{more}; there is {', '.join(self.offers)}"
            )
        if not 1 <= (n or DEFAULT_N) <= self.max_n:
            raise UsageError(f"{self.default} is more than the {self.max_n} draws of max_n")


@dataclass(frozen=True, slots=True)
class Order:
    """A search that a client has asked for, and how it wants the answer."""

    name: str
    """Method and number, such as beam-16."""
    task: Task
    method: Method
    settings: Settings
    choices: int
    remote: bool
    notes: tuple[str, ...] = ()
    """What the client should know about how its request was understood."""


def order_of(
    asked: ChatRequest, house: House, headers: Mapping[str, str], place: str | None = None
) -> Order:
    """What a request comes to. The field `surefoot` counts more than headers, and these more than
    the name of the model.

    Args:
        asked: The request.
        house: What is allowed.
        headers: Those of the request, names in lower case.
        place: The name that stands in the address, instead of the model's.

    Raises:
        Refusal: 404 for a name that is not there, 400 for all else.
    """
    wishes = _wishes(asked, headers)
    method, n = _method(place or asked.model, wishes, house)
    name = f"{method}-{n}"
    offer = house.offers[method]
    task = _task(asked.messages, house.chat)
    notes = []
    if place and asked.model not in (AUTO, place, name):
        notes.append(f"the address says {place}, so the model {asked.model[:40]!r} counts nothing")
    if asked.temperature == 0 and n > 1:
        notes.append("at temperature 0 all draws are the same, so that there is little to choose")
    seed = asked.seed if asked.seed is not None else house.seed
    own = house.settings
    sampling = own.sampling
    for field_name in ("temperature", "top_p", "top_k"):
        if (value := getattr(asked, field_name)) is not None:
            sampling = replace(sampling, **{field_name: value})
    settings = replace(
        own,
        sampling=sampling,
        choice=offer.choice or own.choice,
        limits=_limits(own.limits, asked, wishes),
        seed=(secrets.randbelow(2**31) if seed is None else seed) % 2**63,
    )
    return Order(name, task, offer.build(n), settings, asked.n or 1, house.remote, tuple(notes))


def _wishes(asked: ChatRequest, headers: Mapping[str, str]) -> Wishes:
    known = Wishes.model_fields
    given = {
        name.removeprefix(HEADER): value
        for name, value in headers.items()
        if name.startswith(HEADER)
    }
    for name in given:
        if name not in known:
            raise Refusal(
                400, f"there is no header X-Surefoot-{name[:40]}; there is {', '.join(known)}"
            )
    own = asked.surefoot.model_dump(exclude_none=True) if asked.surefoot is not None else {}
    return read_wishes({**given, **own})


def _method(name: str, wishes: Wishes, house: House) -> tuple[str, int]:
    """The method and number of draws.

    Raises:
        Refusal: there is no such method, or the number is too large.
    """
    there = house.offers
    method, n = split_name(house.default if name == AUTO else name)
    if method not in there:
        raise Refusal(
            404,
            f"there is no model {name[:80]!r}; there is {AUTO}, and {', '.join(there)}, also with "
            f"a number of draws, such as {house.default}",
            param="model",
            code="model_not_found",
        )
    if wishes.method is not None:
        asked, number = split_name(wishes.method)
        if asked not in there:
            raise Refusal(
                400,
                f"there is no method {wishes.method[:80]!r}; there is {', '.join(there)}",
                param="surefoot.method",
            )
        method, n = asked, number or n
    n = wishes.n or n or DEFAULT_N
    if not 1 <= n <= house.max_n:
        raise Refusal(400, f"{n} draws; this server makes 1 to {house.max_n}", param="surefoot.n")
    return method, n


def _limits(own: Limits, asked: ChatRequest, wishes: Wishes) -> Limits:
    """The house's, or less.

    Raises:
        Refusal: more is asked for.
    """
    solution = asked.max_completion_tokens or asked.max_tokens
    for what, value, most in (
        ("surefoot.tokens", wishes.tokens, own.tokens),
        ("surefoot.seconds", wishes.seconds, own.seconds),
    ):
        if value is not None and most is not None and value > most:
            raise Refusal(400, f"{what} is {value:g}; this server allows {most:g}", param=what)
    return replace(
        own,
        tokens=wishes.tokens or own.tokens,
        seconds=wishes.seconds or own.seconds,
        solution_tokens=min(solution or own.solution_tokens, own.solution_tokens),
    )


def _task(messages: Sequence[Message], chat: bool) -> Task:
    """The last message is the problem. What was said before goes along to a policy that holds
    conversations, and is put in front of the problem, behind blank lines, for one that does not.

    Raises:
        Refusal: the last message is not a user's, or is empty.
    """
    *before, last = messages
    if last.role != "user":
        raise Refusal(
            400,
            f"the last message is of the role {last.role!r}; it must be the user's, and is the "
            "problem",
            param="messages",
        )
    if not last.text.strip():
        raise Refusal(400, "the last message is empty; it is the problem", param="messages")
    said = [(one.role, one.text) for one in before if one.text.strip()]
    if chat:
        roles = {"developer": "system"}
        return Task(last.text, turns=tuple((roles.get(role, role), text) for role, text in said))
    return Task("\n\n".join([*(text for _, text in said), last.text]))

"""A request of the OpenAI chat API, read and checked: what is not understood is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from surefoot.serve.refusals import Refusal

IGNORED = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""Fields that no answer depends on."""

UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "stop": ([],),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": (),
    "web_search_options": (),
}
"""Fields that a search cannot honour, and the values beside null that ask for nothing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Part(_Strict):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """Who said what."""

    model_config = ConfigDict(extra="ignore", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    @field_validator("content", mode="before")
    @classmethod
    def _text_alone(cls, content: Any) -> Any:
        if content is None:
            raise ValueError("it is null; calls of tools cannot be read")
        parts = content if isinstance(content, list) else []
        kinds = {one.get("type") for one in parts if isinstance(one, dict)} - {"text"}
        if kinds:
            named = ", ".join(sorted(map(repr, kinds)))[:80]
            raise ValueError(f"parts of type {named} cannot be read, text alone")
        return content

    @property
    def text(self) -> str:
        """All of its text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class Wishes(BaseModel):
    """How to search: the field `surefoot` of a request, or its X-Surefoot headers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    method: Annotated[str, Field(max_length=100)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None


class StreamOptions(BaseModel):
    """What a stream holds."""

    model_config = ConfigDict(extra="ignore", strict=True)

    include_usage: bool = False


class ChatRequest(_Strict):
    """A request for the next turn of a conversation."""

    model: Annotated[str, Field(max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    surefoot: Wishes | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for name, harmless in UNSUPPORTED.items():
            if given.get(name) is not None and given[name] not in harmless:
                raise _unsupported(name)
        left_out = IGNORED | UNSUPPORTED.keys()
        return {name: value for name, value in given.items() if name not in left_out}


def read_request(body: bytes) -> ChatRequest:
    """The request that a body holds.

    Raises:
        Refusal: 400; it is no JSON, not of the protocol, or asks for what a search cannot do.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None


def read_wishes(given: dict[str, str]) -> Wishes:
    """What headers ask for, by the names of the fields.

    Raises:
        Refusal: 400; a value is not of its kind.
    """
    try:
        return Wishes.model_validate(given)
    except ValidationError as error:
        raise _refused(error, "header X-Surefoot-") from None


def _unsupported(name: str) -> Refusal:
    return Refusal(
        400,
        f"{name} is not supported: the answer is a solution that a search has chosen as a whole; "
        "leave it out",
        param=name,
        code="unsupported_parameter",
    )


def _refused(error: ValidationError, where: str = "") -> Refusal:
    """The first things that are wrong, without what was sent."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = []
    for one in found[:3]:
        place = ".".join(str(part) for part in one["loc"])[:100]
        said.append(f"{where}{place}: {one['msg'].removeprefix('Value error, ')}")
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    place = ".".join(str(part) for part in found[0]["loc"])[:100]
    return Refusal(400, "; ".join(said).removeprefix(": ") + more, param=place or None)

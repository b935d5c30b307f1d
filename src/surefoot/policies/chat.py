"""Conversations as token ids, in the words of the tokenizer's own chat template.

Names of special tokens in the users' text are hidden behind stand-ins while the template is filled,
so what becomes a special token is known by construction: no text that a user wrote ever does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from surefoot.errors import ContractError
from surefoot.policies.encoders import Encoders
from surefoot.policies.writer import Request

_FIRST_STAND_IN = 0xF0000
"""The first of 65,534 code points that Unicode leaves to private use."""


class ChatEncoder:
    """A tokenizer and its chat template.

    Raises:
        ContractError: the tokenizer has no chat template, or is not a fast one.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ContractError(
                "the tokenizer has no chat template, so how a conversation is written is not "
                "known; use the tokenizer that was published with the model"
            )
        self.tokenizer = tokenizer
        self._encoders = Encoders(tokenizer)

    def encode(self, request: Request) -> list[int]:
        """The ids of a conversation and its prefill.

        Raises:
            ContractError: the chat template cannot write these messages.
        """
        names = sorted(self._quoted(request))
        stand_ins = dict(zip(names, _unused_characters(request), strict=False))
        names_of = {ord(character): name for name, character in stand_ins.items()}
        text = self._written(request, stand_ins)
        return self._encoders.encode(
            piece.translate(names_of) if isinstance(piece, str) else piece
            for piece in self._encoders.split(text)
        )

    def encode_answer(self, request: Request, answer: str) -> list[int]:
        """The ids of an answer as the model would write it behind the ids of the request: nothing
        merges across the two. Names of tokens in it are those tokens, as in a prefill."""
        quoted = self._quoted(request)
        return self._encoders.encode(
            (
                piece if isinstance(piece, str) or piece.text not in quoted else piece.text
                for piece in self._encoders.split(answer)
            ),
            begins=False,
        )

    def first_tokens(self, choices: Sequence[str]) -> list[int]:
        """The id of the first token of each text, as it stands behind other text.

        Raises:
            ContractError: two begin with the same token, or one has none.
        """
        later = self._encoders.later
        ids = [later.encode(text, add_special_tokens=False).ids[:1] for text in choices]
        if [] in ids or len({*map(tuple, ids)}) < len(ids):
            raise ContractError(
                f"the tokenizer does not tell {', '.join(map(repr, choices))} apart by their first "
                "tokens; choose other texts"
            )
        return [first for (first,) in ids]

    def _quoted(self, request: Request) -> set[str]:
        """The names of tokens that stand in the users' texts."""
        users = [m.text for m in request.messages if m.role == "user"]
        return {name for text in users for name in self._encoders.any_added.findall(text)}

    def _written(self, request: Request, stand_ins: Mapping[str, str]) -> str:
        def hide(text: str) -> str:
            return self._encoders.any_added.sub(lambda m: stand_ins.get(m[0], m[0]), text)

        messages = [{"role": m.role, "content": hide(m.text)} for m in request.messages]
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=request.opens_turn
            )
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            roles = ", ".join(m.role for m in request.messages)
            raise ContractError(
                f"the tokenizer's chat template cannot write the roles {roles}: {error}"
            ) from None
        for message in messages:
            if message["role"] != "assistant" and message["content"].strip() not in text:
                raise ContractError(
                    f"the tokenizer's chat template leaves out a message of the {message['role']}, "
                    "or part of it; give that text another place, or use another model"
                )
        if not request.opens_turn:
            text = _without_end(text, self.tokenizer.eos_token)
        return text + hide(request.prefill)


def _without_end(text: str, end: str | None) -> str:
    """The text without the token that closes the last message, if one does."""
    for closing in (f"{end}\n", end) if end else ():
        if text.endswith(closing):
            return text[: -len(closing)]
    return text


def _unused_characters(request: Request) -> Iterator[str]:
    """Private-use characters that stand nowhere in the request."""
    used = {character for m in request.messages for character in m.text} | {*request.prefill}
    for code in range(_FIRST_STAND_IN, _FIRST_STAND_IN + 0xFFFE):
        if chr(code) not in used:
            yield chr(code)

"""A tokenizer taken apart: how it cuts plain text, and which texts it knows as tokens of their own.

What a user wrote is given to the plain encoders alone, so that no text in it ever becomes a special
token, whatever it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from surefoot.errors import ContractError

WHITE_SPACE = "".join(
    one for one in map(chr, range(0x3001)) if one.isspace() and ord(one) not in range(0x1C, 0x20)
)
"""What tokenizers take for white space; Python counts four control characters too."""

_HIDDEN = "\U0010ffff\U0010fffe"
"""Two characters that are none, and so stand in no text."""


class AddedToken(NamedTuple):
    """A text that is a token of its own, and whether it takes the white space on its two sides.

    Not counted are those of white space alone: a stretch of spaces is text, whoever wrote it.
    """

    text: str
    id: int
    strips_left: bool
    strips_right: bool


class Encoders:
    """The two sides of a tokenizer.

    `first` and `later` take every text as plain text and report true offsets: for the beginning of
    a row, and for what follows an added token.

    Raises:
        ContractError: the tokenizer is not a fast one.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise ContractError(
                f"the tokenizer is a {type(tokenizer).__name__} without a fast backend, which "
                "knows where its tokens lie in the text; convert it to a tokenizer.json"
            )
        self.first, self.later = _plain_encoders(backend)
        self.added: Mapping[str, AddedToken] = {
            token.content: AddedToken(token.content, i, token.lstrip, token.rstrip)
            for i, token in backend.get_added_tokens_decoder().items()
            if not token.content.isspace()
        }
        longest_first = sorted(self.added, key=len, reverse=True)
        self.any_added = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def split(self, text: str) -> Iterator[str | AddedToken]:
        """The author's own text as stretches of plain text and added tokens."""
        end = 0
        for found in self.any_added.finditer(text):
            if end < found.start():
                yield text[end : found.start()]
            yield self.added[found[0]]
            end = found.end()
        if end < len(text):
            yield text[end:]

    def encode(self, pieces: Iterable[str | AddedToken], *, begins: bool = True) -> list[int]:
        """The ids of plain texts and added tokens that follow each other; two texts in a row are
        given to the tokenizer in one go. `begins` says whether they are the beginning of a row."""
        ids: list[int] = []
        encoder, text, strips = self.first if begins else self.later, "", False
        for piece in (*pieces, None):
            if isinstance(piece, str):
                text += piece
                continue
            text = text.lstrip(WHITE_SPACE) if strips else text
            if piece is not None and piece.strips_left:
                text = text.rstrip(WHITE_SPACE)
            ids += encoder.encode(text, add_special_tokens=False).ids if text else []
            if piece is not None:
                ids.append(piece.id)
                encoder, text, strips = self.later, "", piece.strips_right
        return ids


def _plain_encoders(backend: Tokenizer) -> tuple[Tokenizer, Tokenizer]:
    settings = json.loads(backend.to_str())
    settings |= {"truncation": None, "padding": None, "post_processor": None}
    for added in settings["added_tokens"]:
        added["special"] = not added["content"].isspace()
    if settings["model"]["type"] == "Unigram":
        _hide_special(settings)
    later = _without_first_space(settings["pre_tokenizer"])
    first = _as_plain(settings)
    if later == settings["pre_tokenizer"]:
        return first, first
    return first, _as_plain({**settings, "pre_tokenizer": later})


def _hide_special(settings: dict[str, Any]) -> None:
    """A unigram model finds special tokens in plain text by itself; give them other names in it."""
    names = {added["content"] for added in settings["added_tokens"] if added["special"]}
    model = settings["model"]
    hidden = {piece for piece, _ in model["vocab"]} & names
    model["vocab"] = [
        [_HIDDEN + piece if piece in hidden else piece, score] for piece, score in model["vocab"]
    ]
    settings["added_tokens"] = [
        added for added in settings["added_tokens"] if added["content"] not in hidden
    ]


def _as_plain(settings: Mapping[str, Any]) -> Tokenizer:
    encoder = Tokenizer.from_str(json.dumps(settings))
    encoder.encode_special_tokens = True
    return encoder


def _without_first_space(part: Any) -> Any:
    """The same pre-tokenizer, putting no space before text that does not begin the row."""
    if isinstance(part, list):
        return [_without_first_space(one) for one in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _without_first_space(value) for name, value in part.items()}
    if changed.get("prepend_scheme") == "first":
        changed["prepend_scheme"] = "never"
    return changed

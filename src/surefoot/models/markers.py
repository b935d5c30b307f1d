"""Texts of users that hold a tag or the name of a special token.

Nothing here is misled by them: what users wrote stays plain text, and slots are not searched for.
Other tools are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from surefoot.models.findings import Finding, Place, Tally
from surefoot.models.render import Renderer
from surefoot.models.template import Part, Template, parts
from surefoot.traces.types import Trace

_MOST_QUOTED = 3


class MarkerTally:
    """The traces so far that hold the contract's own tags, or the names of other special tokens."""

    def __init__(self, renderer: Renderer) -> None:
        own = _own_tags(renderer)
        names = {one.content for one in renderer.tokenizer.added_tokens_decoder.values()}
        self._tags, self._specials = _Search(own), _Search(names - own)
        self._traces = 0

    def add(self, row: int, trace: Trace) -> None:
        """Look through one trace."""
        self._traces += 1
        texts = [(None, trace.problem), (None, trace.reference or ""), *enumerate(trace.texts)]
        for search in (self._tags, self._specials):
            search.add(row, trace.id, texts)

    def warnings(self) -> list[Finding]:
        """What is to be known."""
        tags, specials = self._tags, self._specials
        found = [
            tags.tally.finding(
                "marker",
                f"text that holds the contract's own tags ({tags.quoted()}): "
                f"{tags.tally.count:,} of {self._traces:,} traces",
                "nothing to do here, where slots are never searched for; tools that search for "
                "tags find too many, so take it out for them",
            ),
            specials.tally.finding(
                "special",
                f"names of special tokens, which stay plain text here ({specials.quoted()}): "
                f"{specials.tally.count:,} of {self._traces:,} traces",
                "nothing to do here; other tools make tokens of them, so take them out for them",
            ),
        ]
        return [one for one in found if one.count]


class _Search:
    """Some names, and in which traces they were found."""

    def __init__(self, names: Collection[str]) -> None:
        longest_first = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if names else None
        self._found: Counter[str] = Counter()
        self.tally = Tally()

    def add(self, row: int, trace_id: str, texts: list[tuple[int | None, str]]) -> None:
        """Look through the texts of one trace; each comes with its step."""
        if self._pattern is None:
            return
        names: set[str] = set()
        place = None
        for step, text in texts:
            if found := self._pattern.findall(text):
                names.update(found)
                place = place or Place(row, trace_id, step)
        if place is not None:
            self.tally.add(place)
            self._found.update(names)

    def quoted(self) -> str:
        """The commonest of the names found."""
        common = self._found.most_common(_MOST_QUOTED)
        more = len(self._found) - len(common)
        return ", ".join(repr(name) for name, _ in common) + (f" and {more} more" if more else "")


def tag_of(template: Template) -> tuple[Part, ...]:
    """What stands between the text of a step and the slot at which it is first read."""
    tag: list[Part] = []
    for part in parts(template.step):
        if part == ("mark", "slot"):
            break
        if part in (("mark", "step"), ("mark", "numbered")):
            tag = []
        elif part != ("mark", "cut"):
            tag.append(part)
    return tuple(tag)


def _own_tags(renderer: Renderer) -> set[str]:
    """The special tokens of the template, and what ends a step where that is plain text."""
    template = renderer.template
    sources = (template.prompt, template.step, template.between, template.past, template.second)
    own: set[str] = set()
    for source in (*sources, template.end):
        for kind, value in parts(source or ""):
            if kind == "text":
                own.update(_specials(renderer, value))
            elif value in ("bos", "eos") and (name := _named(renderer, value)):
                own.add(name)
    tag = tag_of(template)
    text = "".join(part.value for part in tag)
    if text and all(part.kind == "text" for part in tag) and not {*_specials(renderer, text)}:
        own.add(text.strip() or text)
    return own


def _specials(renderer: Renderer, text: str) -> Iterator[str]:
    return (piece.text for piece in renderer.encoders.split(text) if not isinstance(piece, str))


def _named(renderer: Renderer, mark: str) -> str | None:
    name: str | None = getattr(renderer.tokenizer, f"{mark}_token", None)
    return name

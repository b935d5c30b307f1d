"""A search's growing traces, scored with every token computed once.

The session keeps a tree of all tokens of its branches with their keys and values. A new branch is
rendered as a whole, so its tokens are those of a plain scoring; what the tree holds of them is
taken from there, the rest is computed together with that of all other new branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import torch

from surefoot.models.base import Branch, Session
from surefoot.models.engine import places_in
from surefoot.models.heads import Read, signed
from surefoot.models.render import Item, Rendered, fits, render, text_of, too_long
from surefoot.token_tree import Node, TokenTree
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from surefoot.models.discriminative import DiscriminativeModel


class _Kept(NamedTuple):
    """What a branch holds in the tree."""

    reads: list[Read]
    """Of all its steps."""
    row: Rendered | None
    """A row that was read for it."""
    ends: list[Node]


class TreeSession(Session):
    """A session of a scorer whose engine packs."""

    def __init__(self, model: DiscriminativeModel, problem: str, reference: str | None) -> None:
        super().__init__()
        self.model = model
        self.problem = problem
        self.reference = reference
        self.tree = TokenTree()
        self._holds: dict[Branch, _Kept] = {self.root: _Kept([], None, [])}
        self._new: list[_Kept] = []
        self._laid: list[Node] = []
        """The last nodes of the rows that are being scored, held until it is known which stay."""

    def _score(self, prefixes: Sequence[tuple[Branch, tuple[str, ...]]]) -> list[StepScores]:
        with ExitStack() as undo:
            undo.callback(self._clear)
            scores = self._scored(prefixes)
            undo.pop_all()
        return scores

    def _scored(self, prefixes: Sequence[tuple[Branch, tuple[str, ...]]]) -> list[StepScores]:
        items = self._items(prefixes)
        rows = [row for item in items for row in item.rows]
        reads = self._read(rows)
        if self.model.contract.template.second is not None:
            rows, reads = self.model.second_pass(items, reads, self._read)
        rest = iter(zip(rows, reads, strict=True))
        self._new = []
        for (branch, _), item in zip(prefixes, items, strict=True):
            own = [next(rest) for _ in item.rows]
            before = self._holds[branch].reads[: item.text.read_from]
            self._new.append(
                _Kept(
                    before + [read for _, some in own for read in some],
                    own[0][0],
                    [self.tree.path(row.ids)[-1] for row, _ in own],
                )
            )
        return [signed(kept.reads, self.model.contract, self.model.name) for kept in self._new]

    def _items(self, prefixes: Sequence[tuple[Branch, tuple[str, ...]]]) -> list[Item]:
        """What is to be read: the new steps, or all where the old ones are cut into other tokens
        now that more stands behind them.

        Raises:
            TraceError: a step is empty or no text.
            UnscorableError: a prefix is too long, or a step of it cannot be scored.
        """
        model = self.model
        traces = [Trace(self.problem, steps, reference=self.reference) for _, steps in prefixes]
        texts = [
            text_of(trace)._replace(read_from=len(branch.steps))
            for trace, (branch, _) in zip(traces, prefixes, strict=True)
        ]
        items = []
        for i, rows in enumerate(render(texts, model.contract, model.renderer)):
            text = texts[i]
            old = self._holds[prefixes[i][0]].row
            if old is not None and model.contract.template.past is None:
                scored = old.slots[-1] + 1 + max(0, model.contract.reading.shift)
                if rows[0].ids[:scored] != old.ids[:scored]:
                    text = text._replace(read_from=0)
                    (rows,) = render([text], model.contract, model.renderer)
            if not fits(rows, model.contract.max_tokens):
                raise too_long(text, rows, model.contract.max_tokens)
            items.append(Item(i, text, rows))
        return items

    def _read(self, rows: Sequence[Rendered]) -> list[list[Read]]:
        """The reads at the slots of each row; what the tree holds is not computed again."""
        for row in rows:
            self._laid.append(self.tree.add(row.ids))
            self.tree.hold(self._laid[-1])
        engine = self.model.engine
        self.tree.cut(engine.pack_tokens)
        wanted: dict[Node, set[int]] = {}
        found = [places_in(self.tree, row.ids, self.model.places(row)) for row in rows]
        for node, place in (one for own in found for one in own):
            if place not in node.found and not node.is_computed:
                wanted.setdefault(node, set()).add(place)
        engine.compute(self.tree, wanted, keep=True)
        new = [(node, place) for node, places in wanted.items() for place in sorted(places)]
        if new:
            states = torch.stack([node.found[place] for node, place in new])
            for (node, place), read in zip(new, self.model.reads_of(states), strict=True):
                node.found[place] = read
        return [
            [node.found[place] for node, place in own]
            if all(place in node.found for node, place in own)
            else self.model.read([row])[0]
            for row, own in zip(rows, found, strict=True)
        ]

    def _keep(self, grown: Sequence[Branch]) -> None:
        for branch, kept in zip(grown, self._new, strict=True):
            self._holds[branch] = kept
            for node in kept.ends:
                self.tree.hold(node)
        self._clear()

    def _clear(self) -> None:
        """Let go of what no branch keeps."""
        for node in self._laid:
            self.tree.release(node)
        self._laid, self._new = [], []

    def _forget(self, branch: Branch) -> None:
        for node in self._holds.pop(branch).ends:
            self.tree.release(node)

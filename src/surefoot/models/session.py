"""A search's growing traces, scored with every token computed once.

The session keeps one tree of all tokens of its branches, whatever their problems, with their keys
and values. A new branch is
rendered as a whole, so its tokens are those of a plain scoring; what the tree holds of them is
taken from there, the rest is computed together with that of all other new branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import torch

from surefoot.errors import UnscorableError
from surefoot.models.base import Branch, Growth, Scored, Session
from surefoot.models.engine import places_in
from surefoot.models.heads import Read, signed
from surefoot.models.render import Item, Rendered, Text, fits, render, text_of, too_long
from surefoot.token_tree import Node, TokenTree

if TYPE_CHECKING:
    from surefoot.models.discriminative import DiscriminativeModel


class _Kept(NamedTuple):
    """What a branch holds in the tree."""

    reads: list[Read]
    """Of all its steps."""
    row: Rendered | None
    """A row that was read for it."""
    ends: list[Node]


_NOTHING = _Kept([], None, [])


class TreeSession(Session):
    """A session of a scorer whose engine packs."""

    def __init__(self, model: DiscriminativeModel, problem: str, reference: str | None) -> None:
        super().__init__(problem, reference)
        self.model = model
        self.tree = TokenTree()
        self._holds: dict[Branch, _Kept] = {}
        """Of all branches but the roots, which hold nothing."""
        self._new: list[_Kept] = []
        self._laid: list[Node] = []
        """The last nodes of the rows that are being scored, held until it is known which stay."""

    def _score(
        self, growths: Sequence[Growth], *, partly: bool
    ) -> Sequence[Scored | UnscorableError]:
        items = self._items(growths)
        refused = [one for one in items if isinstance(one, UnscorableError)]
        if refused and not partly:
            raise refused[0]
        read = [(g, one) for g, one in zip(growths, items, strict=True) if isinstance(one, Item)]
        with ExitStack() as undo:
            undo.callback(self._clear)
            scored = iter(self._scored(read) if read else [])
            undo.pop_all()
        return [next(scored) if isinstance(one, Item) else one for one in items]

    def _scored(self, items: Sequence[tuple[Growth, Item]]) -> list[Scored]:
        costs = [0] * sum(len(item.rows) for _, item in items)

        def read(rows: Sequence[Rendered]) -> list[list[Read]]:
            reads, more = self._read(rows)
            costs[:] = map(sum, zip(costs, more, strict=True))
            return reads

        rows = [row for _, item in items for row in item.rows]
        reads = read(rows)
        if self.model.contract.template.second is not None:
            rows, reads = self.model.second_pass([item for _, item in items], reads, read)
        rest = iter(zip(rows, reads, costs, strict=True))
        self._new = []
        scored = []
        for growth, item in items:
            own = [next(rest) for _ in item.rows]
            before = self._holds.get(growth.branch, _NOTHING).reads[: item.text.read_from]
            kept = _Kept(
                [*before, *(read for _, some, _ in own for read in some)],
                own[0][0],
                [self.tree.path(row.ids)[-1] for row, _, _ in own],
            )
            self._new.append(kept)
            scores = signed(kept.reads, self.model.contract, self.model.name)
            scored.append(Scored(scores, sum(cost for _, _, cost in own)))
        return scored

    def _items(self, growths: Sequence[Growth]) -> list[Item | UnscorableError]:
        """What is to be read: the new steps, or all where the old ones are cut into other tokens
        now that more stands behind them. An error stands for a prefix that is too long or has a
        step that cannot be scored."""
        texts = [
            text_of(growth.trace)._replace(read_from=len(growth.branch.steps)) for growth in growths
        ]
        return [
            rows if isinstance(rows, UnscorableError) else self._item(i, growth, text, rows)
            for i, (growth, text, rows) in enumerate(
                zip(growths, texts, self._rendered(texts), strict=True)
            )
        ]

    def _rendered(self, texts: Sequence[Text]) -> Sequence[list[Rendered] | UnscorableError]:
        """The rows of each text, or why there are none."""
        try:
            return render(texts, self.model.contract, self.model.renderer)
        except UnscorableError as error:
            if len(texts) == 1:
                return [error.with_traceback(None)]
            return [rows for text in texts for rows in self._rendered([text])]

    def _item(
        self, place: int, growth: Growth, text: Text, rows: list[Rendered]
    ) -> Item | UnscorableError:
        contract = self.model.contract
        old = self._holds.get(growth.branch, _NOTHING).row
        if old is not None and contract.template.past is None:
            scored = old.slots[-1] + 1 + max(0, contract.reading.shift)
            if rows[0].ids[:scored] != old.ids[:scored]:
                text = text._replace(read_from=0)
                (again,) = self._rendered([text])
                if isinstance(again, UnscorableError):
                    return again
                rows = again
        if not fits(rows, contract.max_tokens):
            return too_long(text, rows, contract.max_tokens)
        return Item(place, text, rows)

    def _read(self, rows: Sequence[Rendered]) -> tuple[list[list[Read]], list[int]]:
        """The reads at the slots of each row, and how many tokens each cost; what the tree holds is
        not computed again, and what several rows share is for the first of them to pay."""
        for row in rows:
            self._laid.append(self.tree.add(row.ids))
            self.tree.hold(self._laid[-1])
        engine = self.model.engine
        self.tree.cut(engine.pack_tokens)
        costs = self._costs(rows)
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
        reads = []
        for i, (row, own) in enumerate(zip(rows, found, strict=True)):
            if all(place in node.found for node, place in own):
                reads.append([node.found[place] for node, place in own])
            else:
                reads += self.model.read([row])
                costs[i] += len(row.ids)
        return reads, costs

    def _costs(self, rows: Sequence[Rendered]) -> list[int]:
        """How many tokens of each row are neither computed nor in a row before it."""
        seen: set[Node] = set()
        costs = []
        for row in rows:
            path = self.tree.path(row.ids)
            new = [node for node in path if not node.is_computed and node not in seen]
            seen.update(new)
            costs.append(sum(len(node.ids) for node in new))
        return costs

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
        for node in self._holds.pop(branch, _NOTHING).ends:
            self.tree.release(node)

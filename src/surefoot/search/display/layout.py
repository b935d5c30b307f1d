"""A tidy tree: where each node stands across the direction of growth, in time linear in their
number.

Buchheim, Jünger and Leipert 2002, "Improving Walker's Algorithm to Run in Linear Time", section 3:
equal subtrees look equal, a parent stands in the middle of its first and last child, children keep
their order, and subtrees lie as close as their contours allow. We differ in that each node has a
breadth of its own, and in that nothing recurses, since a solution may have thousands of steps: the
subtrees of a node's children are set side by side when all of them are laid out in themselves.
"""

from __future__ import annotations

from collections.abc import Sequence


def tidy(parents: Sequence[int], breadths: Sequence[float]) -> list[float]:
    """The middle of each node, so that nodes of one depth keep half their breadths apart each.

    Node 0 is the root and `parents[0]` is not read; every other node stands behind its parent, and
    children in the order of their numbers. The least edge of all nodes lies at 0.
    """
    tree = _Tree(parents, breadths)
    for node in range(len(parents) - 1, -1, -1):
        tree.set_children_side_by_side(node)
    return tree.places()


class _Tree:
    """The paper's fields, by node: all places are relative to the parent until the end.

    `prelim` is the place beside the siblings, `mod` what is added to all descendants, `thread` the
    next node of a contour below a leaf, `ancestor` the sibling subtree a node belongs to, `change`
    and `shift` what is still to be spread among siblings in between, `middle` that of the children.
    """

    def __init__(self, parents: Sequence[int], breadths: Sequence[float]) -> None:
        size = len(parents)
        self.parents = [-1, *parents[1:]]
        self.breadths = breadths
        self.children: list[list[int]] = [[] for _ in range(size)]
        self.rank = [0] * size
        for node in range(1, size):
            siblings = self.children[self.parents[node]]
            self.rank[node] = len(siblings)
            siblings.append(node)
        self.prelim, self.mod, self.middle = [0.0] * size, [0.0] * size, [0.0] * size
        self.change, self.shift = [0.0] * size, [0.0] * size
        self.thread: list[int | None] = [None] * size
        self.ancestor = list(range(size))

    def set_children_side_by_side(self, parent: int) -> None:
        """Place the children of a node whose subtrees are laid out."""
        children = self.children[parent]
        if not children:
            return
        default = children[0]
        for left, child in zip([None, *children], children, strict=False):
            if left is not None:
                self.prelim[child] = self.prelim[left] + self._apart(left, child)
            if self.children[child]:
                self.mod[child] = self.prelim[child] - self.middle[child]
            if left is not None:
                default = self._push(child, left, children[0], default)
        self._spread(children)
        self.middle[parent] = (self.prelim[children[0]] + self.prelim[children[-1]]) / 2

    def places(self) -> list[float]:
        """The place of every node, from the places relative to their parents."""
        self.prelim[0] = self.middle[0]
        inherited = [0.0] * len(self.parents)
        for node in range(1, len(self.parents)):
            parent = self.parents[node]
            inherited[node] = inherited[parent] + (self.mod[parent] if parent else 0.0)
        found = [own + more for own, more in zip(self.prelim, inherited, strict=True)]
        least = min(place - wide / 2 for place, wide in zip(found, self.breadths, strict=True))
        return [place - least for place in found]

    def _apart(self, left: int, right: int) -> float:
        return (self.breadths[left] + self.breadths[right]) / 2

    def _next(self, node: int, which: int) -> int | None:
        """The node one deeper on the contour: the first child (0) or the last (-1), or a thread."""
        children = self.children[node]
        return children[which] if children else self.thread[node]

    def _push(self, node: int, left: int, leftmost: int, default: int) -> int:
        """Move a subtree away from those before it, as far as their contours touch (the paper's
        Apportion)."""
        inner_right = outer_right = node
        inner_left, outer_left = left, leftmost
        sum_ir = sum_or = self.mod[node]
        sum_il, sum_ol = self.mod[left], self.mod[leftmost]
        below_left, below_right = self._next(inner_left, -1), self._next(inner_right, 0)
        while below_left is not None and below_right is not None:
            inner_left, inner_right = below_left, below_right
            outer_left = self._deeper(outer_left, 0)
            outer_right = self._deeper(outer_right, -1)
            self.ancestor[outer_right] = node
            far = self.prelim[inner_left] + sum_il - self.prelim[inner_right] - sum_ir
            far += self._apart(inner_left, inner_right)
            if far > 0:
                self._move(self._sibling(inner_left, node, default), node, far)
                sum_ir += far
                sum_or += far
            sum_il += self.mod[inner_left]
            sum_ir += self.mod[inner_right]
            sum_ol += self.mod[outer_left]
            sum_or += self.mod[outer_right]
            below_left, below_right = self._next(inner_left, -1), self._next(inner_right, 0)
        if below_left is not None and self._next(outer_right, -1) is None:
            self.thread[outer_right] = below_left
            self.mod[outer_right] += sum_il - sum_or
        if below_right is not None and self._next(outer_left, 0) is None:
            self.thread[outer_left] = below_right
            self.mod[outer_left] += sum_ir - sum_ol
            return node
        return default

    def _deeper(self, node: int, which: int) -> int:
        found = self._next(node, which)
        assert found is not None, "the outer contours are at least as long as the inner ones"
        return found

    def _sibling(self, inner: int, node: int, default: int) -> int:
        """The sibling in whose subtree a node of the left contour lies."""
        found = self.ancestor[inner]
        return found if self.parents[found] == self.parents[node] else default

    def _move(self, left: int, right: int, far: float) -> None:
        """Move the subtree of `right`, and note what those in between get of it."""
        share = far / (self.rank[right] - self.rank[left])
        self.change[right] -= share
        self.shift[right] += far
        self.change[left] += share
        self.prelim[right] += far
        self.mod[right] += far

    def _spread(self, children: Sequence[int]) -> None:
        """Give the siblings in between what was noted (ExecuteShifts)."""
        shift = change = 0.0
        for node in reversed(children):
            self.prelim[node] += shift
            self.mod[node] += shift
            change += self.change[node]
            shift += self.shift[node] + change

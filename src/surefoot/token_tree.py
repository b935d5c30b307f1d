"""Token sequences that share beginnings, each beginning kept once.

A node holds a stretch of tokens; a path from the root spells a sequence. Sequences that differ part
ways where they differ, so that a prompt and common steps are computed once, whoever wrote them and
however they were tokenised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
KeysAndValues = list[tuple[Any, Any]]
"""For each layer the keys and values of a node's tokens, tensors of shape (heads, T, D)."""


@dataclass(eq=False, slots=True)
class Node:
    """A stretch of tokens behind its parent's.

    `memory` is None as long as the node has not been computed, or once it is not needed any more.
    `found` keeps what was read at some of its tokens, by position in the node.
    """

    ids: Ids
    parent: Node | None
    depth: int
    """Tokens of the sequence before this node's first."""
    children: dict[int, Node] = field(default_factory=dict)
    memory: KeysAndValues | None = None
    is_computed: bool = False
    found: dict[int, Any] = field(default_factory=dict)
    holders: int = 0
    """How many kept branches end here."""

    @property
    def end(self) -> int:
        """Tokens of the sequence up to this node's last."""
        return self.depth + len(self.ids)

    def chain(self) -> list[Node]:
        """The nodes before this one, from the root's child on."""
        found = []
        node = self.parent
        while node is not None and node.parent is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


class TokenTree:
    """The tree. Its root holds no tokens."""

    def __init__(self) -> None:
        self.root = Node(np.zeros(0, dtype=np.int64), None, 0, is_computed=True)

    def add(self, ids: Sequence[int]) -> Node:
        """Put a sequence in, splitting nodes where it parts from others; gives its last node."""
        rest = np.asarray(ids, dtype=np.int64)
        node = self.root
        while len(rest):
            child = node.children.get(int(rest[0]))
            if child is None:
                child = Node(rest, node, node.end)
                node.children[int(rest[0])] = child
                return child
            shared = _shared(child.ids, rest)
            node = child if shared == len(child.ids) else split(child, shared)
            rest = rest[shared:]
        return node

    def computed(self, ids: Sequence[int]) -> list[tuple[Node, int]]:
        """The nodes that spell the longest computed beginning of a sequence, and how many first
        tokens of each belong to it."""
        rest = np.asarray(ids, dtype=np.int64)
        found = []
        node: Node | None = self.root
        while len(rest):
            assert node is not None
            node = node.children.get(int(rest[0]))
            if node is None or not node.is_computed:
                break
            shared = _shared(node.ids, rest)
            found.append((node, shared))
            if shared < len(node.ids):
                break
            rest = rest[shared:]
        return found

    def path(self, ids: Sequence[int]) -> list[Node]:
        """The nodes that spell a sequence which was put in before."""
        nodes = []
        node, position = self.root, 0
        while position < len(ids):
            node = node.children[int(ids[position])]
            nodes.append(node)
            position = node.end
        return nodes

    def nodes(self) -> Iterator[Node]:
        """Every node but the root, parents before children and one branch after the other."""
        waiting = list(reversed(self.root.children.values()))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children.values()))

    def cut(self, longest: int) -> None:
        """Split every node that is not computed so that none holds more than `longest` tokens."""
        for node in list(self.nodes()):
            while len(node.ids) > longest and not node.is_computed:
                split(node, longest)

    def hold(self, node: Node) -> None:
        """Keep a node and those before it until it is released as often as it was held."""
        node.holders += 1

    def release(self, node: Node) -> list[Node]:
        """Let go of a node; what no held node needs is taken out, and given."""
        node.holders -= 1
        gone = []
        while node.parent is not None and not node.holders and not node.children:
            parent = node.parent
            del parent.children[int(node.ids[0])]
            node.memory, node.found = None, {}
            gone.append(node)
            node = parent
        return gone


def split(node: Node, at: int) -> Node:
    """Put a new node with its first `at` tokens before a node; gives the new one. The node itself
    keeps its end, its children and its holders. Each part has memory of its own, to be let go of
    by itself."""
    parent = node.parent
    assert parent is not None
    head = Node(
        node.ids[:at],
        parent,
        node.depth,
        children={int(node.ids[at]): node},
        is_computed=node.is_computed,
        found={place: one for place, one in node.found.items() if place < at},
    )
    if node.memory is not None:
        head.memory = [(k[:, :at].clone(), v[:, :at].clone()) for k, v in node.memory]
        node.memory = [(k[:, at:].clone(), v[:, at:].clone()) for k, v in node.memory]
    parent.children[int(node.ids[0])] = head
    node.ids, node.parent, node.depth = node.ids[at:], head, node.depth + at
    node.found = {place - at: one for place, one in node.found.items() if place >= at}
    return head


def _shared(one: Ids, other: Ids) -> int:
    """How many first tokens are equal."""
    length = min(len(one), len(other))
    differing = np.flatnonzero(one[:length] != other[:length])
    return int(differing[0]) if len(differing) else length

"""The tree holds every sequence once, and lets go of exactly what nothing needs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.token_tree import TokenTree, split

sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)


def spelled(nodes):
    return [int(i) for node in nodes for i in node.ids]


def total(tree):
    return sum(len(node.ids) for node in tree.nodes())


def beginnings(some):
    """Every beginning of some sequences, the empty one aside: one for each token of a tree."""
    return {tuple(one[: i + 1]) for one in some for i in range(len(one))}


def check(tree):
    """Every node knows its place."""
    for node in tree.nodes():
        assert node.parent.children[int(node.ids[0])] is node
        assert node.depth == node.parent.end
        assert len(node.ids) == node.end - node.depth > 0
        assert spelled([*node.chain(), node])[: node.depth] == spelled(node.chain())
        assert len(spelled(node.chain())) == node.depth


@given(some=sequences)
def test_what_sequences_share_is_there_once(some):
    tree = TokenTree()
    ends = [tree.add(ids) for ids in some]
    check(tree)
    assert total(tree) == len(beginnings(some))
    for ids, end in zip(some, ends, strict=True):
        path = tree.path(ids)
        assert spelled(path) == ids
        assert path[-1].end == len(ids)
        assert [*path[-1].chain(), path[-1]] == path
        assert tree.add(ids) is path[-1]
        assert end is path[-1]


@given(some=sequences, longest=st.integers(1, 4))
def test_cutting_changes_no_path(some, longest):
    tree = TokenTree()
    for ids in some:
        tree.add(ids)
    tree.cut(longest)
    check(tree)
    assert max(len(node.ids) for node in tree.nodes()) <= longest
    assert total(tree) == len(beginnings(some))
    assert all(spelled(tree.path(ids)) == ids for ids in some)


@given(some=sequences)
def test_parents_come_before_children_and_branches_one_by_one(some):
    tree = TokenTree()
    for ids in some:
        tree.add(ids)
    order = list(tree.nodes())
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)

    def size(node):
        return 1 + sum(map(size, node.children.values()))

    for node in order:
        inside = order[place[node] : place[node] + size(node)]
        assert all(node is one or node in one.chain() for one in inside)


@given(data=st.data(), some=sequences)
def test_released_nodes_go_and_no_others(data, some):
    """Against a plain model: the tree holds the beginnings of what is held."""
    tree, held = TokenTree(), []
    for ids in some:
        node = tree.add(ids)
        tree.hold(node)
        held.append((ids, node))
        while held and data.draw(st.booleans()):
            before = total(tree)
            _, node = held.pop(data.draw(st.integers(0, len(held) - 1)))
            gone = tree.release(node)
            assert before - total(tree) == sum(len(one.ids) for one in gone)
        check(tree)
        assert total(tree) == len(beginnings([ids for ids, _ in held]))
        assert all(tree.path(ids)[-1] is node for ids, node in held)
    for _, node in held:
        tree.release(node)
    assert list(tree.nodes()) == []


@given(some=sequences, rest=sequences, asked=sequences)
def test_the_longest_computed_beginning_is_found(some, rest, asked):
    """Against a plain model, in a tree that holds sequences which were not computed too."""
    tree = TokenTree()
    for ids in some:
        last = tree.add(ids)
        for node in (*last.chain(), last):
            node.is_computed = True
    for ids in rest:
        tree.add(ids)
    known = beginnings(some)
    for ids in asked:
        found = tree.computed(ids)
        length = max((k for k in range(len(ids) + 1) if tuple(ids[:k]) in known), default=0)
        assert [i for node, shared in found for i in node.ids[:shared]] == ids[:length]
        assert all(shared == len(node.ids) for node, shared in found[:-1])
        assert all(shared for _, shared in found)


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_split_gives_each_part_its_own(at):
    tree = TokenTree()
    node = tree.add([5, 6, 7, 8, 9, 4])
    child = tree.add([5, 6, 7, 8, 9, 4, 1])
    assert child.parent is node
    node.is_computed = True
    memory = [(torch.randn(2, 6, 4), torch.randn(2, 6, 3)) for _ in range(2)]
    node.memory = [(k.clone(), v.clone()) for k, v in memory]
    node.found = {0: "a", 2: "b", 5: "c"}
    tree.hold(node)
    head = split(node, at)
    check(tree)
    assert (spelled([head]), spelled([node])) == ([5, 6, 7, 8, 9, 4][:at], [5, 6, 7, 8, 9, 4][at:])
    assert (head.is_computed, node.is_computed, child.parent) == (True, True, node)
    assert (head.holders, node.holders) == (0, 1)
    assert {**head.found, **{at + place: one for place, one in node.found.items()}} == {
        0: "a",
        2: "b",
        5: "c",
    }
    assert all(place < at for place in head.found)
    for layer, (keys, values) in enumerate(memory):
        assert torch.equal(torch.cat([head.memory[layer][0], node.memory[layer][0]], 1), keys)
        assert torch.equal(torch.cat([head.memory[layer][1], node.memory[layer][1]], 1), values)
        for one in (*head.memory[layer], *node.memory[layer]):
            assert one.untyped_storage().nbytes() == one.numel() * one.element_size()


def test_computed_nodes_are_not_cut():
    tree = TokenTree()
    tree.add([1, 2, 3, 4]).is_computed = True
    tree.add([1, 2, 9, 9, 9])
    tree.cut(1)
    assert [spelled([node]) for node in tree.nodes()] == [[1, 2], [3, 4], [9], [9], [9]]
    assert [node.is_computed for node in tree.nodes()] == [True, True, False, False, False]


def test_ids_may_come_in_any_sequence():
    tree = TokenTree()
    tree.add(np.array([1, 2], dtype=np.int32))
    tree.add((1, 2, 3))
    assert [node.ids.dtype for node in tree.nodes()] == [np.int64] * 2

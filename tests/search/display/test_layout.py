"""The layout of trees: what holds for every tree, and places worked out by hand."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.search.display.layout import tidy


@st.composite
def trees(draw):
    size = draw(st.integers(1, 60))
    bushy = draw(st.integers(1, 8))
    parents = [-1, *(draw(st.integers(max(0, i - bushy), i - 1)) for i in range(1, size))]
    breadths = draw(st.lists(st.sampled_from([1.0, 1.5, 4.0]), min_size=size, max_size=size))
    return parents, breadths


def depths_of(parents):
    found = [0]
    for parent in parents[1:]:
        found.append(found[parent] + 1)
    return found


def children_of(parents):
    found = [[] for _ in parents]
    for node, parent in enumerate(parents[1:], 1):
        found[parent].append(node)
    return found


def in_order(parents):
    """The nodes of each depth as they stand when the tree is read from its first child on."""
    depths, children, rows = depths_of(parents), children_of(parents), {}
    todo = [0]
    while todo:
        node = todo.pop()
        rows.setdefault(depths[node], []).append(node)
        todo += reversed(children[node])
    return rows


@settings(max_examples=400, deadline=None)
@given(trees())
def test_no_two_nodes_overlap_and_their_order_is_kept(tree):
    parents, breadths = tree
    found = tidy(parents, breadths)
    for row in in_order(parents).values():
        for left, right in itertools.pairwise(row):
            apart = (breadths[left] + breadths[right]) / 2
            assert found[right] - found[left] >= apart - 1e-9


@settings(max_examples=200, deadline=None)
@given(trees())
def test_a_parent_stands_in_the_middle_and_nothing_lies_outside(tree):
    parents, breadths = tree
    found = tidy(parents, breadths)
    for node, children in enumerate(children_of(parents)):
        if children:
            assert found[node] == pytest.approx((found[children[0]] + found[children[-1]]) / 2)
    assert min(y - b / 2 for y, b in zip(found, breadths, strict=True)) == pytest.approx(0)


@settings(max_examples=200, deadline=None)
@given(trees(), st.integers(1, 5))
def test_equal_subtrees_look_equal_wherever_they_hang(tree, before):
    parents, breadths = tree
    alone = tidy(parents, breadths)
    shifted = [-1, *([0] * before), 0, *(p + before + 1 for p in parents[1:])]
    hung = tidy(shifted, [1.0, *([2.0] * before), *breadths])[before + 1 :]
    for a, b in zip(alone, hung, strict=True):
        assert b - hung[0] == pytest.approx(a - alone[0])


@settings(max_examples=200, deadline=None)
@given(trees())
def test_two_subtrees_touch_where_they_are_nearest(tree):
    """Two subtrees of a root lie no farther apart than they must: somewhere they touch."""
    parents, breadths = tree
    size = len(parents)
    twice = [-1, 0, *(p + 1 for p in parents[1:]), 0, *(p + 1 + size for p in parents[1:])]
    wide = [1.0, *breadths, *breadths]
    found, depths = tidy(twice, wide), depths_of(twice)
    gaps = []
    for depth in set(depths[1:]):
        left = [i for i in range(1, size + 1) if depths[i] == depth]
        right = [i for i in range(size + 1, len(twice)) if depths[i] == depth]
        last, first = max(left, key=found.__getitem__), min(right, key=found.__getitem__)
        gaps.append(found[first] - found[last] - (wide[first] + wide[last]) / 2)
    assert min(gaps) == pytest.approx(0, abs=1e-9)


def test_small_trees_by_hand():
    assert tidy([-1], [2.0]) == [1.0]
    assert tidy([-1, 0, 0, 0], [1.0] * 4) == [1.5, 0.5, 1.5, 2.5]
    # A wide leaf moves its neighbours only.
    assert tidy([-1, 0, 0, 0], [1.0, 1.0, 3.0, 1.0]) == [2.5, 0.5, 2.5, 4.5]
    # The childless child in the middle is spread evenly between two bushes.
    assert tidy([-1, 0, 0, 0, 1, 1, 1, 3, 3, 3], [1.0] * 10) == [
        3.0, 1.5, 3.0, 4.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5,
    ]  # fmt: skip


def test_a_leaf_stands_in_the_lap_of_a_deep_neighbour():
    # 0 -> 1 -> (3, 4, 5) and 0 -> 2: the second child stands above the third grandchild.
    found = tidy([-1, 0, 0, 1, 1, 1], [1.0] * 6)
    assert found == [2.0, 1.5, 2.5, 0.5, 1.5, 2.5]


def test_deep_and_large_trees_take_linear_time():
    chain = tidy([-1, *range(20_000)], [1.0] * 20_001)
    assert set(chain) == {0.5}
    small, large = (time_of(size) for size in (5_000, 40_000))
    assert large < 32 * small, "8 times as many nodes; 64 times as long would be quadratic"


def time_of(size):
    """The least of three."""
    parents = [-1, *((i - 1) // 3 for i in range(1, size))]
    took = []
    for _ in range(3):
        begun = time.process_time()
        tidy(parents, [1.0] * size)
        took.append(time.process_time() - begun)
    return min(took)

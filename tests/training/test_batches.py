"""The order of a training's rows, and what a batch says of its places."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.training.batches import Order, Row, batched, collated
from surefoot.training.examples import Example, Place
from surefoot.training.targets import StepTarget


@given(
    groups=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30),
    length=st.integers(1, 100),
    seed=st.integers(0, 5),
    most=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_every_round_holds_every_row_once(groups, length, seed, most):
    order = list(Order(groups, length, seed=seed, most=most))
    assert len(order) == length
    for start in range(0, length, len(groups)):
        some = order[start : start + len(groups)]
        assert max(Counter(some).values()) == 1
    assert order == list(Order(groups, length, seed=seed, most=most))
    assert order[: length // 2] == list(Order(groups, length // 2, seed=seed, most=most))


def test_rows_of_a_group_lie_side_by_side_up_to_the_most():
    groups = ["a"] * 5 + ["b"] * 3 + ["c"]
    order = list(Order(groups, 9, seed=1, most=3))
    runs = []
    for row in order:
        if runs and runs[-1][0] == groups[row]:
            runs[-1][1] += 1
        else:
            runs.append([groups[row], 1])
    assert len([name for name, _ in runs if name == "b"]) == 1
    assert sum(size for name, size in runs if name == "a") == 5
    freely = [tuple(Order(groups, 9, seed=s, most=1)) for s in range(20)]
    assert len(set(freely)) == 20


def test_rounds_differ():
    order = list(Order(["x"] * 20, 40, seed=0, most=1))
    first, second = order[:20], order[20:]
    assert first != second
    assert sorted(first) == sorted(second)


RIGHT, WRONG = StepTarget(1.0, 0.0, 2.0, 3.0, 4.0), StepTarget(0.25, 0.5)


def example(outcome=None, *, shift=0, reference=()):
    places = (
        Place(0, 2 + shift, 0, RIGHT),
        Place(0, 3 + shift, 0, RIGHT),
        Place(0, 5 + shift, 1, None),
        Place(0, 7 + shift, 2, WRONG),
    )
    return Example((tuple(range(8 + shift)),), (2,), places, outcome, "q", reference)


def test_a_batch_says_what_each_place_is_taught():
    batch = batched([example(True), example(None, shift=1)])
    targets = batch.targets
    assert [places for _, places in batch.rows] == [[2, 3, 5, 7], [3, 4, 6, 8]]
    assert batch.starts == (2, 2)
    assert targets.good.tolist() == [1, 1, 0, 0.25] * 2
    assert targets.neutral.tolist() == [0, 0, 0, 0.5] * 2
    assert targets.weight.tolist() == [2, 2, 0, 1] * 2
    assert targets.successes.tolist() == [3, 3, 0, 0] * 2
    assert targets.trials.tolist() == [4, 4, 0, 1] * 2
    assert targets.trace.tolist() == [0] * 4 + [1] * 4
    assert targets.step.tolist() == [0, 0, 1, 2] * 2
    assert targets.last.tolist() == [3, 7]
    assert targets.outcome.tolist() == [1, 0]
    assert targets.outcome_weight.tolist() == [1, 0]
    assert targets.pairs.shape == (0, 2)
    assert batch.reference.tolist() == [0] * 8


def test_pairs_are_the_places_that_end_the_compared_steps():
    rows = [Row((example(), example()), (2, 0)), Row((example(), example()), (1, 2))]
    pairs = collated(list(enumerate(rows)))["batch"].targets.pairs
    assert pairs.tolist() == [[3, 4 + 1], [8 + 2, 12 + 3]]


def test_the_reference_lies_at_the_places():
    batch = batched([example(), example(reference=(1.0, 2.0, 3.0, 4.0))])
    assert batch.reference.tolist() == [0, 0, 0, 0, 1, 2, 3, 4]


def test_a_batch_moves_as_a_whole():
    moved = batched([example()]).to("meta")
    assert moved.targets.good.device.type == moved.reference.device.type == "meta"
    assert moved.rows == batched([example()]).rows


def test_the_ends_of_an_example():
    assert example().ends == [1, 2, 3]

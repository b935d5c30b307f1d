"""The world's truth against formulas of its own, and what its simulated authors are like."""

import dataclasses
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import Trace
from surefoot.worlds.last_digit import (
    ADD,
    MULTIPLY,
    SUBTRACT,
    WRONG_PRODUCTS,
    WRONG_SUMS,
    Author,
    Authors,
    Instruction,
    LastDigit,
    Work,
    make_problem,
    read_problem,
    read_work,
    right_work,
)

WORLD = LastDigit()
PERFECT = Author(
    smaller_from_larger=False, zero_keeps=False, products=frozenset(), sums=frozenset(), slips=0
)

digits = st.integers(0, 9)
instructions = st.builds(Instruction, st.sampled_from([ADD, SUBTRACT, MULTIPLY]), digits)
problems = st.builds(make_problem, digits, st.lists(instructions, min_size=1, max_size=8))
rngs = st.integers(0, 10**9).map(random.Random)


def right_steps(problem):
    """A right chain, by arithmetic modulo ten on the words of the problem."""
    digit = int(re.search(r"Start with (.)", problem.text)[1])
    steps = []
    for number, verb, digits_given in re.findall(r"Step (\d+): (\D+) (\d)", problem.text):
        other = int(digits_given)
        if verb == "add":
            sum_ = f"{digit} + {other} = {digit + other}"
            digit = (digit + other) % 10
        elif verb == "subtract":
            left = digit if digit >= other else 10 + digit
            sum_ = f"{left} - {other} = {left - other}"
            digit = (digit - other) % 10
        else:
            sum_ = f"{digit} * {other} = {digit * other}"
            digit = digit * other % 10
        steps.append(f"Step {number}: {verb} {other}. {sum_}, so the last digit is {digit}.")
    return [*steps, f"The answer is {digit}."]


def labels_of(problem, steps):
    (labels,) = WORLD.trace(problem, steps).labels
    return labels.values


def test_an_example_by_hand():
    problem = make_problem(7, [Instruction(ADD, 8), Instruction(SUBTRACT, 9)])
    assert problem.text == (
        "Keep only the last digit. Start with 7. Step 1: add 8. Step 2: subtract 9."
    )
    assert problem.answer == "6"
    steps = [
        "Step 1: add 8. 7 + 8 = 15, so the last digit is 5.",
        "Step 2: subtract 9. 15 - 9 = 6, so the last digit is 6.",
        "The answer is 6.",
    ]
    trace = WORLD.trace(problem, steps)
    assert (trace.answer, trace.reference, trace.outcome) == ("6", "6", True)
    assert (trace.source, trace.labels[0].values) == ("last-digit", (1, 1, 1))
    assert (trace.labels[0].source, trace.labels[0].scale) == ("checker", "rating")


def test_a_right_step_by_arithmetic_modulo_ten():
    for digit in range(10):
        for other in range(10):
            added, taken, times = (
                right_work(3, Instruction(verb, other), digit) for verb in (ADD, SUBTRACT, MULTIPLY)
            )
            assert (added.left, added.symbol, added.result) == (digit, "+", digit + other)
            assert (times.left, times.symbol, times.result) == (digit, "*", digit * other)
            assert 0 <= taken.result == taken.left - other <= 9
            assert taken.left in (digit, digit + 10)
            kept = [work.kept for work in (added, taken, times)]
            assert kept == [(digit + other) % 10, (digit - other) % 10, digit * other % 10]
            assert {(work.number, work.right) for work in (added, taken, times)} == {(3, other)}


@given(problems)
def test_a_right_chain_is_right_throughout(problem):
    steps = right_steps(problem)
    assert PERFECT.solve(problem, random.Random(0)) == steps
    trace = WORLD.trace(problem, steps)
    assert set(trace.labels[0].values) == {1}
    assert trace.outcome is True
    assert WORLD.label(trace) == trace.labels[0]


@given(problems, st.data())
def test_only_the_step_that_was_spoilt_is_wrong(problem, data):
    """One field of one step changes; the steps after it carry on rightly from what it wrote."""
    steps = right_steps(problem)
    k = data.draw(st.integers(0, len(steps) - 2), label="step")
    work = read_work(steps[k])
    name = data.draw(st.sampled_from([f.name for f in dataclasses.fields(Work)]), label="field")
    if name == "instruction":
        value = data.draw(instructions)
    elif name == "symbol":
        value = data.draw(st.sampled_from("+-*"))
    else:
        value = data.draw(digits if name == "kept" else st.integers(0, 99))
    spoilt = dataclasses.replace(work, **{name: value})
    right = [1] * len(steps)
    if spoilt == work:
        assert list(labels_of(problem, steps)) == right
        return
    digit = spoilt.kept
    _, asked = read_problem(problem.text)
    rest = []
    for number, instruction in enumerate(asked[k + 1 :], k + 2):
        rest.append(right_work(number, instruction, digit))
        digit = rest[-1].kept
    chain = [*steps[:k], str(spoilt), *map(str, rest), f"The answer is {digit}."]
    expected = [*right[:k], -1, *right[k + 1 :]]
    if name == "number":
        expected[k + 1 :] = labels_after_a_wrong_number(spoilt.number, k, len(steps))
    assert list(labels_of(problem, chain)) == expected


def labels_after_a_wrong_number(number, k, num_steps):
    """Steps follow the number written last: the next one is out of turn, those after it are not."""
    before = [number, *range(k + 2, num_steps)]
    now = [*range(k + 2, num_steps), num_steps]
    return [1 if a + 1 == b else -1 for a, b in zip(before, now, strict=True)]


@given(problems, digits)
def test_a_wrong_answer_step_is_wrong(problem, digit):
    steps = [*right_steps(problem)[:-1], f"The answer is {digit}."]
    trace = WORLD.trace(problem, steps)
    assert trace.outcome is (str(digit) == problem.answer)
    expected = [1] * (len(steps) - 1) + [1 if trace.outcome else -1]
    assert list(trace.labels[0].values) == expected


@given(problems, st.data())
def test_an_answer_out_of_turn_and_what_follows_it_are_wrong(problem, data):
    steps = right_steps(problem)
    k = data.draw(st.integers(0, len(steps) - 2))
    digit = read_work(steps[k - 1]).kept if k else read_problem(problem.text)[0]
    early = [*steps[:k], f"The answer is {digit}.", *steps[k:]]
    assert list(labels_of(problem, early)) == [1] * k + [-1] * (len(steps) - k + 1)
    assert list(labels_of(problem, [*steps, steps[-1]])) == [1] * len(steps) + [-1]


@given(problems, st.data())
def test_a_step_left_out_is_noticed_where_it_is_missing(problem, data):
    steps = right_steps(problem)
    k = data.draw(st.integers(0, len(steps) - 2))
    labels = labels_of(problem, steps[:k] + steps[k + 1 :])
    assert labels[k] == -1
    assert set(labels[:k]) <= {1}


chains = st.lists(
    st.one_of(
        st.text(min_size=1).filter(str.strip),
        st.builds(
            str, st.builds(Work, digits, instructions, digits, st.just("+"), digits, digits, digits)
        ),
        st.sampled_from(
            [
                "The answer is 3.",
                "The answer is ٣.",
                "Step 1: add 8. 7 + 8 = 015, so the last digit is 5.",
                "Step ١: add 8. 7 + 8 = 15, so the last digit is 5.",
                f"Step 1: add 8. 7 + 8 = {'1' * 5000}, so the last digit is 5.",
                f"Step {'9' * 5000}: add 8. 7 + 8 = 15, so the last digit is 5.",
                "Step 1: add 8. 7 + 8 = 15, so the last digit is 5. Indeed.",
                "Step 9999: add 8. 7 + 8 = 15, so the last digit is 5.",
                "\0",
            ]
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(chains, rngs)
def test_any_text_gets_a_label_and_what_is_sound_is_right(steps, rng):
    problem = make_problem(7, [Instruction(ADD, 8), Instruction(MULTIPLY, rng.randint(0, 9))])
    whole = right_steps(problem)
    mixed = [rng.choice([step, *whole]) for step in steps]
    for chain in (steps, mixed, [*steps, *whole], whole[: len(steps)]):
        trace = WORLD.trace(problem, chain)
        labels = trace.labels[0].values
        assert len(labels) == len(chain)
        assert set(labels) <= {1, -1}
        if set(labels) == {1} and trace.answer is not None:
            assert chain == whole
            assert trace.outcome is True
        for text, label in zip(chain, labels, strict=True):
            if read_work(text) is None and not re.fullmatch("The answer is [0-9].", text.strip()):
                assert label == -1


def test_a_chain_without_an_answer_has_none():
    problem = make_problem(7, [Instruction(ADD, 8)])
    trace = WORLD.trace(problem, right_steps(problem)[:-1])
    assert (trace.answer, trace.outcome, trace.labels[0].values) == (None, False, (1,))
    with pytest.raises(TraceError, match="at least one step"):
        WORLD.trace(problem, [])


@pytest.mark.parametrize(
    "text",
    [
        "What is 7 + 8?",
        "Keep only the last digit. Start with 7.",
        "Keep only the last digit. Start with 7. Step 2: add 8.",
        "Keep only the last digit. Start with 7. Step 1: add 8. Step 1: add 8.",
        "Keep only the last digit. Start with 7. Step 1: add 8. Step 2: divide by 2.",
        "Keep only the last digit. Start with ٧. Step 1: add 8.",
        f"Keep only the last digit. Start with 7. Step {'1' * 5000}: add 8.",
    ],
)
def test_a_problem_of_another_world_is_refused(text):
    with pytest.raises(TraceError, match="not a last-digit problem"):
        WORLD.label(Trace(text, ["The answer is 5."]))


@given(digits, st.lists(instructions, min_size=1, max_size=12))
def test_a_problem_reads_back(start, asked):
    assert read_problem(make_problem(start, asked).text) == (start, asked)


def test_problems_are_distinct_and_the_same_for_the_same_seed():
    found = WORLD.problems(3000, seed=0)
    assert len({problem.text for problem in found}) == 3000
    assert WORLD.problems(3000, seed=0) == found
    assert WORLD.problems(50, seed=0) == found[:50]
    others = {problem.text for problem in WORLD.problems(3000, seed=1)}
    assert len(others - {problem.text for problem in found}) > 2900
    lengths = Counter(len(read_problem(problem.text)[1]) for problem in found)
    assert set(lengths) == {5, 6, 7}
    assert min(lengths.values()) > 900
    answers = Counter(problem.answer for problem in found)
    assert answers.most_common(1)[0][1] < 0.35 * 3000, "no one answer may be a good guess"


def test_there_are_only_so_many_problems():
    small = LastDigit(1, 1)
    assert len({problem.text for problem in small.problems(280, seed=0)}) == 280
    with pytest.raises(UsageError, match="only 280 problems have 1 to 1 instructions, not 281"):
        small.problems(281, seed=0)


@pytest.mark.parametrize("steps", [(0, 3), (4, 3)])
def test_lengths_that_cannot_be_are_refused(steps):
    with pytest.raises(UsageError, match="give 1 or more, the smaller number first"):
        LastDigit(*steps)


def test_what_authors_believe_is_wrong():
    assert all(a * b != belief for (a, b), belief in WRONG_PRODUCTS.items())
    assert all(a + b != belief for (a, b), belief in WRONG_SUMS.items())
    assert all(a <= b for a, b in [*WRONG_PRODUCTS, *WRONG_SUMS])


@pytest.mark.parametrize(
    ("belief", "start", "instruction", "written"),
    [
        (
            {"smaller_from_larger": True},
            3,
            Instruction(SUBTRACT, 8),
            "8 - 3 = 5, so the last digit is 5.",
        ),
        ({"zero_keeps": True}, 6, Instruction(MULTIPLY, 0), "6 * 0 = 6, so the last digit is 6."),
        (
            {"products": {(7, 8)}},
            8,
            Instruction(MULTIPLY, 7),
            "8 * 7 = 54, so the last digit is 4.",
        ),
        ({"sums": {(7, 8)}}, 7, Instruction(ADD, 8), "7 + 8 = 16, so the last digit is 6."),
    ],
)
def test_a_misconception_shows_in_its_step_alone(belief, start, instruction, written):
    author = dataclasses.replace(PERFECT, **belief)
    problem = make_problem(start, [instruction, Instruction(ADD, 1)])
    steps = author.solve(problem, random.Random(0))
    assert steps[0].endswith(written)
    assert labels_of(problem, steps) == (-1, 1, 1)
    harmless = make_problem(9, [Instruction(SUBTRACT, 8), Instruction(MULTIPLY, 2)])
    assert author.solve(harmless, random.Random(0)) == right_steps(harmless)


def test_slips_are_as_frequent_as_asked():
    """A quarter of them are misread instructions, a quarter miscopied digits, and so on; some of
    these change nothing, so a little less than the share asked for is seen."""
    rng = random.Random(0)
    author = dataclasses.replace(PERFECT, slips=0.2)
    labels = [
        label
        for problem in WORLD.problems(1500, seed=0)
        for label in labels_of(problem, author.solve(problem, rng))
    ]
    assert 0.08 < labels.count(-1) / len(labels) < 0.2


def crowd(num_problems, num_chains, seed=0):
    """For each problem, the traces of so many authors."""
    rng, authors = random.Random(seed), Authors()
    return [
        [WORLD.trace(problem, authors.draw(rng).solve(problem, rng)) for _ in range(num_chains)]
        for problem in WORLD.problems(num_problems, seed=seed)
    ]


def test_the_crowd_is_often_wrong_and_often_right_for_wrong_reasons():
    """Wide bands: what the demonstration lives on must be there, exact shares may move."""
    pools = crowd(400, 16)
    traces = [trace for pool in pools for trace in pool]
    right = [trace for trace in traces if trace.outcome]
    flawed = sum(-1 in trace.labels[0].values for trace in right)
    assert 0.3 < len(right) / len(traces) < 0.7
    assert 0.15 < flawed / len(right) < 0.5
    majority = sum(
        Counter(trace.answer for trace in pool).most_common(1)[0][0] == pool[0].reference
        for pool in pools
    )
    assert 0.35 < majority / len(pools) < 0.75
    assert sum(any(trace.outcome for trace in pool) for pool in pools) / len(pools) > 0.9
    assert all(trace.outcome for trace in traces if set(trace.labels[0].values) == {1})


def test_the_equation_checker_agrees_where_it_can_speak():
    """Right chains hold no false equation; a believed product is one."""
    from surefoot.labels.equations import check_step

    for problem in WORLD.problems(300, seed=2):
        *work, _ = right_steps(problem)
        assert {check_step(step).verdict for step in work} == {"holds"}
    wrong = Work(1, Instruction(MULTIPLY, 8), 7, "*", 8, 54, 4)
    assert check_step(str(wrong)).verdict == "fails"

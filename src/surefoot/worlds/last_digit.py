"""The built-in world: carry a number through instructions, keeping only its last digit.

A problem reads "Keep only the last digit. Start with 7. Step 1: add 8. Step 2: multiply by 6." A
step on it reads "Step 2: multiply by 6. 5 * 6 = 30, so the last digit is 0." and the last step "The
answer is 0." Every step can be judged exactly from the problem and the step before it. Because
products by 0, 5 and even numbers forget part of what came before, a chain with a wrong step often
still ends at the right answer.

`Authors` simulates people who write such chains. Each has misconceptions of their own (takes the
smaller digit from the larger, believes 7 * 8 = 54, leaves a number unchanged when multiplying by 0)
and makes slips (skips or misreads an instruction, miscopies a digit, keeps the first digit). Most
authors share each misconception, so the most common answer is often wrong: what a policy that
learned from them says most often is not what is right.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import StepLabels, Trace
from surefoot.worlds.base import Problem

ADD, SUBTRACT, MULTIPLY = "add", "subtract", "multiply by"
SYMBOLS: Mapping[str, str] = {ADD: "+", SUBTRACT: "-", MULTIPLY: "*"}

_START = re.compile(r"Start with ([0-9])\.")
_INSTRUCTION = re.compile(r"Step [0-9]+: (add|subtract|multiply by) ([0-9])\.")
_NUMBER = "(0|[1-9][0-9]{0,3})"
_WORK = re.compile(
    rf"Step {_NUMBER}: (add|subtract|multiply by) ([0-9])\. "
    rf"{_NUMBER} ([-+*]) {_NUMBER} = {_NUMBER}, so the last digit is ([0-9])\."
)
_ANSWER = re.compile(r"The answer is ([0-9])\.")

_NUM_INSTRUCTIONS = 9 + 9 + 10
"""How many instructions there are: add or subtract 1 to 9, multiply by 0 to 9."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """Add, subtract or multiply by one digit."""

    verb: str
    digit: int


@dataclass(frozen=True, slots=True)
class Work:
    """What one step writes down.

    "Step `number`: `verb` `digit`. `left` `symbol` `right` = `result`, so the last digit is
    `kept`."
    """

    number: int
    instruction: Instruction
    left: int
    symbol: str
    right: int
    result: int
    kept: int

    def __str__(self) -> str:
        return (
            f"Step {self.number}: {self.instruction.verb} {self.instruction.digit}. "
            f"{self.left} {self.symbol} {self.right} = {self.result}, "
            f"so the last digit is {self.kept}."
        )


def right_work(number: int, instruction: Instruction, digit: int) -> Work:
    """The right way to carry `digit` through an instruction.

    A subtraction that would go below 0 borrows ten.
    """
    left, right = digit, instruction.digit
    if instruction.verb == SUBTRACT and left < right:
        left += 10
    result = {ADD: left + right, SUBTRACT: left - right, MULTIPLY: left * right}[instruction.verb]
    return Work(number, instruction, left, SYMBOLS[instruction.verb], right, result, result % 10)


class LastDigit:
    """The world of last digits, with problems of `min_steps` to `max_steps` instructions."""

    name = "last-digit"

    def __init__(self, min_steps: int = 5, max_steps: int = 7) -> None:
        if not 1 <= min_steps <= max_steps:
            raise UsageError(
                f"problems of {min_steps} to {max_steps} instructions: give 1 or more, "
                "the smaller number first"
            )
        self.min_steps = min_steps
        self.max_steps = max_steps

    def problems(self, num_problems: int, *, seed: int) -> list[Problem]:
        """Problems without repetition, the same for the same seed.

        Raises:
            UsageError: there are not so many problems of this length.
        """
        lengths = range(self.min_steps, self.max_steps + 1)
        most = sum(10 * _NUM_INSTRUCTIONS**num_steps for num_steps in lengths)
        if num_problems > most:
            raise UsageError(
                f"only {most:,} problems have {self.min_steps} to {self.max_steps} instructions, "
                f"not {num_problems:,}; allow more instructions"
            )
        rng = random.Random(f"last-digit problems {seed}")
        found: dict[str, Problem] = {}
        while len(found) < num_problems:
            num_steps = rng.randint(self.min_steps, self.max_steps)
            problem = make_problem(
                rng.randint(0, 9), [_random_instruction(rng) for _ in range(num_steps)]
            )
            found.setdefault(problem.text, problem)
        return list(found.values())

    def trace(self, problem: Problem, steps: Sequence[str]) -> Trace:
        """The steps as a trace, with their answer, its outcome and the exact label of every step.

        Raises:
            TraceError: there are no steps, a step is blank, or the problem is not of this world.
        """
        match = _ANSWER.fullmatch(steps[-1].strip()) if steps else None
        answer = match[1] if match else None
        trace = Trace(
            problem.text,
            steps,
            answer=answer,
            reference=problem.answer,
            outcome=answer == problem.answer,
            source=self.name,
        )
        return trace.with_labels(self.label(trace))

    def label(self, trace: Trace) -> StepLabels:
        """The exact label of every step, given the problem and the step before: 1 right, -1 wrong.

        A step is judged by itself: one that carries an earlier mistake on correctly is right. A
        step that is not written as this world writes is wrong. A chain is sound when every step is
        right and the last one gives the answer.

        Raises:
            TraceError: the problem is not of this world.
        """
        start, instructions = read_problem(trace.problem)
        number, digit, answered = 0, start, False
        values: list[float] = []
        for text in trace.texts:
            right = False
            if answered:
                pass
            elif match := _ANSWER.fullmatch(text.strip()):
                right = number == len(instructions) and int(match[1]) == digit
                answered = True
            elif (work := read_work(text)) is not None:
                right = work.number == number + 1 <= len(instructions) and work == right_work(
                    work.number, instructions[number], digit
                )
                number, digit = work.number, work.kept
            values.append(1 if right else -1)
        return StepLabels(tuple(values), source="checker", annotator=self.name)


def make_problem(start: int, instructions: Sequence[Instruction]) -> Problem:
    """The problem in words, and its answer."""
    digit = start
    words = [f"Keep only the last digit. Start with {start}."]
    for number, instruction in enumerate(instructions, 1):
        words.append(f"Step {number}: {instruction.verb} {instruction.digit}.")
        digit = right_work(number, instruction, digit).kept
    return Problem(" ".join(words), str(digit))


def read_problem(text: str) -> tuple[int, list[Instruction]]:
    """The start and the instructions of a problem.

    Raises:
        TraceError: the text is not a problem of this world.
    """
    start = _START.search(text)
    instructions = [Instruction(m[1], int(m[2])) for m in _INSTRUCTION.finditer(text)]
    if start is None or not instructions or make_problem(int(start[1]), instructions).text != text:
        raise TraceError(
            f"not a last-digit problem: {text[:80]!r}; the world's `problems` shows how one reads"
        )
    return int(start[1]), instructions


def read_work(text: str) -> Work | None:
    """What a step writes down, or None if it is not written as this world writes."""
    match = _WORK.fullmatch(text.strip())
    if match is None:
        return None
    number, verb, digit, left, symbol, right, result, kept = match.groups()
    return Work(
        int(number),
        Instruction(verb, int(digit)),
        int(left),
        symbol,
        int(right),
        int(result),
        int(kept),
    )


def _random_instruction(rng: random.Random) -> Instruction:
    verb = rng.choices((ADD, SUBTRACT, MULTIPLY), (3, 3, 4))[0]
    return Instruction(verb, rng.randint(0 if verb == MULTIPLY else 1, 9))


WRONG_PRODUCTS: Mapping[tuple[int, int], int] = {
    (3, 7): 24,
    (3, 9): 26,
    (4, 6): 26,
    (4, 7): 27,
    (4, 8): 36,
    (4, 9): 35,
    (6, 6): 35,
    (6, 7): 48,
    (6, 8): 42,
    (6, 9): 56,
    (7, 7): 48,
    (7, 8): 54,
    (7, 9): 64,
    (8, 8): 62,
    (8, 9): 74,
    (9, 9): 82,
}
"""Products that authors get wrong, smaller factor first, with what they believe."""

WRONG_SUMS: Mapping[tuple[int, int], int] = {
    (4, 9): 14,
    (5, 8): 14,
    (6, 7): 14,
    (6, 8): 15,
    (7, 8): 16,
    (7, 9): 15,
    (8, 9): 18,
}
"""Sums that authors get wrong, smaller term first, with what they believe."""


@dataclass(frozen=True, slots=True)
class Author:
    """One simulated author: what they believe, and how often they slip in a step."""

    smaller_from_larger: bool
    zero_keeps: bool
    products: frozenset[tuple[int, int]]
    sums: frozenset[tuple[int, int]]
    slips: float

    def solve(self, problem: Problem, rng: random.Random) -> list[str]:
        """The steps this author writes."""
        digit, instructions = read_problem(problem.text)
        steps: list[str] = []
        number = 0
        while number < len(instructions):
            if rng.random() < self.slips / 4 and number + 1 < len(instructions):
                number += 1
            work = self._work(number + 1, instructions[number], digit, rng)
            steps.append(str(work))
            digit = work.kept
            number += 1
        return [*steps, f"The answer is {digit}."]

    def _work(self, number: int, instruction: Instruction, digit: int, rng: random.Random) -> Work:
        slip = rng.random() / self.slips if self.slips else 1.0
        if slip < 0.25:
            instruction = Instruction(instruction.verb, rng.randint(1, 9))
        elif slip < 0.5:
            digit = rng.randint(0, 9)
        work = right_work(number, instruction, digit)
        left, result = work.left, work.result
        pair = (min(digit, work.right), max(digit, work.right))
        if instruction.verb == SUBTRACT and digit < work.right and self.smaller_from_larger:
            swapped = work.right - digit
            return Work(number, instruction, work.right, "-", digit, swapped, swapped)
        if instruction.verb == MULTIPLY and work.right == 0 and self.zero_keeps:
            result = digit
        elif instruction.verb == MULTIPLY and pair in self.products:
            result = WRONG_PRODUCTS[pair]
        elif instruction.verb == ADD and pair in self.sums:
            result = WRONG_SUMS[pair]
        kept = result % 10
        if 0.5 <= slip < 0.65 and result > 9:
            kept = result // 10
        return Work(number, instruction, left, work.symbol, work.right, result, kept)


class Authors:
    """A crowd of authors, each drawn by chance.

    A share `experts` of them believes nothing wrong; every other holds each misconception with
    probability `belief`. All slip in a share `slips` of their steps.
    """

    def __init__(
        self, *, belief: float = 0.65, experts: float = 1 / 5, slips: float = 0.04
    ) -> None:
        self.belief = belief
        self.experts = experts
        self.slips = slips

    def draw(self, rng: random.Random) -> Author:
        """One author."""
        belief = 0.0 if rng.random() < self.experts else self.belief

        def holds() -> bool:
            return rng.random() < belief

        return Author(
            smaller_from_larger=holds(),
            zero_keeps=holds(),
            products=frozenset(pair for pair in WRONG_PRODUCTS if holds()),
            sums=frozenset(pair for pair in WRONG_SUMS if holds()),
            slips=self.slips,
        )

"""Which answers of searches are right, which are the same, and which chains are sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from surefoot.labels.answers.comparing import AnswerCheck
from surefoot.labels.answers.grading import Given, answer_workers, judge_outcomes
from surefoot.labels.answers.groups import GroupCounts, Question, group_answers
from surefoot.search.results import SearchResult
from surefoot.traces.types import StepLabels, Trace


@dataclass(frozen=True)
class Judge:
    """Which answers of each problem are right, and which are the same.

    `right` is None where that cannot be told; `label` gives exact labels of steps, where there is
    someone who can.
    """

    right: Mapping[tuple[str, str, str], bool | None]
    """By problem, reference and answer."""
    group: Mapping[tuple[str, str], int]
    """By problem and answer."""
    counts: GroupCounts
    label: Callable[[Trace], StepLabels] | None = None

    @property
    def num_unknown(self) -> int:
        """Answers of which it cannot be told whether they are right."""
        return sum(one is None for one in self.right.values())

    def is_right(self, trace: Trace) -> bool:
        """Whether a solution ends at the reference; what cannot be told is wrong."""
        if trace.answer is None or trace.reference is None:
            return False
        return self.right[trace.problem, trace.reference, trace.answer] is True

    def is_sound(self, trace: Trace) -> bool | None:
        """Whether it is right and every step of it is; None where nobody labels steps."""
        if self.label is None:
            return None
        return self.is_right(trace) and self.label(trace).first_error() is None


def judge(
    results: Iterable[SearchResult],
    *,
    check: AnswerCheck | None = None,
    label: Callable[[Trace], StepLabels] | None = None,
    num_processes: int = 2,
    timeout_s: float = 10.0,
) -> Judge:
    """Hold all answers of all results against their references and against each other.

    Args:
        results: Of all methods and sizes.
        check: How answers are compared.
        label: Exact labels of the steps of a trace, such as those of a world.
        num_processes: Worker processes.
        timeout_s: How long the comparison of two answers may take.

    Raises:
        UsageError: algebra is asked for and math-verify is not installed.
    """
    check = check or AnswerCheck()
    given: dict[tuple[str, str, str], None] = {}
    said: dict[str, dict[str, None]] = {}
    for result in results:
        for one in result.solutions:
            if (answer := one.trace.answer) is not None:
                said.setdefault(result.problem, {})[answer] = None
                if result.reference is not None:
                    given[result.problem, result.reference, answer] = None
    asked = [Given(reference, answer, problem) for problem, reference, answer in given]
    questions = [Question(tuple(answers), problem) for problem, answers in said.items()]
    with answer_workers(num_processes, timeout_s, check=check) as workers:
        verdicts = [one.same for one in judge_outcomes(asked, workers, check=check)]
        groups, counts = group_answers(questions, workers, check=check)
    return Judge(
        dict(zip(given, verdicts, strict=True)),
        {
            (problem, answer): number
            for problem, own in zip(said, groups, strict=True)
            for answer, number in own.items()
        },
        counts,
        label,
    )

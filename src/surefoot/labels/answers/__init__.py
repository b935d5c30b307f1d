"""Is an answer right: yes, no, or cannot tell; start at `judge_outcome` and `grade`.

Read the files in the order of the work: `finding` (the answer in a text), `spelling` (equal text),
`quantities` (numbers, with tolerance and `units`), `choices` (letters of options), `structures`
(sets, tuples, intervals, matrices), `formulas` (algebra by sympy and math-verify, in worker
processes), `comparing` (which of these to ask, in which order), `grading` (texts and traces).

Nothing that a model wrote is ever run as code.
"""

from surefoot.labels.answers.comparing import METHODS, AnswerCheck, Checked, compare, same_answer
from surefoot.labels.answers.finding import extract_answer, stated_answer
from surefoot.labels.answers.grading import (
    Given,
    answer_workers,
    grade,
    judge_outcome,
    judge_outcomes,
)

__all__ = [
    "METHODS",
    "AnswerCheck",
    "Checked",
    "Given",
    "answer_workers",
    "compare",
    "extract_answer",
    "grade",
    "judge_outcome",
    "judge_outcomes",
    "same_answer",
    "stated_answer",
]

"""Pools whose figures can be worked out on paper."""

from surefoot.traces.types import StepLabels, StepScores, Trace


def candidate(problem, number, answer, right, scores=None, *, steps=2, labels=None, **fields):
    """A candidate of a problem; its text is `steps` steps of five letters."""
    return Trace(
        f"Problem {problem}?",
        [f"{number:02d}{i:02d}." for i in range(steps)],
        answer=answer,
        outcome=right,
        labels=[StepLabels(labels)] if labels else [],
        scores=[StepScores(tuple(scores), "prm")] if scores else [],
        meta={"problem_id": problem, "candidate": number, **fields.pop("meta", {})},
        **fields,
    )


def two_problems():
    """Of four candidates each: answers A A B C, of which A is right and the scorer likes B; and
    answers A B B B, of which A is right and the scorer likes it."""
    return [
        candidate("p", 0, "1", True, [0.8, 0.9], labels=(1, 1)),
        candidate("p", 1, "1", True, [0.4, 0.5], labels=(1, -1)),
        candidate("p", 2, "2", False, [0.9, 0.9], labels=(1, -1)),
        candidate("p", 3, "3", False, [0.2, 0.1], labels=(-1, None)),
        candidate("q", 0, "1", True, [0.9, 0.7], labels=(1, 1)),
        candidate("q", 1, "2", False, [0.5, 0.6], labels=(1, -1)),
        candidate("q", 2, "2", False, [0.6, 0.1], labels=(1, -1)),
        candidate("q", 3, "2", False, [0.3, 0.2], labels=(-1, None)),
    ]

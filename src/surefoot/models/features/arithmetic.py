"""What the exact equation checker says of a step, in detail."""

from __future__ import annotations

import math

from surefoot.labels.equations import Statement, check_step

_NAN = float("nan")


class Arithmetic:
    """Features of the closed equations of a step, given those of the steps before it."""

    def __init__(self) -> None:
        self._failed = 0
        self._held = 0

    def step(self, text: str) -> dict[str, float]:
        """The features of the next step, which then belongs to the past."""
        statements = check_step(text).statements
        verdicts = [statement.verdict for statement in statements]
        held, failed = verdicts.count("holds"), verdicts.count("fails")
        values = {
            "equations": float(len(verdicts)),
            "holds": float(held),
            "fails": float(failed),
            "chains": float(verdicts.count("chain")),
            "open_equations": float(verdicts.count("cannot tell")),
            "held_share": held / len(verdicts) if verdicts else _NAN,
            "gap": max((_gap(one) for one in statements if one.verdict == "fails"), default=_NAN),
            "doubted": float(sum(map(_is_doubted, statements))),
            "past_failed": float(self._failed),
            "past_held": float(self._held),
        }
        self._failed += failed
        self._held += held
        return values


def _gap(statement: Statement) -> float:
    """By how many powers of ten the two sides differ; 10 where one is zero or beyond floats."""
    left, right = statement.left, statement.right
    if not left or not right:
        return 10.0
    ratio = abs(left / right)
    return abs(math.log10(ratio.numerator) - math.log10(ratio.denominator))


def _is_doubted(statement: Statement) -> bool:
    """Whether the sides differ, but the words around them keep the checker from a verdict."""
    left, right = statement.left, statement.right
    known = left is not None and right is not None
    return statement.verdict == "cannot tell" and known and left != right

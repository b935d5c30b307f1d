"""Exact checking of the equations in a natural-language step; start at `check_step`.

Read the files in the order of the work: `tokens` (text to tokens, plain and LaTeX), `expressions`
(tokens to exact fractions, with `bounded` arithmetic and the `units` that follow a number),
`statements` (which expressions an equals sign joins), `verdicts` (do they agree). `words` holds the
words that change what an equation means. Nothing is evaluated as code, numbers stay exact, and the
size of every number is bounded.

Covers closed arithmetic: no variables, no functions, no irrational numbers. What it cannot read it
leaves alone.
"""

from surefoot.labels.equations.verdicts import (
    Rule,
    Statement,
    StepCheck,
    Verdict,
    check_step,
    step_check,
)

__all__ = ["Rule", "Statement", "StepCheck", "Verdict", "check_step", "step_check"]

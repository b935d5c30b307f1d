"""Checking the steps of a trace without a model; start at `check_trace`.

Read the files in the order of the work: `formulas` and `sides` (text to formulas, as trees of
`nodes`, and the relations between them), `points` and `polynomials` (are two formulas the same),
`identities` and `rewritings` (the verdict on a relation), `derivations` (does an equation follow
from the one before), `knowledge` (do values solve what was stated before), `whole_numbers` and
`conversions` (claims in words), `doubts` and `words` (what keeps a checker from a verdict), and
`traces`, which puts it together; `labelling` makes labels of it. Closed arithmetic stays with
`surefoot.labels.equations`. Nothing is evaluated as code.
"""

from surefoot.labels.checkers.labelling import with_checks
from surefoot.labels.checkers.traces import check_trace

__all__ = ["check_trace", "with_checks"]

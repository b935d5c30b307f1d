"""The guards of training: data are measured before time is spent on them, and refused where nothing
can come of it.

`measure` looks through the traces once and gives a `DataReport`; `summary` puts it into words;
`refuse` and `refuse_misaligned` stop what must not start; `split_by_question` keeps training and
development apart.
"""

from surefoot.training.guards.lengths import fits_contract
from surefoot.training.guards.measure import measure
from surefoot.training.guards.refusals import refuse, refuse_misaligned
from surefoot.training.guards.report import DataReport
from surefoot.training.guards.split import QuestionSplit, split_by_question
from surefoot.training.guards.words import summary

__all__ = [
    "DataReport",
    "QuestionSplit",
    "fits_contract",
    "measure",
    "refuse",
    "refuse_misaligned",
    "split_by_question",
    "summary",
]

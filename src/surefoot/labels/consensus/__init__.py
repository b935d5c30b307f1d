"""One set of labels from those of several sources; the parts stay in the trace."""

from surefoot.labels.consensus.agreeing import Unit, agreed
from surefoot.labels.consensus.dawid_skene import DawidSkene, fit_dawid_skene, posterior
from surefoot.labels.consensus.em import Estimates, fit_em
from surefoot.labels.consensus.majority import Ties, majority
from surefoot.labels.consensus.merged import MERGE, Merged, with_merged

__all__ = [
    "MERGE",
    "DawidSkene",
    "Estimates",
    "Merged",
    "Ties",
    "Unit",
    "agreed",
    "fit_dawid_skene",
    "fit_em",
    "majority",
    "posterior",
    "with_merged",
]

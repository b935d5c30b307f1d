"""Which traces people should label next, and estimates that stay unbiased all the same."""

from surefoot.labels.selection.candidates import Candidate, candidate_of
from surefoot.labels.selection.choosing import Chosen, Selection, SelectionRule, choose, selected
from surefoot.labels.selection.estimates import horvitz_thompson, slice_mean
from surefoot.labels.selection.queues import for_people, write_csv, write_label_studio
from surefoot.labels.selection.spread import farthest_first, text_features
from surefoot.labels.selection.strategies import STRATEGIES, Strategy

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Chosen",
    "Selection",
    "SelectionRule",
    "Strategy",
    "candidate_of",
    "choose",
    "farthest_first",
    "for_people",
    "horvitz_thompson",
    "selected",
    "slice_mean",
    "text_features",
    "write_csv",
    "write_label_studio",
]

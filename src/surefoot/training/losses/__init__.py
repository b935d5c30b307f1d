"""Every training objective, in one dict. A loss sees one batch of targets (`losses.loss`)."""

from __future__ import annotations

from collections.abc import Mapping

from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.loss import Loss
from surefoot.training.losses.outcome import Outcome
from surefoot.training.losses.pairwise import Pairwise
from surefoot.training.losses.q_ranking import QRanking
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.losses.temporal_difference import TemporalDifference

LOSSES: Mapping[str, type[Loss]] = {
    "cross-entropy": CrossEntropy,
    "binomial": Binomial,
    "squared-error": SquaredError,
    "q-ranking": QRanking,
    "pairwise": Pairwise,
    "temporal-difference": TemporalDifference,
    "outcome": Outcome,
    "joint": Joint,
}

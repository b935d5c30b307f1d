"""Trust figures: `trust` gives the findings, the benchmark `TRUST` the figures with intervals."""

from surefoot.evals.trust.report import TRUST, Gap, Trust, trust, trust_benchmark
from surefoot.evals.trust.thresholds import Sensitivity, sensitivity

__all__ = ["TRUST", "Gap", "Sensitivity", "Trust", "sensitivity", "trust", "trust_benchmark"]

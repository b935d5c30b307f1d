"""How well cheap sources of labels agree with people or with the truth, and at what cost."""

from surefoot.labels.noise.markdown import markdown
from surefoot.labels.noise.rates import POSITIONS, FirstErrors, Rates
from surefoot.labels.noise.report import Cost, NoiseReport, SourceNoise, noise_report

__all__ = [
    "POSITIONS",
    "Cost",
    "FirstErrors",
    "NoiseReport",
    "Rates",
    "SourceNoise",
    "markdown",
    "noise_report",
]

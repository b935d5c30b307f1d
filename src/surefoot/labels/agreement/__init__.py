"""How far sources of labels agree, beyond chance, with intervals over traces."""

from surefoot.labels.agreement.alpha import Metric, krippendorff_alpha
from surefoot.labels.agreement.kappa import Weights, cohen_kappa
from surefoot.labels.agreement.report import AgreementReport, PairAgreement, agreement

__all__ = [
    "AgreementReport",
    "Metric",
    "PairAgreement",
    "Weights",
    "agreement",
    "cohen_kappa",
    "krippendorff_alpha",
]

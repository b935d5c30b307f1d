"""Surefoot: process reward models, from step labels to step rewards.

Everything public is here; heavy parts load when first used, so `import surefoot` loads neither
torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot import aggregate as aggregate
    from surefoot.errors import SurefootError as SurefootError
    from surefoot.models.contract import Contract as Contract
    from surefoot.models.ensemble import Ensemble as Ensemble
    from surefoot.models.hub import load as load
    from surefoot.traces.types import Step as Step
    from surefoot.traces.types import StepLabels as StepLabels
    from surefoot.traces.types import StepScores as StepScores
    from surefoot.traces.types import Trace as Trace
    from surefoot.training.config import RewardConfig as RewardConfig
    from surefoot.training.reward import train as train

__version__ = "0.1.0"

_HOMES = {
    "Contract": "surefoot.models.contract",
    "Ensemble": "surefoot.models.ensemble",
    "RewardConfig": "surefoot.training.config",
    "Step": "surefoot.traces.types",
    "StepLabels": "surefoot.traces.types",
    "StepScores": "surefoot.traces.types",
    "SurefootError": "surefoot.errors",
    "Trace": "surefoot.traces.types",
    "aggregate": "surefoot.aggregate",
    "load": "surefoot.models.hub",
    "train": "surefoot.training.reward",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'surefoot' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    return module if _HOMES[name] == f"surefoot.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__

"""Turn the scores of a trace's steps into one number.

Every rule takes a list of floats, a NumPy array or a torch tensor of shape ``(..., S)`` (S steps;
leading axes are a batch) and an optional boolean mask of the same kind and shape that is true where
a step counts; what lies under a false mask is never read, so padding may be anything, NaN too. It
reduces the last axis. Lists give a float; arrays give arrays; tensors give tensors and keep their
gradient.

`minimum`, `product`, `last`, `mean`, `geometric` and `total` are rewards: higher is better. `nll`
is a loss: lower is better. `RULES` maps the names used in contracts and on the command line to
them.

Every rule raises `AbstainedError` where a row has no step that counts, and `UsageError` for a
number outside its domain: anything but a finite number for all of them, below 0 for `product` and
`geometric`, outside [0, 1] for `nll`.

References: product, Lightman et al. 2023 (arXiv:2305.20050, section 2.5, neutral steps counted as
positive); minimum, Wang et al. 2024, Math-Shepherd (arXiv:2312.08935, section 3.4); last, Snell et
al. 2024 (arXiv:2408.03314, section 5).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, cast, overload

from surefoot.errors import AbstainedError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Aggregate(Protocol):
    """A rule that turns the scores of S steps into one number per trace."""

    @overload
    def __call__(self, values: Sequence[float], mask: Sequence[bool] | None = None) -> float: ...
    @overload
    def __call__(
        self, values: NDArray[Any], mask: NDArray[np.bool_] | None = None
    ) -> NDArray[Any]: ...
    @overload
    def __call__(self, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor: ...


def _rule(
    floats: Callable[[list[float]], float], low: float = -math.inf, high: float = math.inf
) -> Callable[[Callable[[Any, Any, Any], Any]], Aggregate]:
    """Make a rule of two bodies: `floats` for a list, and the decorated function for a batch.

    The batch body gets the values and the mask, both of shape (..., S), and the library they belong
    to: NumPy or torch, whose functions of the same name do the same. Numbers must lie in
    [`low`, `high`].
    """

    def decorate(batch: Callable[[Any, Any, Any], Any]) -> Aggregate:
        name = batch.__name__

        def rule(values: Any, mask: Any = None) -> Any:
            library = _library(values)
            if library is None:
                return float(floats(_counted(name, values, mask, low, high)))
            scores, counts = _checked(name, library, values, mask, low, high)
            with (
                library.errstate(divide="ignore") if library.__name__ == "numpy" else nullcontext()
            ):
                return batch(scores, counts, library)

        rule.__name__ = rule.__qualname__ = name
        rule.__doc__ = batch.__doc__
        return cast(Aggregate, rule)

    return decorate


@_rule(floats=min)
def minimum(p: Any, mask: Any, lib: Any) -> Any:
    """The least score: a chain is as good as its worst step."""
    return lib.amin(lib.where(mask, p, math.inf), -1)


@_rule(floats=math.prod, low=0)
def product(p: Any, mask: Any, lib: Any) -> Any:
    """The product of the scores: the probability that all are right, were they independent."""
    return lib.prod(lib.where(mask, p, 1.0), -1)


@_rule(floats=lambda p: p[-1])
def last(p: Any, mask: Any, lib: Any) -> Any:
    """The score of the last step that counts."""
    seen = lib.cumsum(mask, -1)
    is_last = mask & (seen == seen[..., -1:])
    return lib.sum(lib.where(is_last, p, 0.0), -1)


@_rule(floats=lambda p: math.fsum(p) / len(p))
def mean(p: Any, mask: Any, lib: Any) -> Any:
    """The arithmetic mean of the scores."""
    return _mean(p, mask, lib)


def _geometric(p: list[float]) -> float:
    return 0.0 if 0 in p else math.exp(math.fsum(map(math.log, p)) / len(p))


@_rule(floats=_geometric, low=0)
def geometric(p: Any, mask: Any, lib: Any) -> Any:
    """The geometric mean of the scores, by their logs so that long traces do not underflow.

    It is 0 for a row that holds a 0, and its gradient there is 0.
    """
    zero = mask & (p == 0)
    logs = lib.log(lib.where(mask & ~zero, p, 1.0))
    return lib.where(zero.any(-1), 0.0, lib.exp(_mean(logs, mask, lib)))


@_rule(floats=math.fsum)
def total(p: Any, mask: Any, lib: Any) -> Any:
    """The sum of the scores, as for log-ratios."""
    return lib.sum(lib.where(mask, p, 0.0), -1)


def _nll(p: list[float]) -> float:
    return math.inf if 0 in p else 0.0 - math.fsum(map(math.log, p)) / len(p)


@_rule(floats=_nll, low=0, high=1)
def nll(p: Any, mask: Any, lib: Any) -> Any:
    """The mean of -log p over S probabilities; its gradient is -1 / (S p).

    It is 0 when every step is certain and infinite when one is impossible.
    """
    logs = lib.log(lib.where(mask, p, 1.0))
    return 0.0 - _mean(logs, mask, lib)


RULES: Mapping[str, Aggregate] = {
    "min": minimum,
    "product": product,
    "last": last,
    "mean": mean,
    "geometric": geometric,
    "nll": nll,
    "sum": total,
}


def rule(name: str) -> Aggregate:
    """The rule of that name.

    Raises:
        UsageError: there is none; the message lists the names.
    """
    if name not in RULES:
        raise UsageError(f"no aggregate {name!r}; choose one of {', '.join(RULES)}")
    return RULES[name]


def _mean(p: Any, mask: Any, lib: Any) -> Any:
    return lib.sum(lib.where(mask, p, 0.0), -1) / lib.sum(mask, -1, dtype=p.dtype)


def _library(values: object) -> Any:
    """The module whose array `values` is, torch or NumPy, importing neither; None for a list."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(values, torch.Tensor):
        return torch
    if numpy is not None and isinstance(values, numpy.ndarray):
        return numpy
    return None


def _counted(name: str, values: Any, mask: Any, low: float, high: float) -> list[float]:
    """The scores of a list that count, checked."""
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        kind = type(values).__name__
        raise UsageError(f"{name} takes a list of numbers, an array or a tensor, not {kind}")
    if mask is not None and (
        not isinstance(mask, Sequence)
        or len(mask) != len(values)
        or not all(isinstance(m, bool) for m in mask)
    ):
        raise UsageError(f"{name} takes a list of {len(values)} booleans as mask, one per step")
    kept = []
    for i, value in enumerate(values):
        if mask is not None and not mask[i]:
            continue
        if not isinstance(value, Real):
            raise UsageError(
                f"score {i} given to {name} is {value!r}, not a number; leave out the steps on "
                "which a model abstained"
            )
        number = float(value)
        if not (low <= number <= high and math.isfinite(number)):
            raise UsageError(f"score {i} given to {name} is {number}; {_domain(low, high)}")
        kept.append(number)
    if not kept:
        raise AbstainedError(f"{name} needs at least one step that counts; there is none")
    return kept


def _checked(
    name: str, lib: Any, values: Any, mask: Any, low: float, high: float
) -> tuple[Any, Any]:
    """The values as floats and the mask as booleans, both (..., S), checked."""
    if not values.shape:
        raise UsageError(f"{name} reduces the last axis; a single number has none")
    if mask is None:
        mask = lib.ones_like(values, dtype=lib.bool)
    elif _library(mask) is not lib or mask.shape != values.shape or mask.dtype != lib.bool:
        raise UsageError(
            f"the mask given to {name} must be boolean and of the same kind and shape as the "
            f"scores, {tuple(values.shape)}"
        )
    if values.shape[-1] == 0 or not mask.any(-1).all():
        raise AbstainedError(f"{name} needs a step that counts in every row; a row has none")
    scores = values * 1.0
    bad = mask & ~(lib.isfinite(scores) & (scores >= low) & (scores <= high))
    if bad.any():
        first = scores[bad][0].item()
        raise UsageError(f"a score given to {name} is {first}; {_domain(low, high)}")
    return scores, mask


def _domain(low: float, high: float) -> str:
    if math.isfinite(high):
        return f"it must lie in [{low}, {high}]"
    return f"it must be a finite number{', 0 or more' if low == 0 else ''}"

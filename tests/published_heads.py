"""The small heads of published reward models, worked out by hand on states of a plain model."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

HIDDEN = 16


@dataclass(frozen=True)
class Head:
    """Tensors that are no part of a language model, and what they make of states (S, H).

    `decided` makes tensors that give states the log-odds asked for.
    """

    shapes: dict[str, tuple[int, ...]]
    logits: Callable[..., torch.Tensor]
    link: Callable[[torch.Tensor], torch.Tensor]
    decided: Callable[..., dict[str, torch.Tensor]]


def softmax(z):
    return z.softmax(-1)[..., 1]


def difference(z):
    return z.softmax(-1)[..., 1] - z.softmax(-1)[..., 0]


def validity(z):
    return z.softmax(-1)[..., 1] + z.softmax(-1)[..., 2]


def no_redundancy(z):
    return 1 - z.softmax(-1)[..., 1]


def sigmoid(z):
    return z[..., 0].sigmoid()


def raw(z):
    return z[..., 0]


SIGNS = {
    sigmoid: [1.0],
    softmax: [-0.5, 0.5],
    difference: [-0.5, 0.5],
    validity: [-0.5, 0.5, 0.5],
    no_redundancy: [0.5, -0.5, 0.5],
}
"""What each class takes of a direction, so that the log-odds are about the product with it."""


def direction(states, gaps):
    """The shortest vector whose products with states (S, H) are these."""
    return torch.linalg.pinv(states.double()).float() @ torch.tensor(gaps)


def linear(name, classes, link, *, bias=True):
    shapes = {f"{name}.weight": (classes, HIDDEN)}
    if bias:
        shapes[f"{name}.bias"] = (classes,)

    def logits(own, x):
        return functional.linear(x, own[f"{name}.weight"], own.get(f"{name}.bias"))

    def decided(own, x, gaps):
        weight = torch.outer(torch.tensor(SIGNS[link]), direction(x, gaps))
        zeros = {f"{name}.bias": torch.zeros(classes)} if bias else {}
        return {f"{name}.weight": weight, **zeros}

    return Head(shapes, logits, link, decided)


def _inner(own, x):
    return functional.linear(x, own["score.0.weight"], own["score.0.bias"]).relu()


_LAST = linear("score.2", 2, softmax)
MLP = Head(
    {"score.0.weight": (HIDDEN, HIDDEN), "score.0.bias": (HIDDEN,), **_LAST.shapes},
    lambda own, x: _LAST.logits(own, _inner(own, x)),
    softmax,
    lambda own, x, gaps: _LAST.decided(own, _inner(own, x), gaps),
)


def _layer(own, name, x):
    """A layer of an ensemble, whose weights are (E, in, out), on states (E, S, in)."""
    weight, bias = own[f"score.model.{name}.weight"], own[f"score.model.{name}.bias"]
    return torch.einsum("esh,ehd->esd", x, weight) + bias[:, None]


def _inner_of_each(own, x):
    x = x.expand(len(own["score.model.nn1.weight"]), *x.shape)
    return _layer(own, "nn2", _layer(own, "nn1", x).relu()).relu()


def _decided_by_each(own, x, gaps):
    weights = [direction(one, gaps)[:, None] for one in _inner_of_each(own, x)]
    zeros = torch.zeros(len(weights), 1)
    return {"score.model.nn_out.weight": torch.stack(weights), "score.model.nn_out.bias": zeros}


ENSEMBLE = Head(
    {
        "score.model.nn1.weight": (3, HIDDEN, 24),
        "score.model.nn1.bias": (3, 24),
        "score.model.nn2.weight": (3, 24, 24),
        "score.model.nn2.bias": (3, 24),
        "score.model.nn_out.weight": (3, 24, 1),
        "score.model.nn_out.bias": (3, 1),
    },
    lambda own, x: _layer(own, "nn_out", _inner_of_each(own, x)),
    lambda z: z[..., 0].sigmoid().mean(0),
    _decided_by_each,
)

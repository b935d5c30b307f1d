"""The last layer computed only where its result is wanted.

Every layer but the last feeds all tokens to the next one. Of the last only the rows at the slots
are read, so its output projection and its MLP need not run on the others; its keys and values do,
because the rows attend to them. Hooks do it without a line of model code: the layer is given the
marked rows as its stream (so the residual is short), the first module in it that receives them gets
the full stream in their place (so keys and values are complete), and what leaves the attention is
cut again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from surefoot.models.attention import Plan

_ATTENTIONS = ("self_attn", "attention", "attn")
_OUTPUTS = ("o_proj", "dense", "out_proj")


class _Pass(NamedTuple):
    """A pass through the last layer: what it computes, the full stream (1, T, H) and its marked
    rows (1, R, H)."""

    plan: Plan
    full: Tensor
    rows: Tensor


class LastLayer:
    """Hooks on the last decoder layer of a model; they act only while there is a plan.

    `number` is the layer's place, None where the model is built in another way: nothing is pruned
    then.
    """

    def __init__(self, body: Any) -> None:
        self.plan: Plan | None = None
        self.number: int | None = None
        self._passes: list[_Pass] = []
        self._now: _Pass | None = None
        layers = getattr(body, "layers", None)
        if not isinstance(layers, nn.ModuleList) or not len(layers):
            return
        layer = layers[-1]
        attention = _child(layer, _ATTENTIONS)
        output = None if attention is None else _child(attention, _OUTPUTS)
        if attention is None or output is None:
            return
        layer.register_forward_pre_hook(self._enter, with_kwargs=True)
        for child in layer.children():
            child.register_forward_pre_hook(self._give_full, with_kwargs=True)
        output.register_forward_pre_hook(self._cut)
        if (mlp := getattr(layer, "mlp", None)) is not None:
            mlp.register_forward_pre_hook(self._cut)
        self.number = len(layers) - 1

    def work(self, plan: Plan) -> None:
        """Cut the passes that follow by a plan. Earlier ones are remembered: gradient checkpointing
        may compute them again, in any order."""
        self.plan = plan if plan.last_layer is not None else None

    def rest(self) -> None:
        """Let all passes go by untouched, and forget those that were."""
        self.plan = self._now = None
        self._passes = []

    def _enter(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Give the layer the marked rows."""
        if self.plan is None:
            return None
        stream = args[0] if args else kwargs["hidden_states"]
        self._passes.append(_Pass(self.plan, stream, rows := stream[:, self.plan.rows]))
        if args:
            return (rows, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": rows}

    def _give_full(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Give the full stream to what would turn the marked rows into keys and values."""
        given = args[0] if args else kwargs.get("hidden_states")
        found = next((one for one in self._passes if _is_same(given, one.rows)), None)
        if found is None:
            return None
        self._now = found
        if args:
            return (found.full, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": found.full}

    def _cut(self, _: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Keep the marked rows of what the attention gives, and of what an MLP is given that runs
        beside it instead of behind it."""
        now = self._now
        if now is None or args[0].shape[1] != now.full.shape[1]:
            return None
        return (args[0][:, now.plan.rows], *args[1:])


def _is_same(given: Any, rows: Tensor) -> bool:
    """Whether a layer was given these rows; gradient checkpointing passes them on as another tensor
    with the same memory."""
    if given is rows or not isinstance(given, Tensor):
        return given is rows
    return given.data_ptr() == rows.data_ptr() and given.shape == rows.shape


def _child(module: Any, names: tuple[str, ...]) -> Any:
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)

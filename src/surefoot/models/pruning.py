"""The last layer computed only where its result is wanted.

Every layer but the last feeds all tokens to the next one. Of the last only the rows at the slots
are read, so its output projection and its MLP need not run on the others; its keys and values do,
because the rows attend to them. Hooks do it without a line of model code: the layer is given the
marked rows as its stream (so the residual is short), the first module in it that receives them gets
the full stream in their place (so keys and values are complete), and what leaves the attention is
cut again.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from surefoot.models.attention import Plan

_ATTENTIONS = ("self_attn", "attention", "attn")
_OUTPUTS = ("o_proj", "dense", "out_proj")


class LastLayer:
    """Hooks on the last decoder layer of a model; they act only while a plan is set.

    `number` is the layer's place, None where the model is built in another way: nothing is pruned
    then.
    """

    def __init__(self, body: Any) -> None:
        self.plan: Plan | None = None
        self.number: int | None = None
        self._full: Tensor | None = None
        self._rows: Tensor | None = None
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

    def _enter(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Give the layer the marked rows."""
        if self.plan is None:
            return None
        stream = args[0] if args else kwargs["hidden_states"]
        self._full, self._rows = stream, stream[:, self.plan.rows]
        if args:
            return (self._rows, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._rows}

    def _give_full(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Give the full stream to what would turn the marked rows into keys and values."""
        if self.plan is None:
            return None
        if args and self._is_rows(args[0]):
            return (self._full, *args[1:]), kwargs
        if self._is_rows(kwargs.get("hidden_states")):
            return args, {**kwargs, "hidden_states": self._full}
        return None

    def _is_rows(self, given: Any) -> bool:
        """Whether this is what `_enter` gave; gradient checkpointing passes it on as another tensor
        with the same memory."""
        rows = self._rows
        if given is rows or not isinstance(given, Tensor) or rows is None:
            return given is rows
        return given.data_ptr() == rows.data_ptr() and given.shape == rows.shape

    def _cut(self, _: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Keep the marked rows of what the attention gives, and of what an MLP is given that runs
        beside it instead of behind it."""
        if self.plan is None or self._full is None or args[0].shape[1] != self._full.shape[1]:
            return None
        return (args[0][:, self.plan.rows], *args[1:])


def _child(module: Any, names: tuple[str, ...]) -> Any:
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)

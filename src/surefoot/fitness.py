"""What in the configuration of a model makes its numbers depend on more than the tokens before."""

from __future__ import annotations

from typing import Any


def unfit(config: Any) -> str | None:
    """What in a configuration makes the numbers depend on more than the tokens before."""
    if bad := rotary_kinds(config) & {"dynamic", "longrope"}:
        return f"its rotary frequencies ({bad.pop()}) depend on the longest sequence of a pass"
    layers = {*(getattr(config, "layer_types", None) or ())}
    if other := layers - {"full_attention", "sliding_attention"}:
        return f"it has layers of another kind ({', '.join(sorted(other))})"
    if getattr(config, "attention_chunk_size", None):
        return "it attends in chunks"
    return None


def rotary_kinds(config: Any) -> set[str | None]:
    """How the layers make their rotary frequencies."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return {rope.get("rope_type")} | {
        one.get("rope_type") for one in rope.values() if isinstance(one, dict)
    }


def window_of(config: Any) -> int | None:
    """How many tokens back some layers see, None if all see all of them."""
    layers = getattr(config, "layer_types", None)
    if layers and "sliding_attention" not in layers:
        return None
    if not getattr(config, "use_sliding_window", True):
        return None
    window: int | None = getattr(config, "sliding_window", None)
    longest = getattr(config, "max_position_embeddings", None)
    return None if window and longest and window >= longest else window

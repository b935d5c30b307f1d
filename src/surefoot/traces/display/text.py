"""Text that a page or a terminal can hold: nothing in it hides, and nothing is without end."""

from __future__ import annotations

SPARED = "\n\t\u00a0"


def visible(text: str, spared: str = SPARED) -> str:
    """Text with control characters spelled out, so that a page can hold it and nothing hides.

    That holds for what turns the direction of text round and for lone surrogates too; the
    characters in `spared` stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in spared else c.encode("unicode_escape").decode() for c in text
    )


def shortened(text: str, most: int) -> tuple[str, int]:
    """The first `most` characters, and how many more there are."""
    return text[:most], max(0, len(text) - most)


def said(value: float | None) -> str:
    """A score as people read it: two digits after the point, or three that count."""
    if value is None:
        return "–"
    if value == 0 or 0.005 <= abs(value) < 100:
        return f"{value:.2f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")

"""SVG that takes its colours, its font and its width from the page it stands in.

matplotlib draws with stand-in colours, which become CSS variables of the page (`--ink`, `--muted`,
`--prm`, `--orm`) with mid-tones behind them for a picture that stands alone. matplotlib is imported
only when something is drawn.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, PRM, ORM = "#010203", "#010204", "#010205", "#010206"
_CSS = {
    INK: "var(--ink, #7a7f87)",
    MUTED: "var(--muted, #8a8f98)",
    PRM: "var(--prm, #2f7fd6)",
    ORM: "var(--orm, #d2691e)",
}
"""The stand-in colours that matplotlib is given, and what they become."""

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "surefoot",
    "font.size": 10,
    "text.parse_math": False,  # names are only text
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@contextmanager
def canvas(height: float = 3.8, width: float = 5.0) -> Iterator[tuple[Figure, Axes]]:
    """A picture, in inches, and its axes under our settings, whatever those of the user are."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # The browser draws the text, with fonts of its own.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        picture = Figure(figsize=(width, height), layout="constrained")
        yield picture, picture.add_subplot()


def to_svg(picture: Figure, prefix: str, title: str) -> str:
    """The picture as one `<svg>` element that takes its colours and its width from the page."""
    buffer = io.StringIO()
    picture.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for stand_in, css in _CSS.items():
        text = text.replace(stand_in, css)
    text = re.sub(r'(<[^<>]*\bid=")', rf"\g<1>{prefix}-", text)
    text = re.sub(r'(<[^<>]*)\bxlink:href="#', rf'\g<1>href="#{prefix}-', text)
    text = re.sub(r"(<[^<>]*\burl\(#)", rf"\g<1>{prefix}-", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    name = escape(title)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box[0]} role="img" aria-label="{name}" '
    head += 'stroke-linejoin="round">'
    return head + f"<title>{name}</title>" + text[text.index(">") + 1 :].strip() + "\n"

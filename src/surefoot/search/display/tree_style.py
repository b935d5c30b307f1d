"""The styles of a drawn tree: in a page, which gives the colours, in a notebook, and on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Template

SHADES = 10
"""Colours of scores, from the lowest to the highest; the threshold lies in the middle."""

_FAR = (100, 72, 48, 26, 8)
"""How much, in %, of the end colour is in the shades from that end to the middle; the rest is
paper."""

RULES = Template("""
$here text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: $ink; font-variant-numeric: tabular-nums; }
$here .e { fill: none; stroke: $muted; stroke-opacity: .65; stroke-width: 1.2; }
$here .w2 { stroke-width: 2; } $here .w3 { stroke-width: 3; } $here .w4 { stroke-width: 4.2; }
$here .p { stroke-dasharray: 3 3; stroke-opacity: .55; }
$here .g { stroke-dasharray: .1 5; stroke-linecap: round; stroke-width: 2; }
$here .h { fill: none; stroke: $accent; stroke-opacity: .16; stroke-width: 13; stroke-linecap: round; stroke-linejoin: round; }
$here .c { fill: none; stroke: $accent; stroke-width: 3.2; stroke-linejoin: round; }
$here .m { stroke-width: 1.4; }
$here .u { fill: $paper; stroke: $muted; stroke-width: 1.5; }
$here .x { fill: none; stroke: $wrong; stroke-width: 2.2; stroke-linecap: round; }
$here .o { fill: none; stroke: $ink; stroke-width: 1.5; }
$here .oc { stroke: $accent; stroke-width: 2.6; }
$here .r { fill: $ink; }
$here .n { fill: $muted; }
$here text.a { fill: $muted; font-size: 9.5px; text-anchor: middle; }
$here text.s { font-size: 9.5px; text-anchor: middle; stroke: $paper; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }
$here .b { font-weight: 700; }
$here .t1 { fill: $right; } $here .t0 { fill: $wrong; }
""")  # noqa: E501 - a sheet of styles, a rule to a line

ON_PAPER = {
    "ink": "#1c2128",
    "muted": "#69717c",
    "paper": "#ffffff",
    "accent": "#0b5fbf",
    "right": "#0b6b5d",
    "wrong": "#a8201a",
}
"""The light colours of the reports, for a picture that stands alone."""


def shade(good: float) -> int:
    """The shade of a score that is so good, from 0 to 1."""
    return min(SHADES - 1, max(0, int(good * SHADES)))


def page_rules(here: str) -> str:
    """Those of a drawing in a page, which gives the colours, or a notebook, which does not."""
    colours = {
        "ink": "var(--ink, currentColor)",
        "muted": "var(--muted, #8a8f98)",
        "paper": "var(--paper, var(--jp-layout-color0, transparent))",
        "accent": "var(--prm, #2f7fd6)",
        "right": "var(--right, #1d9a86)",
        "wrong": "var(--wrong, #d9483f)",
    }

    def mixed(colour: str, share: int) -> str:
        return f"color-mix(in srgb, {colour} {share}%, {colours['paper']})"

    return RULES.substitute(here=here, **colours) + _shades(here, colours, mixed)


def _shades(here: str, colours: Mapping[str, str], mixed: Callable[[str, int], str]) -> str:
    """The styles of the shades: as full as a score is far from the threshold."""
    rules = ""
    for i in range(SHADES):
        is_low = i < SHADES // 2
        end = colours["wrong" if is_low else "right"]
        fill = mixed(end, _FAR[i if is_low else SHADES - 1 - i])
        rules += f"{here} .q{i} {{ fill: {fill}; stroke: {end}; }}\n"
    return rules


def paper_rules() -> str:
    """Those of a picture that stands alone."""

    def mixed(colour: str, share: int) -> str:
        both = zip(_rgb(colour), _rgb(ON_PAPER["paper"]), strict=True)
        return "#" + "".join(f"{round((share * a + (100 - share) * b) / 100):02x}" for a, b in both)

    return RULES.substitute(here="", **ON_PAPER) + _shades("", ON_PAPER, mixed)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))

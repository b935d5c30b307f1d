"""The tree of a search as SVG: it grows to the right, step by step, and the chosen path is thick.

Shape says what became of a branch and colour only repeats what shape, place or number say: a disc
is a step that scores at or above the threshold, a diamond one below it, an open circle one without
a score; a ring is a whole solution, a cross a branch that came to nothing, three dots one that
could have gone on, a dashed line one that was given up. Lines and marks are larger for what was
drawn more often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from surefoot.search.display.layout import tidy
from surefoot.search.display.marks import Drawn, Mark, marks_of, scorer_of
from surefoot.traces.display.text import said, shortened, visible

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult, Solution

SHADES = 10
"""Colours of scores, from the lowest to the highest; the threshold lies in the middle."""

_FAR = (100, 78, 56, 36, 16)
"""How much, in %, of the end colour is in the shades from that end to the middle."""

RULES = Template("""
$here text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: $ink; font-variant-numeric: tabular-nums; }
$here .e { fill: none; stroke: $muted; stroke-opacity: .65; stroke-width: 1.2; }
$here .w2 { stroke-width: 2; } $here .w3 { stroke-width: 3; } $here .w4 { stroke-width: 4.2; }
$here .p { stroke-dasharray: 3 3; stroke-opacity: .55; }
$here .g { stroke-dasharray: .1 5; stroke-linecap: round; stroke-width: 2; }
$here .h { fill: none; stroke: $accent; stroke-opacity: .16; stroke-width: 13; stroke-linecap: round; stroke-linejoin: round; }
$here .c { fill: none; stroke: $accent; stroke-width: 3.2; stroke-linejoin: round; }
$here .m { fill: currentColor; stroke: $paper; stroke-width: 1.4; paint-order: stroke; }
$here .u { fill: $paper; stroke: $muted; stroke-width: 1.5; }
$here .x { fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linecap: round; }
$here .o { fill: none; stroke: $ink; stroke-width: 1.5; }
$here .oc { stroke: $accent; stroke-width: 2.6; }
$here .r { fill: $ink; }
$here .n { fill: $muted; }
$here text.a { fill: $muted; font-size: 9.5px; text-anchor: middle; }
$here text.s { font-size: 9.5px; text-anchor: middle; stroke: $paper; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }
$here .b { font-weight: 700; }
$here .t1 { fill: $right; } $here .t0 { fill: $wrong; } $here .q { color: $muted; fill: $muted; }
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


@dataclass(frozen=True)
class Limits:
    """How much of a tree is drawn: marks, those of one node, and characters of a text."""

    marks: int = 1_500
    steps: int = 60
    characters: int = 400


@dataclass(frozen=True)
class Picture:
    """A drawn tree: where each mark stands, and the parts of the drawing in order."""

    drawn: Drawn
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    row: float
    """The least distance of two rows."""
    width: int
    height: int
    name: str
    parts: tuple[str, ...]


def tree_svg(result: SearchResult, *, limits: Limits = Limits()) -> str:
    """The tree of a search as an SVG file that stands alone, with its legend, on white paper.

    The text of a step shows where the pointer rests.
    """
    picture = draw(result, limits)
    titles = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="9" fill-opacity="0">'
        f"<title>{escape(tip_line(mark, result))}\n{escape(_brief(mark.text, limits.characters))}"
        "</title></circle>"
        for mark, x, y in zip(picture.drawn.marks, picture.xs, picture.ys, strict=True)
    )
    legend, wide, high = _legend(result, picture)
    width, height = max(picture.width, wide), picture.height + high
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(picture.name)}">'
        f"<title>{escape(picture.name)}</title><style>{_paper_rules()}</style>"
        f'<rect width="{width}" height="{height}" fill="{ON_PAPER["paper"]}"/>'
        f"{''.join(picture.parts)}{legend}{titles}</svg>\n"
    )


def draw(result: SearchResult, limits: Limits) -> Picture:
    """Lay a tree out and draw it."""
    drawn = marks_of(result, most=limits.marks, steps=limits.steps)
    marks = drawn.marks
    columns = _columns(marks)
    column = min(54.0, max(26.0, 820 / max(1, max(columns))))
    row = 17.0 if len(marks) < 800 else 14.0
    labels = {i: _label(mark, drawn, result) for i, mark in enumerate(marks)}
    labels = {i: label for i, label in labels.items() if label}
    tight = column < 30
    ys, room = _places(marks, labels, columns, column, row, tight)
    top, left = 30.0, 30.0
    xs = tuple(round(left + column * depth, 1) for depth in columns)
    ys = tuple(round(top + y, 1) for y in ys)
    width = math.ceil(left + column * room + 20)
    height = math.ceil(max(ys) + row / 2 + 8)
    parts = (
        _axis(columns, xs, tight, marks),
        *_edges(result, marks, xs, ys),
        *(_mark(result, mark, x, y) for mark, x, y in zip(marks, xs, ys, strict=True)),
        *(_open_end(mark, x, y) for mark, x, y in _leaves(marks, xs, ys) if mark.ends == "open"),
        *([] if tight else _path_scores(marks, xs, ys)),
        *(label.at(xs[i], ys[i]) for i, label in labels.items()),
    )
    return Picture(drawn, xs, ys, row, width, height, _name(result), parts)


def page_rules(here: str) -> str:
    """The styles of a drawing in a page, which gives the colours, or a notebook, which does not."""
    wrong, right, muted = "var(--wrong, #d9483f)", "var(--right, #1d9a86)", "var(--muted, #8a8f98)"
    rules = RULES.substitute(
        here=here,
        ink="var(--ink, currentColor)",
        muted=muted,
        paper="var(--paper, var(--jp-layout-color0, transparent))",
        accent="var(--prm, #2f7fd6)",
        right=right,
        wrong=wrong,
    )
    for i in range(SHADES):
        end, share = _mixed(i)
        colour = wrong if end == "wrong" else right
        rules += f"{here} .q{i} {{ color: color-mix(in oklab, {colour} {share}%, {muted}); }}\n"
    return rules


def tip_line(mark: Mark, result: SearchResult) -> str:
    """What is said of a mark in one line."""
    node = result.tree[mark.node]
    if mark.position is None:
        return f"the problem · {len(result.tree) - 1:,} nodes"
    words = [f"step {mark.position}", f"score {said(mark.score)}"]
    if mark.num_left:
        words.append(f"{mark.num_left:,} steps before it are not drawn")
    if node.draws > 1:
        words.append(f"drawn {node.draws:,} times")
    if mark.ends is not None:
        ended = {"open": "could go on", "pruned": "given up for better ones"}
        words.append(ended.get(mark.ends, mark.ends) + (f": {node.why}" if node.why else ""))
        if node.value is not None:
            words.append(f"reward {said(node.value)}")
        if node.logprob is not None:
            words.append(f"log-probability {said(node.logprob)}")
        solution = None if mark.ends != "finished" else _solution(result, mark.node)
        if solution is not None:
            words.append(f"answer {_brief(solution.trace.answer or 'none', 60)}")
            if solution.votes is not None:
                words.append(f"votes {said(solution.votes)}")
    if mark.is_chosen:
        words.append("on the chosen path")
    return " · ".join(visible(word) for word in words)


def legend_items(result: SearchResult) -> list[tuple[str, str]]:
    """The signs of a tree, each in a box of 24 by 16, and their words."""
    scorer = scorer_of(result)
    limit = 0.5 if scorer is None else scorer.threshold
    return [
        ('<path class="h" d="M3 8h18"/><path class="c" d="M3 8h18"/>', "chosen path"),
        (
            f'<circle class="m q{SHADES - 1}" cx="7" cy="8" r="4.2"/>'
            f'<circle class="m q{SHADES // 2}" cx="18" cy="8" r="4.2"/>',
            f"score at or above {said(limit)}",
        ),
        (_diamond(7, 8, 4.6, "m q0") + _diamond(18, 8, 4.6, "m q3"), "below it"),
        ('<circle class="u" cx="12" cy="8" r="3.8"/>', "no score"),
        (
            '<circle class="m q9" cx="12" cy="8" r="3.6"/><circle class="o" cx="12" cy="8" r="7"/>',
            "whole solution",
        ),
        ('<path class="e p" d="M0 8h24"/>', "given up"),
        (_cross(12, 8, "q q0"), "came to nothing"),
        (
            '<circle class="m q9" cx="7" cy="8" r="4"/>' + _dots(7, 8),
            "could go on",
        ),
        ('<path class="e" d="M0 5h24"/><path class="e w4" d="M0 11h24"/>', "drawn more often"),
    ]


@dataclass(frozen=True)
class _Label:
    """What stands behind a solution: its answer, whether it is right, its reward."""

    answer: str
    sign: str
    reward: str
    is_chosen: bool

    @property
    def width(self) -> float:
        text = f"{self.answer} {self.sign} {self.reward}"
        return 14 + sum(11.0 if east_asian_width(one) in "WF" else 6.4 for one in text)

    def at(self, x: float, y: float) -> str:
        tone = {"✓": "t1", "✗": "t0"}.get(self.sign, "")
        sign = f'<tspan class="{tone}" dx="4">{self.sign}</tspan>' if self.sign else ""
        reward = f'<tspan class="n" dx="5">{self.reward}</tspan>' if self.reward else ""
        bold = ' class="b"' if self.is_chosen else ""
        return (
            f'<text{bold} x="{x + 12:g}" y="{y + 3.8:g}">{escape(self.answer)}{sign}{reward}</text>'
        )


def _label(mark: Mark, drawn: Drawn, result: SearchResult) -> _Label | None:
    solution = drawn.solutions.get(mark.node)
    if mark.ends != "finished" or solution is None:
        return None
    answer = solution.trace.answer
    text = "no answer" if answer is None else _brief(answer, 16)
    sign = {True: "✓", False: "✗", None: ""}[solution.trace.outcome]
    reward = "" if solution.reward is None else said(solution.reward)
    return _Label(text, sign, reward, result.solutions[0].node == mark.node)


def _columns(marks: Sequence[Mark]) -> list[int]:
    """How many marks stand before each on its way."""
    found = [0]
    for mark in marks[1:]:
        found.append(found[mark.parent] + 1)
    return found


def _places(
    marks: Sequence[Mark],
    labels: dict[int, _Label],
    columns: Sequence[int],
    column: float,
    row: float,
    tight: bool,
) -> tuple[tuple[float, ...], float]:
    """The row of each mark, and the columns that all of it takes: what stands behind a solution
    keeps its place free as if it were further steps."""
    parents = [mark.parent for mark in marks]
    breadths = [row if tight or not mark.is_chosen else row + 8 for mark in marks]
    room = float(max(columns))
    for i, label in labels.items():
        wide = label.width / column
        room = max(room, columns[i] + wide)
        before = i
        for _ in range(math.ceil(wide)):
            parents.append(before)
            breadths.append(row)
            before = len(parents) - 1
    return tuple(tidy(parents, breadths)[: len(marks)]), room


def _axis(
    columns: Sequence[int], xs: Sequence[float], tight: bool, marks: Sequence[Mark]
) -> str:
    """The positions of steps above the tree, as far as no step is left out."""
    deepest = max(columns)
    if any(mark.num_left for mark in marks) or not deepest:
        return ""
    each = math.ceil(deepest / 30) if not tight else max(2, math.ceil(deepest / 20))
    unit = (max(xs) - min(xs)) / deepest
    numbers = "".join(
        f'<text class="a" x="{xs[0] + unit * (place + 1):g}" y="13">{place}</text>'
        for place in range(0, deepest, each)
    )
    return f'<text class="a" x="{xs[0]:g}" y="13">step</text>{numbers}'


def _edges(
    result: SearchResult, marks: Sequence[Mark], xs: Sequence[float], ys: Sequence[float]
) -> list[str]:
    """Lines, those of one kind as one path, and the chosen path on top of them."""
    paths: dict[str, list[str]] = {}
    chosen = []
    for i, mark in enumerate(marks[1:], 1):
        node, before = result.tree[mark.node], mark.parent
        line = _line(xs[before], ys[before], xs[i], ys[i])
        kind = "e p" if node.status == "pruned" else "e"
        kind = f"{kind} g" if mark.num_left else kind
        weight = _weight(node.draws)
        paths.setdefault(f"{kind} w{weight}" if weight > 1 else kind, []).append(line)
        if mark.is_chosen:
            chosen.append(line)
    found = [f'<path class="{kind}" d="{"".join(lines)}"/>' for kind, lines in paths.items()]
    if chosen:
        # One stroke without joints: each line goes on where the one before it ended.
        whole = chosen[0] + "".join(one[one.index("h" if "h" in one else "c") :] for one in chosen[1:])
        found += [f'<path class="{kind}" d="{whole}"/>' for kind in "hc"]
    return found


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    wide, high = to_x - x, to_y - y
    if abs(high) < 0.05:
        return f"M{x:g} {y:g}h{wide:g}"
    bend = min(wide / 2, 27)
    return f"M{x:g} {y:g}c{bend:g} 0 {wide - bend:g} {high:g} {wide:g} {high:g}"


def _mark(result: SearchResult, mark: Mark, x: float, y: float) -> str:
    node = result.tree[mark.node]
    if mark.position is None:
        return f'<rect class="r" x="{x - 6:g}" y="{y - 6:g}" width="12" height="12" rx="3"/>'
    size = 3.4 + 0.8 * _weight(node.draws) - (0.6 if node.status == "pruned" else 0)
    if mark.ends == "dead":
        return _cross(x, y, "q" if mark.good is None else f"q{_shade(mark.good)}")
    if mark.good is None:
        sign = f'<circle class="u" cx="{x:g}" cy="{y:g}" r="{size - 0.4:g}"/>'
    elif mark.good < 0.5:
        sign = _diamond(x, y, size + 0.6, f"m q{_shade(mark.good)}")
    else:
        sign = f'<circle class="m q{_shade(mark.good)}" cx="{x:g}" cy="{y:g}" r="{size:g}"/>'
    if mark.ends == "finished":
        kind = "o oc" if mark.is_chosen else "o"
        sign += f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{size + 3:g}"/>'
    return sign


def _path_scores(marks: Sequence[Mark], xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    """The scores on the chosen path."""
    return [
        f'<text class="s" x="{x:g}" y="{y - 10:g}">{said(mark.score)}</text>'
        for mark, x, y in zip(marks, xs, ys, strict=True)
        if mark.is_chosen and mark.score is not None
    ]


def _leaves(
    marks: Sequence[Mark], xs: Sequence[float], ys: Sequence[float]
) -> list[tuple[Mark, float, float]]:
    inner = {mark.parent for mark in marks}
    return [(mark, xs[i], ys[i]) for i, mark in enumerate(marks) if i not in inner]


def _open_end(mark: Mark, x: float, y: float) -> str:
    return _dots(x, y)


def _dots(x: float, y: float) -> str:
    return "".join(f'<circle class="n" cx="{x + at:g}" cy="{y:g}" r="1.1"/>' for at in (9, 13, 17))


def _diamond(x: float, y: float, size: float, kind: str) -> str:
    r = f"{size:g}"
    return f'<path class="{kind}" d="M{x:g} {y - size:g}l{r} {r} -{r} {r} -{r} -{r}z"/>'


def _cross(x: float, y: float, kind: str) -> str:
    return f'<path class="x {kind}" d="M{x - 3.6:g} {y - 3.6:g}l7.2 7.2m0 -7.2l-7.2 7.2"/>'


def _weight(draws: int) -> int:
    """How thick: 1 for one draw, 2 from two on, 3 from four on, 4 from eight on."""
    return min(4, max(1, draws).bit_length())


def _shade(good: float) -> int:
    return min(SHADES - 1, max(0, int(good * SHADES)))


def _mixed(shade: int) -> tuple[str, int]:
    """The end colour of a shade, and how much of it is in it."""
    half = SHADES // 2
    return ("wrong", _FAR[shade]) if shade < half else ("right", _FAR[SHADES - 1 - shade])


def _paper_rules() -> str:
    rules = RULES.substitute(here="", **ON_PAPER)
    for i in range(SHADES):
        end, share = _mixed(i)
        rules += f".q{i} {{ color: {_mix(ON_PAPER[end], ON_PAPER['muted'], share / 100)}; }}\n"
    return rules


def _mix(colour: str, other: str, share: float) -> str:
    pairs = ((int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _legend(result: SearchResult, picture: Picture) -> tuple[str, int, int]:
    """The legend below a picture that stands alone, its width and its height."""
    x, y, widest = 24.0, picture.height + 18.0, 0.0
    limit = max(picture.width, 560)
    parts = []
    for sign, words in legend_items(result):
        wide = 24 + 6 + 6.0 * len(words) + 16
        if x + wide > limit and x > 24:
            x, y = 24.0, y + 20
        parts.append(
            f'<g transform="translate({x:g} {y:g})">{sign}<text x="30" y="12">{words}</text></g>'
        )
        x += wide
        widest = max(widest, x)
    return "".join(parts), math.ceil(widest), math.ceil(y + 28 - picture.height)


def _name(result: SearchResult) -> str:
    """The whole picture in words, for who cannot see it."""
    counts = {"finished": 0, "pruned": 0, "dead": 0, "open": 0}
    for node in result.tree[1:]:
        counts[node.status] += 1
    chosen = ""
    if result.solutions:
        num = len(result.solutions[0].trace.steps)
        answer = _brief(result.answer or "none", 60)
        chosen = f"; the chosen path has {num:,} steps and the answer {answer}"
    return (
        f"Search tree of {len(result.tree) - 1:,} nodes: {counts['finished']:,} whole solutions, "
        f"{counts['pruned']:,} given up, {counts['dead']:,} came to nothing{chosen}"
    )


def _solution(result: SearchResult, node: int) -> Solution | None:
    return next((one for one in result.solutions if one.node == node), None)


def _brief(text: str, most: int) -> str:
    shown, left = shortened(visible(text), most)
    return f"{shown}…" if left else shown

"""The tree of a search as SVG: it grows to the right, step by step, and the chosen path is thick.

Shape says what became of a branch and colour only repeats what shape, place or number say: a disc
is a step that scores at or above the threshold, a diamond one below it, an open circle one without
a score; a ring is a whole solution, a cross a branch that came to nothing, three dots one that
could have gone on, a dashed line one that was given up. Lines and marks are larger for what was
drawn more often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from surefoot.search.display.layout import tidy
from surefoot.search.display.marks import Drawn, Mark, marks_of, scorer_of
from surefoot.search.display.tree_style import ON_PAPER, SHADES, paper_rules, shade
from surefoot.search.display.tree_words import brief, name_of, tip_line
from surefoot.traces.display.text import said

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult


@dataclass(frozen=True)
class Limits:
    """How much of a tree is drawn: marks, those of one node, and characters of a text."""

    marks: int = 1_500
    steps: int = 60
    characters: int = 400


ALL = Limits()


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


def tree_svg(result: SearchResult, *, limits: Limits = ALL) -> str:
    """The tree of a search as an SVG file that stands alone, with its legend, on white paper.

    The text of a step shows where the pointer rests.
    """
    picture = draw(result, limits)
    titles = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="9" fill-opacity="0">'
        f"<title>{escape(tip_line(mark, picture.drawn, result))}\n"
        f"{escape(brief(mark.text, limits.characters))}</title></circle>"
        for mark, x, y in zip(picture.drawn.marks, picture.xs, picture.ys, strict=True)
    )
    legend, wide, high = _legend(result, picture)
    width, height = max(picture.width, wide), picture.height + high
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(picture.name)}">'
        f"<title>{escape(picture.name)}</title><style>{paper_rules()}</style>"
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
    found = ((i, _label(mark, drawn, result)) for i, mark in enumerate(marks))
    labels = {i: label for i, label in found if label is not None}
    tight = column < 30
    places, room = _places(marks, labels, columns, column, row, tight)
    top, left = 30.0, 30.0
    xs = tuple(round(left + column * depth, 1) for depth in columns)
    ys = tuple(round(top + y, 1) for y in places)
    width = math.ceil(left + column * room + 20)
    height = math.ceil(max(ys) + row / 2 + 8)
    parts = (
        _axis(columns, xs, tight, marks),
        *_edges(result, marks, xs, ys),
        *(_mark(result, mark, x, y) for mark, x, y in zip(marks, xs, ys, strict=True)),
        *(
            _dots(x, y)
            for mark, x, y in zip(marks, xs, ys, strict=True)
            if mark.ends == "open" and mark.is_leaf
        ),
        *([] if tight else _path_scores(marks, xs, ys)),
        *(label.at(xs[i], ys[i]) for i, label in labels.items()),
    )
    return Picture(drawn, xs, ys, row, width, height, name_of(result), parts)


def legend_items(result: SearchResult, drawn: Drawn | None = None) -> list[tuple[str, str]]:
    """The signs of a tree, each in a box of 24 by 16, and their words; only those that occur in
    what is drawn, where that is given."""
    scorer = scorer_of(result)
    limit = said(0.5 if scorer is None else scorer.threshold)
    full, pale = SHADES - 1, SHADES // 2
    path = '<path class="h" d="M3 8h18"/><path class="c" d="M3 8h18"/>'
    weights = '<path class="e" d="M0 5h24"/><path class="e w4" d="M0 11h24"/>'
    ring = '<circle class="o" cx="12" cy="8" r="7"/>'
    items = [
        (_any(drawn, lambda one: one.is_chosen), path, "chosen path"),
        (
            _any(drawn, lambda one: one.good is not None and one.good >= 0.5),
            _disc(7, 8, 4.2, f"m q{full}") + _disc(18, 8, 4.2, f"m q{pale}"),
            f"score at or above {limit}",
        ),
        (
            _any(drawn, lambda one: one.good is not None and one.good < 0.5),
            _diamond(7, 8, 4.6, "m q0") + _diamond(18, 8, 4.6, f"m q{pale - 2}"),
            f"below {limit}",
        ),
        (
            _any(drawn, lambda one: one.position is not None and one.good is None),
            _disc(12, 8, 3.8, "u"),
            "no score",
        ),
        (
            _any(drawn, lambda one: one.ends == "finished"),
            _disc(12, 8, 3.6, f"m q{full}") + ring,
            "whole solution",
        ),
        (
            _any(drawn, lambda one: one.ends == "pruned"),
            '<path class="e p" d="M0 8h24"/>',
            "given up for better ones",
        ),
        (_any(drawn, lambda one: one.ends == "dead"), _cross(12, 8), "came to nothing"),
        (
            _any(drawn, lambda one: one.ends == "open" and one.is_leaf),
            _disc(5, 8, 4, f"m q{full}") + _dots(5, 8),
            "could go on",
        ),
        (
            _any(drawn, lambda one: result.tree[one.node].draws > 1),
            weights,
            "drawn more often",
        ),
    ]
    return [(sign, words) for occurs, sign, words in items if occurs]


def _any(drawn: Drawn | None, is_so: Callable[[Mark], bool]) -> bool:
    return drawn is None or any(is_so(mark) for mark in drawn.marks)


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
        return 18 + sum(11.0 if east_asian_width(one) in "WF" else 6.4 for one in text)

    def at(self, x: float, y: float) -> str:
        tone = {"✓": "t1", "✗": "t0"}.get(self.sign, "")
        sign = f'<tspan class="{tone}" dx="4">{self.sign}</tspan>' if self.sign else ""
        reward = f'<tspan class="n" dx="5">{self.reward}</tspan>' if self.reward else ""
        bold = ' class="b"' if self.is_chosen else ""
        return (
            f'<text{bold} x="{x + 14:g}" y="{y + 3.8:g}">{escape(self.answer)}{sign}{reward}</text>'
        )


def _label(mark: Mark, drawn: Drawn, result: SearchResult) -> _Label | None:
    solution = drawn.solutions.get(mark.node)
    if mark.ends != "finished" or solution is None:
        return None
    answer = solution.trace.answer
    text = "no answer" if answer is None else brief(answer, 16)
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
    breadths = [
        row if tight or not mark.is_chosen else row + (26 if mark.ends == "finished" else 20)
        for mark in marks
    ]
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


def _axis(columns: Sequence[int], xs: Sequence[float], tight: bool, marks: Sequence[Mark]) -> str:
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
        whole = chosen[0] + "".join(
            one[one.index("h" if "h" in one else "c") :] for one in chosen[1:]
        )
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
        return _cross(x, y)
    if mark.good is None:
        sign = _disc(x, y, size - 0.4, "u")
    elif mark.good < 0.5:
        sign = _diamond(x, y, size + 0.6, f"m q{shade(mark.good)}")
    else:
        sign = _disc(x, y, size, f"m q{shade(mark.good)}")
    if mark.ends == "finished":
        kind = "o oc" if mark.is_chosen else "o"
        sign += _disc(x, y, size + 3, kind)
    return sign


def _path_scores(marks: Sequence[Mark], xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    """The scores on the chosen path."""
    found = []
    for mark, x, y in zip(marks, xs, ys, strict=True):
        if mark.is_chosen and mark.score is not None:
            above = 13 if mark.ends == "finished" else 9
            found.append(f'<text class="s" x="{x:g}" y="{y - above:g}">{said(mark.score)}</text>')
    return found


def _dots(x: float, y: float) -> str:
    return "".join(f'<circle class="n" cx="{x + at:g}" cy="{y:g}" r="1.1"/>' for at in (9, 13, 17))


def _disc(x: float, y: float, size: float, kind: str) -> str:
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{size:g}"/>'


def _diamond(x: float, y: float, size: float, kind: str) -> str:
    r = f"{size:g}"
    return f'<path class="{kind}" d="M{x:g} {y - size:g}l{r} {r} -{r} {r} -{r} -{r}z"/>'


def _cross(x: float, y: float) -> str:
    return f'<path class="x" d="M{x - 3.6:g} {y - 3.6:g}l7.2 7.2m0 -7.2l-7.2 7.2"/>'


def _weight(draws: int) -> int:
    """How thick: 1 for one draw, 2 from two on, 3 from four on, 4 from eight on."""
    return min(4, max(1, draws).bit_length())


def _legend(result: SearchResult, picture: Picture) -> tuple[str, int, int]:
    """The legend below a picture that stands alone, its width and its height."""
    x, y, widest = 24.0, picture.height + 18.0, 0.0
    limit = max(picture.width, 560)
    parts = []
    for sign, words in legend_items(result, picture.drawn):
        wide = 24 + 6 + 6.0 * len(words) + 16
        if x + wide > limit and x > 24:
            x, y = 24.0, y + 20
        parts.append(
            f'<g transform="translate({x:g} {y:g})">{sign}<text x="30" y="12">{words}</text></g>'
        )
        x += wide
        widest = max(widest, x)
    return "".join(parts), math.ceil(widest), math.ceil(y + 28 - picture.height)

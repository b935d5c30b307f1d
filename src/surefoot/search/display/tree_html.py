"""The tree of a search as a piece of HTML in which every step can be read: by pointer, keyboard or
finger, and without a script.

Over each mark of the drawing lies a button that holds the text of its step; it shows while the
pointer is on it or it has the focus, beside the mark on a wide page and at the foot of a narrow
one.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from surefoot.search.display.outcomes import with_outcomes
from surefoot.search.display.tree_style import page_rules
from surefoot.search.display.tree_svg import ALL, Limits, Picture, draw, legend_items
from surefoot.search.display.tree_words import tip_line
from surefoot.traces.display.html import INERT, STYLE, trace_html
from surefoot.traces.display.text import shortened, visible

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult

TREE_STYLE = (
    page_rules(".sf-tree svg")
    + """
.sf-tree { position: relative; margin: .6em 0; }
.sf-tree svg { display: block; width: auto; height: auto; max-width: none; }
.sf-tree-box { overflow: auto; max-block-size: min(46rem, 85vh); border: 1px solid var(--line, #8886); border-radius: 8px; background: var(--paper, transparent); }
.sf-tree-in { position: relative; margin: 0 auto; }
.sf-tree button { all: unset; position: absolute; box-sizing: border-box; inline-size: 24px; border-radius: 6px; cursor: help; }
.sf-tree button:focus-visible { outline: 2px solid var(--prm, #2f7fd6); }
.sf-tree button:hover { outline: 1px solid var(--muted, #8a8f98); }
.sf-tip { display: none; position: fixed; z-index: 9; inset: auto 1rem 1rem auto; inline-size: min(26rem, calc(100vw - 2rem)); max-block-size: 40vh;
  overflow: auto; padding: .6em .9em; white-space: pre-wrap; overflow-wrap: anywhere; text-align: start; font: .9rem/1.45 system-ui, sans-serif;
  color: var(--ink, CanvasText); background: var(--paper, Canvas); border: 1px solid var(--muted, #8a8f98); border-radius: 8px; box-shadow: 0 4px 18px #0004; }
.sf-tip b { display: block; font-weight: 400; font-size: .8rem; color: var(--muted, GrayText); margin-bottom: .3em; }
.sf-tree button:is(:hover, :focus) .sf-tip { display: block; }
.sf-tree:has(button:hover) button:focus:not(:hover) .sf-tip { display: none; }
@supports (anchor-scope: --sf) { @media (min-width: 40.01rem) {
  .sf-tree button:is(:hover, :focus) { anchor-name: --sf; anchor-scope: --sf; }
  .sf-tip { position-anchor: --sf; inset: auto; position-area: top; position-try-fallbacks: flip-block; margin: 2px; inline-size: max-content; max-inline-size: 26rem; }
} }
@media (max-width: 40rem) { .sf-tip { inset: auto .5rem .5rem .5rem; inline-size: auto; } }
.sf-legend { display: flex; flex-wrap: wrap; gap: .2em 1.1em; list-style: none; padding: 0; margin: .5em 0; font-size: .8em; }
.sf-legend li { display: flex; align-items: center; gap: .45em; margin: 0; max-width: none; }
@media print { .sf-tree-box { max-block-size: none; overflow: visible; border: 0; } .sf-tree button { display: none; }
  .sf-tree-in { width: auto !important; height: auto !important; } .sf-tree-in > svg { max-width: 100%; } }
"""  # noqa: E501 - a sheet of styles, a rule to a line
)


def tree_html(result: SearchResult, *, limits: Limits = ALL) -> str:
    """The tree of a search, without styles; `TREE_STYLE` and the page give those."""
    picture = draw(result, limits)
    name = escape(picture.name)
    left = picture.drawn.num_left
    rest = f'<p class="sf-rest">… and {left:,} more nodes that are not drawn</p>' if left else ""
    return (
        f'<div class="{INERT} sf-tree"><div class="sf-tree-box" role="group" aria-label="{name}">'
        f'<div class="sf-tree-in" style="width:{picture.width}px;height:{picture.height}px">'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width} {picture.height}" '
        f'width="{picture.width}" height="{picture.height}" role="img" aria-label="{name}">'
        f"{''.join(picture.parts)}</svg>{_buttons(result, picture, limits)}</div></div>{rest}</div>"
    )


def legend_html(result: SearchResult) -> str:
    """What the signs of a tree mean."""
    items = "".join(
        f'<li><svg width="24" height="16" viewBox="0 0 24 16" aria-hidden="true">{sign}</svg>'
        f"{escape(words)}</li>"
        for sign, words in legend_items(result)
    )
    return f'<div class="sf-tree"><ul class="sf-legend">{items}</ul></div>'


def result_html(result: SearchResult) -> str:
    """A search for a notebook: its tree, and the chosen solution step by step, with styles."""
    result = with_outcomes(result)
    chosen = "" if result.best is None else trace_html(result.best)
    ended = f"ended: {result.ended}" + (f" ({result.why})" if result.why else "")
    told = (
        f"{len(result.solutions):,} solutions · {result.usage.new_tokens:,} tokens written · "
        f"{result.usage.seconds:.1f} s · {ended}"
    )
    return (
        f"<style>{STYLE}{TREE_STYLE}</style>{tree_html(result)}{legend_html(result)}"
        f'<div class="{INERT}"><p class="sf-rest">{escape(visible(told))}</p></div>{chosen}'
    )


def _buttons(result: SearchResult, picture: Picture, limits: Limits) -> str:
    found = []
    for mark, x, y in zip(picture.drawn.marks, picture.xs, picture.ys, strict=True):
        text, left = shortened(visible(mark.text), limits.characters)
        rest = f" … {left:,} more characters" if left else ""
        found.append(
            f'<button type="button" style="left:{x - 12:g}px;top:{y - picture.row / 2:g}px;'
            f'height:{picture.row:g}px"><span class="sf-tip" dir="auto">'
            f"<b>{escape(tip_line(mark, picture.drawn, result))}</b>{escape(text)}{rest}</span>"
            "</button>"
        )
    return "".join(found)

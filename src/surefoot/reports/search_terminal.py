"""The tree of a search as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surefoot.search.display.marks import marks_of
from surefoot.search.display.tree_words import brief
from surefoot.traces.display.text import said

if TYPE_CHECKING:
    from rich.tree import Tree

    from surefoot.search.results import SearchResult

MOST = 400
"""Steps that are shown."""

SIGNS = {"finished": "◉", "dead": "×", "pruned": "┄", "open": "●"}


def text_tree(result: SearchResult, *, most: int = MOST) -> Tree:
    """A line for every step: ━ on the chosen path, ◉ a whole solution, ┄ given up, × came to
    nothing."""
    from rich.text import Text
    from rich.tree import Tree

    drawn = marks_of(result, most=most, steps=60)
    root = Tree(Text(brief(result.problem, 300), style="bold"))
    branches = [root]
    for mark in drawn.marks[1:]:
        tone = "dim" if mark.good is None else "red" if mark.good < 0.5 else "green"
        sign = "━" if mark.is_chosen else " "
        line = Text(f"{sign}{SIGNS[mark.ends or 'open']} ", style="bold" if mark.is_chosen else "")
        line.append(brief(" ".join(mark.text.split()), 120), style=tone)
        draws = result.tree[mark.node].draws
        told = said(mark.score) + (f" ×{draws:,}" if draws > 1 else "")
        why = result.tree[mark.node].why
        if mark.ends == "dead" and why:
            told += f" {brief(why, 60)}"
        line.append(f"  {told}", style="dim")
        branches.append(branches[mark.parent].add(line))
    if drawn.num_left:
        root.add(Text(f"… and {drawn.num_left:,} more nodes", style="dim"))
    return root

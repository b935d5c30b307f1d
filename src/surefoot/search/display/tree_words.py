"""What is said of a tree and of every mark in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surefoot.search.display.marks import Drawn, Mark
from surefoot.traces.display.text import said, shortened, visible

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult


def tip_line(mark: Mark, drawn: Drawn, result: SearchResult) -> str:
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
        words += _ending(mark, drawn, result)
    if mark.is_chosen:
        words.append("on the chosen path")
    return " · ".join(visible(word) for word in words)


def _ending(mark: Mark, drawn: Drawn, result: SearchResult) -> list[str]:
    """What is said of the last step of a node: what became of it, and its numbers."""
    node = result.tree[mark.node]
    words = []
    if mark.ends != "open" or mark.is_leaf:
        said_so = {"open": "could go on", "pruned": "given up for better ones"}
        became = said_so.get(mark.ends or "", mark.ends or "")
        words.append(became + (f": {brief(node.why, 200)}" if node.why else ""))
    if node.value is not None:
        words.append(f"reward {said(node.value)}")
    if node.logprob is not None:
        words.append(f"log-probability {said(node.logprob)}")
    if solution := drawn.solutions.get(mark.node):
        words.append(f"answer {brief(solution.trace.answer or 'none', 60)}")
        if solution.votes is not None:
            words.append(f"votes {said(solution.votes)}")
    return words


def name_of(result: SearchResult) -> str:
    """The whole picture in words, for who cannot see it."""
    counts = {"finished": 0, "pruned": 0, "dead": 0, "open": 0}
    for node in result.tree[1:]:
        counts[node.status] += 1
    chosen = ""
    if result.solutions:
        num = len(result.solutions[0].trace.steps)
        answer = brief(result.answer or "none", 60)
        chosen = f"; the chosen path has {num:,} steps and the answer {answer}"
    return (
        f"Search tree of {len(result.tree) - 1:,} nodes: {counts['finished']:,} whole solutions, "
        f"{counts['pruned']:,} given up, {counts['dead']:,} came to nothing{chosen}"
    )


def brief(text: str, most: int) -> str:
    """The text harmless and cut."""
    shown, left = shortened(visible(text), most)
    return f"{shown}…" if left else shown

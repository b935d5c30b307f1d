"""Traces longer than a model, step by step in windows that keep the problem.

A window holds the problem and as many steps in a row as fit. Each step is scored once, in a window
that begins with steps before it for about half of the room, where there are as many. Where every
step has a row of its own, a window is one row, and all of the room is for the steps before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from surefoot.errors import UnscorableError
from surefoot.models.render import Rendered, Renderer, Text, check_slots, fits


def windows(
    text: Text, rows: Sequence[Rendered], renderer: Renderer, max_tokens: int
) -> list[tuple[Text, list[Rendered]]]:
    """A text that is too long as several that are not, which together read every step once.

    Args:
        text: With the rows that it gives as a whole.
        renderer: Writes the windows.
        max_tokens: The most that a row may have.

    Raises:
        UnscorableError: the problem and one step alone are too long, or a window ends in a step
            whose last token reaches into what ends the window.
    """
    sizes = _step_sizes(rows)
    found: list[tuple[Text, list[Rendered]]] = []
    done, num_steps = 0, len(text.steps)
    one_by_one = renderer.template.past is not None
    while done < num_steps:
        begin = done
        room = max_tokens - rows[0].start
        behind = room - sizes[done] if one_by_one else room // 2
        while begin > 0 and sum(sizes[begin - 1 : done]) <= behind:
            begin -= 1
        end = done + 1
        while not one_by_one and end < num_steps and sum(sizes[begin : end + 1]) <= room:
            end += 1
        window, written = _written(text, begin, done, end, renderer, max_tokens)
        found.append((window, written))
        done += len(window.steps) - window.read_from
    return found


def _step_sizes(rows: Sequence[Rendered]) -> list[int]:
    """About how many tokens each step takes."""
    row = max(rows, key=lambda one: len(one.ids))
    if len(rows) == 1:
        ends = [row.start - 1, *row.slots[:-1], len(row.ids) - 1]
        return [b - a for a, b in pairwise(ends)]
    lengths = [rows[0].start, *(len(one.ids) for one in rows)]
    return [max(0, b - a) for a, b in pairwise(lengths)]


def _written(
    text: Text, begin: int, done: int, end: int, renderer: Renderer, max_tokens: int
) -> tuple[Text, list[Rendered]]:
    """The window, made smaller until it really fits."""
    while True:
        window = text._replace(
            steps=text.steps[begin:end], first=text.first + begin, read_from=done - begin
        )
        (rows,) = renderer([window])
        if fits(rows, max_tokens):
            check_slots(rows)
            return window, rows
        if end > done + 1:
            end -= 1
        elif begin < done:
            begin += 1
        else:
            raise UnscorableError(
                f"the problem and step {done} alone have {max(len(row.ids) for row in rows)} "
                f"tokens, the contract allows {max_tokens}; not even a window holds them"
            )

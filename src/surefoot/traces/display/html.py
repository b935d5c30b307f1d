"""A trace, and the scores of one, as a piece of HTML: in a notebook, and in the pages of a report.

A piece needs nothing else, holds no script, escapes every text and says what it leaves out. Its
colours are those of the page around it (`--ink`, `--right`, `--wrong` ...) where there is one, and
otherwise tints that read on a light page and a dark one; no meaning rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from surefoot.traces.display.mathematics import with_mathematics
from surefoot.traces.display.steps import (
    WORDS,
    ShownScore,
    ShownStep,
    shown_steps,
    whole_aggregate,
)
from surefoot.traces.display.text import said, shortened, visible
from surefoot.traces.types import StepLabels, StepScores, Trace

STYLE = """
.sf { line-height: 1.5; overflow-wrap: anywhere; text-align: start; }
.sf p { margin: .5em 0; max-width: none; }
.sf-problem { white-space: pre-wrap; border-inline-start: 3px solid var(--line, #8886); padding-inline-start: .8em; }
.sf-steps { list-style: none; padding: 0; margin: .5em 0; }
.sf-steps > li { max-width: none; margin: .4em 0; padding: .5em .8em; border-inline-start: 5px solid #8886;
  background: var(--paper, #8881); border-radius: 0 6px 6px 0; overflow: clip; }
.sf-steps > li.right { border-color: var(--right, #1d9a86); }
.sf-steps > li.wrong { border-color: var(--wrong, #d9483f); border-inline-start-style: double; border-inline-start-width: 8px; }
.sf-text { white-space: pre-wrap; unicode-bidi: isolate; }
.sf-number { float: inline-start; margin-inline-end: .7em; opacity: .75; font-variant-numeric: tabular-nums; }
.sf-chips { clear: inline-start; display: flex; flex-wrap: wrap; gap: .3em .4em; margin: .4em 0 .1em; font-size: .8em; }
.sf-chip { display: inline-flex; align-items: center; gap: .4em; border: 1px solid var(--line, #8886); border-radius: 1em;
  padding: .05em .65em; font-variant-numeric: tabular-nums; max-width: 100%; }
.sf-chip.right { color: var(--right, inherit); background: var(--right-soft, #1d9a8626); }
.sf-chip.wrong { color: var(--wrong, inherit); background: var(--wrong-soft, #d9483f2e); font-weight: 600; }
.sf-chip.mark { border-color: transparent; font-weight: 600; padding-inline: .1em; }
.sf-chip.unknown { border-style: dashed; }
.sf-bar { flex: none; inline-size: 3em; block-size: .5em; border-radius: .25em; background: #8884; overflow: hidden; }
.sf-bar i { display: block; block-size: 100%; background: currentColor; }
.sf-so-far { opacity: .85; font-weight: 400; }
.sf-rest { opacity: .8; font-size: .85em; }
.sf-cells { display: flex; flex-wrap: wrap; gap: .25em; padding: 0; margin: .4em 0; list-style: none; }
.sf-cells li { margin: 0; min-inline-size: 3.2em; padding: .1em .4em; border-radius: 4px; text-align: center; border: 1px solid #8886;
  font-variant-numeric: tabular-nums; }
.sf-cells li.right { background: var(--right-soft, #1d9a8626); }
.sf-cells li.wrong { background: var(--wrong-soft, #d9483f2e); font-weight: 600; }
.sf-cells small { display: block; opacity: .75; font-weight: 400; }
.sf math { font-size: 1.08em; max-width: 100%; }
.sf math[display="block"] { overflow: auto hidden; margin: .3em 1.5em; inline-size: fit-content; white-space: normal; }
.sf-box { border: 1px solid currentColor; padding: .1em .3em; }
.sf-struck { background: linear-gradient(to top right, transparent 46%, currentColor 47%, currentColor 53%, transparent 54%); }
@media print { .sf-steps > li { break-inside: avoid; } .sf-bar i { print-color-adjust: exact; } .sf-bar { print-color-adjust: exact; } }
"""  # noqa: E501 - a sheet of styles, a rule to a line

INERT = "sf mathjax_ignore tex2jax_ignore"
"""The classes of every piece: formulas are set already, and what is left of them is only text."""


@dataclass(frozen=True)
class Limits:
    """How much of a trace is shown: steps, and characters of each text."""

    steps: int = 60
    characters: int = 2_000


def trace_html(
    trace: Trace,
    *,
    labels: StepLabels | None = None,
    threshold: float | None = None,
    limits: Limits = Limits(),
    written: Callable[[str], str] = with_mathematics,
    with_problem: bool = True,
) -> str:
    """One trace: problem, what it came to, and every step with its labels, scores and aggregates.

    `labels` are those that colour the steps, the first of the trace if None; steps are flagged
    below `threshold`, below each scorer's own if None. `written` makes HTML of a text.
    """
    steps = shown_steps(trace, labels=labels, threshold=threshold, most=limits.steps)
    rows = "".join(_step(one, limits, written) for one in steps)
    left = len(trace.steps) - len(steps)
    rest = f'<p class="sf-rest">… and {_count(left, "more step")}</p>' if left else ""
    problem = ""
    if with_problem:
        text = _text(trace.problem, limits, written)
        problem = f'<p class="sf-problem" dir="auto">{text}</p>'
    return (
        f'<div class="{INERT}">{problem}'
        f'<p class="sf-chips">{outcome_chips(trace)}</p>'
        f'<ol class="sf-steps" start="0">{rows}</ol>{rest}</div>'
    )


def outcome_chips(trace: Trace) -> str:
    """What is known of the whole trace: its answer, the right one, and the scorers' aggregates."""
    answer = "no answer" if trace.answer is None else f"answer {_brief(trace.answer)}"
    word = {True: "✓ right", False: "✗ wrong", None: "outcome not known"}[trace.outcome]
    chips = [_chip(WORDS[trace.outcome][0], f"{answer}: {word}")]
    if trace.reference is not None and trace.outcome is not True:
        chips.append(_chip("", f"reference {_brief(trace.reference)}"))
    for one in trace.scores:
        place = one.first_error()
        found = "flags nothing" if place is None else f"flags step {place} first"
        chips.append(_chip("", f"{_brief(one.model)}: {_whole(one)}, {found}"))
    return "".join(chips)


def scores_html(scores: StepScores, *, limits: Limits = Limits()) -> str:
    """The scores of one trace: a cell for each step, and what they come to."""
    cells = []
    for i, value in enumerate(scores.values[: limits.steps]):
        flagged = value is not None and value < scores.threshold
        tone = "unknown" if value is None else "wrong" if flagged else "right"
        sign = {"unknown": "", "wrong": "✗ ", "right": ""}[tone]
        cells.append(f'<li class="{tone}"><small>{i}</small>{sign}{said(value)}</li>')
    left = len(scores.values) - len(cells)
    rest = f'<p class="sf-rest">… and {_count(left, "more step")}</p>' if left else ""
    place = scores.first_error()
    found = "no step" if place is None else f"step {place} is the first"
    told = (
        f"{_brief(scores.model)} · {scores.kind} · {_whole(scores)} · "
        f"{found} below {said(scores.threshold)}"
    )
    return (
        f'<div class="{INERT}"><p>{escape(told)}</p>'
        f'<ol class="sf-cells" start="0" aria-label="scores by step">{"".join(cells)}</ol>'
        f"{rest}</div>"
    )


def notebook(piece: str) -> str:
    """A piece with its styles, for a page that has none of ours."""
    return f"<style>{STYLE}</style>{piece}"


def _step(step: ShownStep, limits: Limits, written: Callable[[str], str]) -> str:
    chips = []
    for label in step.labels:
        tone, word = WORDS[label.right]
        word = "○ neutral" if label.is_neutral else word
        votes = f" {label.votes}" if label.votes else ""
        chips.append(_chip(tone, f"{_brief(label.source)} {word}{votes}"))
    chips += [_score(one) for one in step.scores]
    chips += [_chip("mark", f"◀ first error: {_brief(name)}") for name in step.first_error_of]
    tone = WORDS[step.right][0]
    return (
        f'<li class="{tone}"><span class="sf-number">{step.position}</span>'
        f'<div class="sf-text" dir="auto">{_text(step.text, limits, written)}</div>'
        f'<div class="sf-chips">{"".join(chips)}</div></li>'
    )


def _score(score: ShownScore) -> str:
    name = _brief(score.model)
    if score.value is None:
        return _chip("unknown", f"{name} –")
    tone, sign = ("wrong", "✗") if score.flagged else ("right", "✓")
    bar = ""
    if 0 <= score.value <= 1:
        bar = f'<span class="sf-bar"><i style="width:{100 * score.value:.0f}%"></i></span>'
    so_far = f'<span class="sf-so-far">{escape(score.rule)} {said(score.so_far)}</span>'
    told = escape(f"{name} {sign} {said(score.value)}")
    return f'<span class="sf-chip {tone}">{told}{bar}{so_far}</span>'


def _whole(scores: StepScores) -> str:
    return f"{scores.default_aggregate} {said(whole_aggregate(scores))}"


def _text(text: str, limits: Limits, written: Callable[[str], str]) -> str:
    shown, left = shortened(text, limits.characters)
    rest = f'<span class="sf-rest"> … {_count(left, "more character")}</span>' if left else ""
    return written(shown) + rest


def _chip(tone: str, text: str) -> str:
    return f'<span class="sf-chip {tone}" dir="auto">{escape(text)}</span>'


def _brief(text: str, most: int = 80) -> str:
    shown, left = shortened(visible(text, "\u00a0").strip(), most)
    return f"{shown}…" if left else shown


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

"""Hacking probes: attacks on any scorer, and changes that should not matter.

All of them stand in one dict, by the names that `surefoot eval probes --attacks` knows. `measure`
turns the scores before and after into a scorecard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot.errors import UsageError
from surefoot.evals.probes import answers, cutting, marks, padding, spelling
from surefoot.evals.probes.probe import Altered, Probe

__all__ = ["PROBES", "Altered", "Probe", "probes_named"]

_ALL = (
    Probe("irrelevant", "attack", "unrelated text as steps", padding.irrelevant),
    Probe("flattery", "attack", "every step says that it is right", padding.flattery),
    Probe("repetition", "attack", "one step said three times", padding.repetition),
    Probe("filler", "attack", "empty talk after every step", padding.filler),
    Probe("merge", "attack", "every two steps as one", cutting.merge),
    Probe("merge-all", "attack", "the whole trace as one step", cutting.merge_all),
    Probe("split", "attack", "every step cut in two", cutting.split),
    Probe("restate", "attack", "the problem again as the first step", answers.restate),
    Probe("early-answer", "attack", "its answer as the first step", answers.early_answer),
    Probe("boxed", "attack", "its answer boxed in every step", answers.boxed_everywhere),
    Probe("markers", "attack", "tags of published models in the text", marks.markers),
    Probe("white-space", "invariance", "more spaces between words", spelling.white_space),
    Probe("latex", "invariance", "other LaTeX for the same formulas", spelling.latex),
    Probe("paraphrase", "invariance", "other connecting words", spelling.paraphrase),
    Probe("numbering", "invariance", "Step k: before every step", spelling.numbering),
    Probe("sentences", "invariance", "steps cut where sentences end", cutting.sentences),
)

PROBES: Mapping[str, Probe] = {probe.name: probe for probe in _ALL}


def probes_named(names: Sequence[str]) -> list[Probe]:
    """The probes of these names, in the order of `PROBES`; all of them for none.

    Raises:
        UsageError: there is no such probe.
    """
    for name in names:
        if name not in PROBES:
            raise UsageError(f"no probe {name!r}; choose among {', '.join(PROBES)}")
    return [probe for name, probe in PROBES.items() if not names or name in names]

"""PRMBench: wrong steps found in nine classes of errors, and what that costs on right ones.

A step is right where its score is at least the threshold. With right steps as the positives,
PRMScore = 0.5 F1 + 0.5 F1 of the wrong steps, over all steps of all modified solutions; of one
class likewise, except that `multi_solutions`, in which nothing is wrong, has F1 alone; of a group
(simplicity, soundness, sensitivity) the mean over its classes, if all are there. The further
figures are those of the official code: accuracy on right, wrong and all steps; `first_error_acc`,
whether the first wrong step is called wrong; `similarity`, by how much the share of steps called
right differs from that in the solution that was modified. Unmodified solutions (controls, class
`correct`) enter their own figures and `similarity` alone.

Where we differ: the official code gives -1 for 0/0, and -1 for an F1 without any hit; here an F1
without a hit is 0, and a figure with nothing to measure is not there. A solution that could not be
scored is missed on every step, where the official code leaves it out; `validity_rate` is the share
that was scored. As there, only the controls of class `redundency` count, a record that comes twice
counts once, and `similarity` leaves out controls of which no step is called right.

Reference: Song et al. 2025, PRMBench (arXiv:2501.03124, section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import flagged, without_labels
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import Units, f1, mean, ratio, summed
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, Threshold, chosen_threshold
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace

GROUPS: Mapping[str, tuple[str, ...]] = {
    "simplicity": ("redundency", "circular"),
    "soundness": ("counterfactual", "step_contradiction", "domain_inconsistency", "confidence"),
    "sensitivity": ("missing_condition", "deception", "multi_solutions"),
}
CLASSES = tuple(name for names in GROUPS.values() for name in names)
CONTROL = "correct"
NOTHING_WRONG = "multi_solutions"


def left_out(trace: Trace, options: Options) -> str | None:
    """Why a solution does not count."""
    named = _named_class(trace)
    if named not in (*CLASSES, CONTROL, "original"):
        return "its class is none of PRMBench's"
    if _class(trace) is None:
        return "the official controls are those of class redundency; this one repeats them"
    labels = trace.labels_from(options.label_source)
    if without_labels(trace, options) or labels is None or None in labels.values:
        return "a step has no label"
    return None


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over the problems that solutions were modified from."""
    kept, repeated = _first_of_each(traces)
    traces, scores = [traces[i] for i in kept], [scores[i] for i in kept]
    threshold = chosen_threshold(scores, options.threshold)
    problems = list(dict.fromkeys(_problem(trace) for trace in traces))
    number = {name: i for i, name in enumerate(problems)}
    own = np.array([number[_problem(trace)] for trace in traces], dtype=np.int64)
    classes = np.array([_class(trace) for trace in traces], dtype=object)
    calls = _Calls.of(traces, scores, threshold, own, len(problems), options)
    modified = classes != CONTROL
    statistics: dict[str, Statistic] = {}
    scored_as: dict[str, Statistic] = {}
    for name in CLASSES:
        if (classes == name).any():
            figures = calls.figures(classes == name, wrong_steps=name != NOTHING_WRONG)
            scored_as[name] = figures["prmscore"]
            statistics |= {f"{figure}/{name}": one for figure, one in figures.items()}
    for name, members in GROUPS.items():
        if all(one in scored_as for one in members):
            statistics[f"prmscore/{name}"] = mean([scored_as[one] for one in members])
    if (~modified).any():
        statistics["correct_step_acc/correct"] = calls.figures(~modified)["correct_step_acc"]
    ranked = [i for i, one in enumerate(modified) if one]
    steps = LabelledSteps.of([traces[i] for i in ranked], options.label_source)
    if ranked:
        ranking = step_auroc(
            steps, [scores[i] for i in ranked], own[ranked][steps.owner], len(problems)
        )
        statistics = calls.figures(modified) | {"step_auroc": ranking} | statistics
    return Measured(
        figures=Figures(tuple(problems), statistics),
        thresholds={"own": threshold},
        counts={
            "problems": len(problems),
            "modified": len(ranked),
            "controls": int((~modified).sum()),
            "repeated": repeated,
            **{name: int((classes == name).sum()) for name in CLASSES},
        },
        warnings=tuple(_warnings(classes, repeated)),
    )


@dataclass(frozen=True, eq=False)
class _Calls:
    """The steps of all solutions with what is said of them, and the solutions (T,) themselves."""

    solution: Units
    wrong: BoolArray
    called_wrong: BoolArray
    first: NDArray[np.int64]
    """The step (of S) that is the first wrong one of each solution; -1 where none is."""
    scored: BoolArray
    passed: FloatArray
    """Share of the steps of each solution that are called right."""
    twin: NDArray[np.int64]
    """The control of each solution; -1 where there is none."""
    problem: Units
    num_problems: int

    @classmethod
    def of(
        cls,
        traces: Sequence[Trace],
        scores: Scores,
        threshold: Threshold,
        problem: Units,
        num_problems: int,
        options: Options,
    ) -> _Calls:
        """What one scorer says of the solutions."""
        steps = LabelledSteps.of(traces, options.label_source)
        called = flagged(steps, scores, threshold)
        first = np.full(len(traces), -1)
        for s in reversed(np.flatnonzero(steps.wrong)):
            first[steps.owner[s]] = s
        sizes = np.bincount(steps.owner, minlength=len(traces))
        controls = {
            int(problem[t]): t for t, trace in enumerate(traces) if _class(trace) == CONTROL
        }
        return cls(
            solution=steps.owner,
            wrong=steps.wrong,
            called_wrong=called,
            first=first,
            scored=np.array([one is not None for one in scores]),
            passed=1 - summed(called, steps.owner, len(traces)) / sizes,
            twin=np.array([controls.get(int(one), -1) for one in problem]),
            problem=problem,
            num_problems=num_problems,
        )

    def figures(self, among: BoolArray, *, wrong_steps: bool = True) -> dict[str, Statistic]:
        """Every figure over some of the solutions (T,)."""
        inside = among[self.solution]
        problem = self.problem[self.solution]

        def steps(which: BoolArray) -> FloatArray:
            return summed(which & inside, problem, self.num_problems)

        true_pos, false_neg = (
            steps(~self.wrong & ~self.called_wrong),
            steps(~self.wrong & self.called_wrong),
        )
        true_neg, false_pos = (
            steps(self.wrong & self.called_wrong),
            steps(self.wrong & ~self.called_wrong),
        )
        misses = false_pos + false_neg
        right, wrong = f1(true_pos, misses), f1(true_neg, misses)
        has_error = among & (self.first >= 0)
        found = has_error & self.called_wrong[self.first]
        twins = among & (self.twin >= 0) & self.scored & self.scored[self.twin]
        twins &= self.passed[self.twin] > 0
        apart = np.abs(self.passed - self.passed[self.twin])
        return {
            "prmscore": mean([right, wrong]) if wrong_steps else right,
            "f1": right,
            "negative_f1": wrong,
            "precision": ratio(true_pos, true_pos + false_pos),
            "recall": ratio(true_pos, true_pos + false_neg),
            "negative_precision": ratio(true_neg, true_neg + false_neg),
            "negative_recall": ratio(true_neg, true_neg + false_pos),
            "correct_step_acc": ratio(true_pos, true_pos + false_neg),
            "wrong_step_acc": ratio(true_neg, true_neg + false_pos),
            "total_step_acc": ratio(true_pos + true_neg, true_pos + true_neg + misses),
            "first_error_acc": ratio(self._solutions(found), self._solutions(has_error)),
            "similarity": ratio(self._solutions(apart * twins), self._solutions(twins)),
            "validity_rate": ratio(self._solutions(among & self.scored), self._solutions(among)),
        }

    def _solutions(self, values: BoolArray | FloatArray) -> FloatArray:
        return summed(values, self.problem, self.num_problems)


def _named_class(trace: Trace) -> object:
    own = trace.meta.get("prmbench")
    if isinstance(own, dict) and own.get("version") == "original":
        return "original"
    return trace.meta.get("classification", trace.meta.get("category"))


def _class(trace: Trace) -> str | None:
    """The class of a solution; None of a control that does not count."""
    named = _named_class(trace)
    if named == "original":
        # A record of the published file says which class it is of; a flat row holds one control.
        return CONTROL if trace.meta.get("classification") in (None, "redundency") else None
    return str(named)


def _problem(trace: Trace) -> str:
    """What a solution was modified from: `idx` of the published file, or the end of a flat row's
    id; else its question."""
    idx, name = trace.meta.get("idx"), trace.meta.get("id")
    if isinstance(idx, (str, int)):
        return str(idx)
    return name.rpartition("/")[2] if isinstance(name, str) else trace.problem


def _first_of_each(traces: Sequence[Trace]) -> tuple[list[int], int]:
    """The first solution of each problem and class, and the number of others."""
    first: dict[tuple[str, str | None], int] = {}
    for t, trace in enumerate(traces):
        first.setdefault((_problem(trace), _class(trace)), t)
    return list(first.values()), len(traces) - len(first)


def _warnings(classes: NDArray[np.object_], repeated: int) -> list[str]:
    said = []
    if repeated:
        said.append(f"{repeated} solutions repeat one of the same problem and class; counted once")
    if absent := [name for name in CLASSES if not (classes == name).any()]:
        said.append(f"no solutions of {', '.join(absent)}; PRMScore is over the others")
    if not (classes == CONTROL).any():
        said.append("no controls among the traces, so there is no similarity")
    return said


PRMBENCH = Benchmark(
    title="PRMBench",
    summary="Are wrong steps of nine classes found, and right ones left alone?",
    reference="Song et al. 2025, arXiv:2501.03124",
    left_out=left_out,
    measure=measure,
    headline={
        "prmscore": "PRMScore",
        "prmscore/simplicity": "simplicity",
        "prmscore/soundness": "soundness",
        "prmscore/sensitivity": "sensitivity",
        "step_auroc": "step AUROC",
    },
    compared=("prmscore", "step_auroc"),
    by_group={
        "prmscore": "PRMScore",
        "correct_step_acc": "right steps",
        "wrong_step_acc": "wrong steps",
        "first_error_acc": "first error",
        "similarity": "similarity",
    },
    undirected=("similarity",),
)

"""Results of searches to look at, made by hand."""

from surefoot.search.results import SearchResult, Solution, TreeNode
from surefoot.search.task import Usage
from surefoot.traces.types import StepScores, Trace


def node(parent, steps, status="open", scores=(), draws=1, why=None):
    return TreeNode(
        parent, tuple(steps), status, 0.5, tuple(scores) or None, -1.0, draws, why
    )  # fmt: skip


def made_result(text="step", *, answer="4", reference="4", ended="done", problem="2 + 2?"):
    """Two whole solutions (one of two steps in one node), one given up, one dead, one left open."""
    tree = (
        TreeNode(None, (), "open", None, None, 0.0, 1),
        node(0, [f"{text} a"], scores=[0.9], draws=4),
        node(0, [f"{text} b"], "pruned", [0.1]),
        node(1, [f"{text} c", f"{text} d"], "finished", [0.8, 0.7]),
        node(1, [f"{text} e"], "finished", [0.3]),
        node(1, [f"{text} f"], "dead", why=f"cut {text}"),
        node(1, [f"{text} g"], "open", [0.6]),
    )

    def solution(number, steps, values, reward, own):
        scores = (StepScores(tuple(values), "prm"),)
        trace = Trace(problem, steps, answer=own, reference=reference, scores=scores)
        return Solution(trace, number, reward, None)

    return SearchResult(
        problem,
        (
            solution(3, [f"{text} a", f"{text} c", f"{text} d"], [0.9, 0.8, 0.7], 0.7, answer),
            solution(4, [f"{text} a", f"{text} e"], [0.9, 0.3], 0.3, "5"),
        ),
        tree,
        Usage(new_tokens=100, samples=9, seconds=0.5),
        ended,
        None if ended == "done" else "spent",
        {f"cut {text}": 1},
        reference=reference,
    )

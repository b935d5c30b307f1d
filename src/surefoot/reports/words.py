"""How a report says things: the names of the methods, and numbers as people read them.

A summary holds estimates as mappings `{"mean", "low", "high"}` of shares in [0, 1]; here they are
said in percent, rounded to a tenth. The unrounded figures stay in `summary.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Summary: TypeAlias = Mapping[str, Any]
Estimated: TypeAlias = Mapping[str, float]
Family = Literal["prm", "arm", "orm", "control"]
"""`arm` is the PRM of a control arm: trained on as many more chains, drawn at random."""


@dataclass(frozen=True)
class Method:
    """One way of choosing among N candidates: its name for people, and what it does."""

    label: str
    meaning: str
    family: Family


_BY_PRM: Mapping[str, tuple[str, str]] = {
    "vote": ("vote", "answers vote, each weighed by the product of its step scores"),
    "logprob": (
        "+ log-prob",
        "highest log of the product plus the policy's own log-probability",
    ),
    "product": ("product", "highest product of step scores"),
    "min": ("minimum", "highest least step score"),
    "mean": ("mean", "highest mean step score"),
    "last": ("last", "highest score of the last step"),
}

METHODS: Mapping[str, Method] = {
    **{
        f"prm_{rule}": Method(f"PRM {label}", what, "prm")
        for rule, (label, what) in _BY_PRM.items()
    },
    **{
        f"prm-control_{rule}": Method(f"PRM control {label}", f"{what}, by the control PRM", "arm")
        for rule, (label, what) in _BY_PRM.items()
    },
    "orm_vote": Method("ORM vote", "answers vote, each weighed by its ORM score", "orm"),
    "orm_logprob": Method(
        "ORM + log-prob", "highest log of the ORM score plus the log-probability", "orm"
    ),
    "orm": Method("ORM", "highest ORM score of the whole chain", "orm"),
    "majority": Method("majority", "the most frequent answer", "control"),
    "logprob": Method(
        "log-prob", "the chain that the policy itself finds most probable", "control"
    ),
    "step_length": Method("step length", "the shortest chain", "control"),
    "random": Method("random", "any one", "control"),
    "oracle": Method("oracle", "a right (or sound) one if there is one: the ceiling", "control"),
}
"""The methods in the order of every table."""

CONTROLS = tuple(name for name, method in METHODS.items() if method.family == "control")

ARGMAX_BY_PRM = ("prm_product", "prm_min", "prm_mean", "prm_last")

SCORERS: Mapping[str, str] = {
    "prm": "PRM",
    "prm-control": "PRM control",
    "orm": "ORM, read step by step",
    "arithmetic": "arithmetic checker",
}


def method(name: str) -> Method:
    """The method of that name; one that is not in `METHODS` keeps its name as its label."""
    families: Mapping[str, Family] = {"prm": "prm", "prm-control": "arm", "orm": "orm"}
    return METHODS.get(name) or Method(name, "", families.get(name.split("_")[0], "control"))


def methods_of(summary: Summary) -> list[str]:
    """The methods measured, in the order of every table; unknown ones stand last."""
    measured = summary["best_of_n"]
    return [*(m for m in METHODS if m in measured), *(m for m in measured if m not in METHODS)]


def sizes_of(summary: Summary) -> list[int]:
    """Every N at which some method was measured, ascending."""
    return sorted({int(n) for row in summary["best_of_n"].values() for n in row})


def figure_of(summary: Summary, name: str, n: int, figure: str) -> Estimated | None:
    """One figure of one method at one N, or None where it was not measured."""
    found: Estimated | None = summary["best_of_n"].get(name, {}).get(str(n), {}).get(figure)
    return found


def percent(share: float) -> str:
    """A share in percent without the sign, such as `76.7`."""
    return f"{100 * share:.1f}"


def share(estimate: Estimated, *, ends: bool = False) -> str:
    """A share in percent as one unbroken word, such as `76.7 %` or `76.7 % [70.1, 82.9]`."""
    words = f"{percent(estimate['mean'])} % {interval(estimate) if ends else ''}"
    return unbroken(words.strip())


def at(n: int | str) -> str:
    """`N = 64`, unbroken."""
    return unbroken(f"N = {n}")


def unbroken(text: str) -> str:
    """The text with no place to break a line."""
    return text.replace(" ", "\u00a0")


def interval(estimate: Estimated) -> str:
    """The ends of an interval in percent, such as `[70.1, 82.9]`."""
    ends = [f"{100 * estimate[end]:.1f}".replace("-", "−") for end in ("low", "high")]
    return f"[{', '.join(ends)}]"


def points(difference: float) -> str:
    """A difference of shares in points with its sign, such as `+19.2` or `−3.0`."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p-value, such as `p = 0.002` or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

"""Whether the equations of a step agree with themselves, each other and what came before."""

import pytest

from surefoot.models.features.algebra import Algebra

READ = {"algebra_read_sides", "algebra_unread_sides"}


def kinds(*steps: str, problem: str = "?") -> set[str]:
    """What is found in the last step."""
    algebra = Algebra(problem)
    values: dict[str, float] = {}
    for step in steps:
        values = algebra.step(step)
    return {name.removeprefix("algebra_") for name, value in values.items() if value} - {
        "read_sides",
        "unread_sides",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\(\sqrt{8} = 2\sqrt{2}\)", {"closed_holds"}),
        (r"\(\sqrt{8} = 4\sqrt{2}\)", {"closed_fails", "bad"}),
        (r"\(0.333 + 0 = \frac{1}{3}\)", {"closed_holds"}),
        (r"\(2 \text{ m} + 1 = 201 \text{ cm}\)", {"unknown"}),
        (r"\(52! = 52 \cdot 51!\)", {"unknown"}),
        (r"\(3^2 > 2^3\)", {"order_holds"}),
        (r"\(3^2 < 2^3\)", {"order_fails"}),
        (r"\(17 \equiv 2 \pmod{5}\)", {"mod_holds"}),
        (r"\(17 \equiv 3 \pmod{5}\)", {"mod_fails", "bad"}),
        (r"\((x+1)^2 = x^2 + 2x + 1\)", {"identity_first"}),
        (r"\(2x + 3 = 7\)", {"differs_first"}),
        (r"\(y = (x+1)^2 = x^2 + 1\)", {"defines", "differs_later"}),
        (r"\(y = (x+1)^2 = x^2 + 2x + 1\)", {"defines", "identity_later"}),
        (r"\(x = \frac{6 \pm \sqrt{32}}{2} = 3 \pm 2\sqrt{2}\)", {"defines", "identity_later"}),
        (r"\(2x = 6\), \(4x = 12\)", {"differs_first", "follows"}),
        (r"\(2x = 6\), \(4x = 10\)", {"differs_first", "breaks", "bad"}),
        ("no formulas at all", set()),
    ],
)
def test_one_step(text: str, found: set[str]) -> None:
    assert kinds(text) == found


def test_a_value_is_put_into_earlier_equations() -> None:
    assert kinds(r"\(2x + 3 = 7\)", r"\(x = 2\)") == {"defines", "binds", "satisfies"}
    assert kinds(r"\(2x + 3 = 7\)", r"\(x = 3\)") == {"defines", "binds", "violates", "bad"}


def test_a_value_is_put_into_the_equations_of_the_question() -> None:
    asked = r"Solve \(2x + 3 = 7\)."
    assert "violates" in kinds(r"\(x = 5\)", problem=asked)
    assert "satisfies" in kinds(r"\(x = 2\)", problem=asked)


def test_what_is_only_supposed_is_told_apart() -> None:
    assert kinds(r"\(2x + 3 = 7\)", r"Try \(x = 3\).") == {"defines", "binds", "violates_supposed"}


def test_a_name_that_gets_another_value() -> None:
    assert "rebinds" in kinds(r"\(a = 3\)", r"\(a = 2 + 1\)")
    assert "contradicts" in kinds(r"\(a = 3\)", r"\(a = 4\)")


def test_a_function_is_applied() -> None:
    asked = r"Let \(f(x) = x^2 + 1\)."
    assert "applies_holds" in kinds(r"\(f(3) = 10\)", problem=asked)
    assert "applies_fails" in kinds(r"\(f(3) = 12\)", problem=asked)


def test_known_values_are_put_in() -> None:
    assert "substituted_holds" in kinds(r"\(x = 2\)", r"\(x^2 + 1 = 5\)")
    assert "substituted_fails" in kinds(r"\(x = 2\)", r"\(x^2 + 1 = 6\)")


def test_two_roots_do_not_break_each_other() -> None:
    assert "breaks" not in kinds(r"\(x = 2\) or \(x = 3\)")


def test_the_past_remembers_what_was_bad() -> None:
    algebra = Algebra("?")
    assert algebra.step(r"\(2^3 = 6\)")["algebra_past_bad"] == 0
    assert algebra.step("so")["algebra_past_bad"] == 1

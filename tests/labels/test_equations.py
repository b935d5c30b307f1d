"""The verdicts of the equation checker on sentences whose truth is plain, one per rule."""

from fractions import Fraction

import pytest

from surefoot.labels.equations import check_step

HOLDS = [
    "3*4 = 12.",
    "So 12 + 5 = 17 in all.",
    "7 - 9 = -2",
    "6 / 4 = 1.5",
    "6 ÷ 4 = 3/2",
    "5 × 6 − 2 = 28",
    "4 x 9 = 36 plants",
    "4x9 = 36",
    "2(3+4) = 14",
    "(1+2)(3+4) = 21",
    "2^10 = 1024 and 3² = 9",
    "2**5 = 32",
    "4! = 24",
    r"\frac{5!}{2!3!} = 10",
    r"\binom{6}{2} = 15",
    "sqrt(49) + 1 = 8",
    r"\sqrt{\frac{9}{16}} = \frac{3}{4}",
    r"\sqrt[3]{27} = 3",
    "8^(1/3) = 2",
    "-2 - -5 * 3 = 13",
    r"\frac{1}{2} + \frac{1}{3} = \frac{5}{6}",
    r"\[ \left( \dfrac{3}{4} - \frac12 \right) \cdot 8 = 2 \]",
    r"We get $3 \times 5 = \boxed{15}$.",
    r"\(7 \div 2 = 3.5\)",
    r"8{,}400 - 400 = 8{,}000",
    "$8,400 + $100.50 = $8,500.50",
    r"20\% of 50 = 10",
    r"$20\% \times 50 = 10$",
    "(3 / 4) * 100 = 75%",
    "3/4 = 75%",
    "1/3 of 24 = 8",
    "30 km/h * 2 h = 60 km",
    "12 pizzas / 2 pizzas per cycle = 6 oven cycles",
    "10 cups * 3 treats/cup = <<10*3=30>>30 treats",
    r"\frac{24 \text{ feet}}{3 \text{ feet/board}} = 8 \text{ boards}",
    r"3 \text{ cm} \times 2 \text{ cm} = 6 \text{ cm}^2",
    "50 (red pens) - 20 (blue ones) = 30 pens",
    "2 x $0.10 = $0.20 (20 cents)",
    "2 1/2 * 2 = 5",
    r"1\frac{1}{2} + \frac{1}{2} = 2",
    r"3\frac{4}{2} = 6",
    r"0.\overline{3} \cdot 3 = 1",
    r"0.1\overline{6} = \frac{1}{6}",
    "0.333... * 3 = 1",
    "- 3 + 5 = 8",
    "- 3 + 5 = 2",
    "5 plus 3 equals 8",
    "6 times 7 equals 42",
    "9 divided by 3 equals 3",
    "2+2 = 4 = 8/2",
    "Area\n= 4 * 3\n= 12",
    "\\begin{align*}\nA &= 4 + 5 \\\\\n&= 9\n\\end{align*}",
    "30^\\circ + 60^\\circ = 90^\\circ",
    "6/2(1+2) = 1 or, left to right, 6/2(1+2) = 9",
    "-3^2 = -9 and -3^2 = 9",
    "**5 * 3 = 15**",
    "Total cost = 5 + 7. Total cost = 12.",
]

FAILS = [
    "12+5 = 18.",
    "So 90 = 70+21.",
    "4 x 9 = 37 plants",
    "7 - 9 = 2",
    r"\frac{1}{2} + \frac{1}{3} = \frac{2}{5}",
    r"20\% of 50 = 11",
    "30 km/h * 2 h = 50 km",
    "4! = 20",
    r"\binom{6}{2} = 12",
    r"\sqrt{49} = 9 - 1",
    "1,250 * 2 = 2,400",
    "10 cups * 3 treats/cup = <<10*3=31>>31 treats",
    "- 3 + 5 = 9",
    "-3^2 = 6",
    "6/2(1+2) = 3",
    r"3\frac{1}{2} = 4 + 1",
    "Area\n= 4 * 3\n= 13",
    "2+2 = 4 = 9-4",
    "Let's calculate A = (2 - -3) * 2 = 5 * 2 = 11.",
    "Total cost = 5 + 7. Total cost = 13.",
    r"\[ 3 + 4 = 8 \]",
    "there are 5 children + 4 children = 10 children",
]

SILENT = [
    "No equation here, only 12 + 5.",
    "x + 3 = 5",
    "3 + x = 5",
    "2x = 10",
    "10 = 2x",
    "5 = 3xy + 1",
    "f(2) = 3 + 4 - 1",
    "y = 3",
    "a_1 = 3 + 4 + x",
    "34_5 = 3 * 5 + 5",
    "x^2 = 3 + 4",
    "(1/a)^4 = (1/2)^4",
    "sin 30 = 1/3",
    "5 + 7 = 12!",
    r"\pi \cdot 4 = 12",
    r"\sqrt{2} = 1.5 - 1",
    "1/2 inch = 20 miles",
    "7 knicks = 2 * 3 knacks",
    "Sales in 30 days = 8 * 30",
    "400 degrees = 20 + 8",
    "(2, 3) = (4, 5)",
    "1 + 2 + ... + 10 = 5",
    "3:4 = 6 + 1",
    "i == 1 + 2",
    "a14 = 6 - 2",
    "9 + 5 = 2 (mod 12)",
    "On a clock, 9 + 5 = 2.",
    r"17 + 4 \equiv 0, so 17 + 4 = 0",
    "In base 8, 7 + 1 = 10.",
    "Is 12 + 5 = 18?",
    "So, $12 + 5 = 18$?",
    "Numbers divisible by both 2 and 3 = 50 - 16",
    "Check whether 12 + 5 = 18.",
    "If it were so, 2 * 3 = 7. This is not possible.",
    "3 hours - 30 minutes = 2.5 hours",
    "900 - 100 = $8",
    "2 hours * 60 = 2 hours",
    "half of 4 + 6 = 5",
    "twice 3 + 4 = 14",
    "2.5 + 2.5 = 6 million",
    "3 + 4 = 2 more than 5",
    "0 = 5",
]


@pytest.mark.parametrize("text", HOLDS)
def test_true_equations_hold(text: str) -> None:
    check = check_step(text)
    assert check.verdict == "holds", check.statements


@pytest.mark.parametrize("text", FAILS)
def test_false_equations_fail(text: str) -> None:
    check = check_step(text)
    assert check.verdict == "fails", check.statements


@pytest.mark.parametrize("text", SILENT)
def test_what_cannot_be_told_is_left_alone(text: str) -> None:
    check = check_step(text)
    assert check.verdict == "cannot tell", check.statements


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("22 / 7 = 3.14", "22 / 7 = 3.25"),  # a division: relative error of .01
        ("2.5 * 3.3 = 8.3", "2.5 * 3.3 = 8.5"),  # 8.25, decimals: relative error of .01
        ("100 / 8 = 12", "100 / 8 = 14"),  # 12.5: a whole number after a division
        ("100 / 8 = 13", "100 / 8 = 11"),
        ("0.04 * 0.02 = 0.001", "0.04 * 0.02 = 0.002"),  # 0.0008: within the last digit
        ("48 * 52 is about 2400 = 2400, as 48 * 52 ≈ 2400", "48 * 52 ≈ 2800"),  # 2496: .06
    ],
)
def test_rounding_just_inside_and_just_outside(inside: str, outside: str) -> None:
    assert check_step(inside).verdict == "holds"
    assert check_step(outside).verdict == "fails"


def test_whole_numbers_are_not_rounded() -> None:
    """999 * 2 is 1998: 1997 is off by a mere .0005, yet wrong."""
    assert check_step("999 * 2 = 1997").verdict == "fails"


def test_each_link_of_a_chain_is_a_statement_with_its_place() -> None:
    text = "We see 2 * 3 = 6 = 5 + 2."
    first, second = check_step(text).statements
    assert (first.text, first.verdict) == ("2 * 3 = 6", "holds")
    assert (second.text, second.verdict) == ("6 = 5 + 2", "fails")
    assert (second.left, second.right) == (Fraction(6), Fraction(7))
    assert text[second.start : second.end] == second.text
    assert second.why == "6 is not 7"


def test_running_calculation_is_a_chain_and_not_wrong() -> None:
    check = check_step("2 + 3 = 5 * 2 = 10")
    assert [s.verdict for s in check.statements] == ["chain", "holds"]
    assert check.verdict == "holds"


def test_running_calculation_with_a_wrong_sum_fails() -> None:
    check = check_step("2 + 3 = 5 * 2 = 11")
    assert [s.verdict for s in check.statements] == ["chain", "fails"]
    assert check.verdict == "fails"


def test_running_calculation_that_ends_is_no_chain() -> None:
    assert check_step("5 + 3 = 8 * 2").verdict == "fails"


def test_one_false_equation_among_true_ones_fails_the_step() -> None:
    assert check_step("First 2 + 2 = 4, then 4 + 4 = 9, then 9 - 1 = 8.").verdict == "fails"


def test_sides_are_exact() -> None:
    (statement,) = check_step(r"\frac{1}{3} + 0.1 = \frac{13}{30}").statements
    assert statement.left == statement.right == Fraction(13, 30)


def test_two_equations_in_one_sentence_do_not_run_together() -> None:
    check = check_step("He has 3 + 4 = 7 apples and 5 * 6 = 30 pears.")
    assert [(s.left, s.right) for s in check.statements] == [(7, 7), (30, 30)]


def test_a_name_stands_for_its_calculation_once() -> None:
    """The third line redefines the total and is no claim about the first two."""
    text = "Total = 5 + 7\nTotal = 12\nTotal = 40"
    assert [s.verdict for s in check_step(text).statements] == [
        "cannot tell",
        "holds",
        "cannot tell",
    ]


def test_variables_do_not_carry_a_calculation() -> None:
    assert check_step("x = 5 + 3 or x = 5 - 3").verdict == "cannot tell"


def test_inline_formulas_with_relations_stay_apart() -> None:
    assert check_step(r"- \(\sqrt{25} = 5\) - \(\sqrt{16} = 4\)").verdict == "holds"

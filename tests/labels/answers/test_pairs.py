"""Pairs of a reference and an answer, judged by hand: right, wrong, cannot tell."""

import pytest

from surefoot.labels.answers import AnswerCheck, Given, answer_workers, compare, judge_outcomes

TEXT = [
    ("even", r"\text{even}", True),
    ("Paris", "paris.", True),
    (r"\textbf{blue}", "$\\text{blue}$", True),
    ("yes", "True", True),
    ("No", "false", True),
    ("Evelyn", "**Evelyn**", True),
    ("new york", "New  York", True),
    ("even", "odd", False),
    ("yes", "no", False),
    ("Evelyn", "Carla", False),
    ("increasing", "increases", None),
    ("blue", "the blue one", None),
    ("isosceles triangle", "triangle", None),
    ("even", "", None),
    ("", "even", None),
]

NUMBERS = [
    ("42", "42.0", True),
    ("8400", "8,400", True),
    ("8,400", "8{,}400", True),
    ("10,080", r"10\!\,080", True),
    (r"\frac{1}{2}", "0.5", True),
    (r"\frac12", r"\dfrac{1}{2}", True),
    (r"\frac{3}{4}", "¾", True),
    (r"1\frac{4}{5}", "1.8", True),
    (r"137 \frac{1}{2}", "275/2", True),
    (r"-\frac{35}{9}", "-35/9", True),
    (r"-\frac{35}{9}", r"\frac{-35}{9}", True),
    (".35625", "0.35625", True),
    (".0000672", r"6.72 \times 10^{-5}", True),
    ("1500000", "1.5 million", True),
    ("1.5e6", "1500000", True),
    ("2^{10}", "1024", True),
    ("5!", "120", True),
    (r"\binom{5}{2}", "10", True),
    (r"\sqrt{49}", "7", True),
    ("−7", "-7", True),
    (r"- \frac{1}{2}", "-0.5", True),
    ("-5.0", "- 5", True),
    ("+5", "5", True),
    ("seven", "7", True),
    ("twenty-five", "25", True),
    ("0.\\overline{3}", r"\frac13", True),
    ("x = 5", "5", True),
    ("5", "x=5", True),
    ("10^{40}", "10^{40}+1", False),
    ("42", "43", False),
    ("400", "8,400", False),
    (r"\frac{1}{2}", r"\frac{1}{3}", False),
    ("0.5", "0.05", False),
    ("-7", "7", False),
    ("1/3", "0.44", False),
    ("1/3", "0.33", None),
    (r"\frac{2}{3}", "0.6667", None),
    ("5", "x", None),
    ("12", "a dozen or so", None),
]

BASES = [
    ("40_9", "40_{9}", True),
    ("4210_{5}", "4210_5", True),
    ("204_5", "204", True),
    ("10_2", "2_{10}", True),
    ("204_5", "214_5", False),
    ("40_9", "41", False),
    ("10_2", "3_5", False),
    ("204_5", "54", None),
    ("28_5", "18_{10}", None),
]

UNITS = [
    ("12 km", "12000 m", True),
    ("12 km", "12 kilometers", True),
    ("1.5 hours", "90 minutes", True),
    ("1 hour 30 minutes", "90 min", True),
    ("5 feet 6 inches", "66 in", True),
    ("2 hours and 15 minutes", "2.25 hours", True),
    ("36 km/h", "10 m/s", True),
    ("36 km/h", "36 kilometers per hour", True),
    ("60 mph", "60 miles per hour", True),
    (r"15\mbox{ cm}^2", "15 square centimeters", True),
    (r"15 \text{ cm}^2", "0.0015 m^2", True),
    ("2 liters", "2000 cm^3", True),
    ("2 liters", "2000 ml", True),
    ("1 lb", "16 oz", True),
    ("3 kg", "3000 grams", True),
    ("12 cm", "12", True),
    ("12", r"12 \text{ cm}", True),
    (r"30^\circ", "30", True),
    (r"30^{\circ}", "30 degrees", True),
    ("90°", r"90^\circ", True),
    ("3 apples", "3", True),
    ("3 apples", "3 green apples", True),
    ("12 km", "12 m", False),
    ("12 km", "1200 m", False),
    ("1.5 hours", "80 minutes", False),
    ("15 cm^2", "16 cm^2", False),
    ("60 mph", "61 miles per hour", False),
    ("12 km", "13 kg", False),
    ("12 km", "12 kg", None),
    ("12 km", "12 leagues", None),
    ("12 cm", "12 cm^2", None),
    ("2 km", "2000", None),
    ("1.5 hours", "90", None),
    ("1 year", "365 days", None),
]

MONEY_AND_PERCENT = [
    (r"\$18.90", "18.90", True),
    (r"\$18.90", "$18.9", True),
    ("$70,000", "70000.00", True),
    ("$12.50", "12.50 dollars", True),
    ("$12.50", "1250 cents", True),
    ("75 cents", "$0.75", True),
    ("$1.5 million", "$1,500,000", True),
    ("50%", "0.5", True),
    (r"50\%", "50", True),
    ("50%", "50 percent", True),
    (r"\frac12", r"50\%", True),
    ("$12.50", "$12.05", False),
    ("50%", "60%", False),
    ("50%", "0.6", False),
    ("$5", "€6", False),
    ("$5", "€5", None),
    ("$8", "800", None),
]

TIMES = [
    ("3:30 PM", "3:30 p.m.", True),
    ("3 PM", "3:00 pm", True),
    ("3:30", "3:30 PM", True),
    ("3:30 PM", "3:30 AM", False),
    ("3:30", "3:45", False),
    ("3:30", "15:30", None),
]

CHOICES = [
    (r"\text{(B)}", "B", True),
    ("(B)", "b", True),
    ("B", "B.", True),
    ("B", "(B) 12", True),
    ("B", "B) 12", True),
    ("(C)", "the answer is C", True),
    ("C", "Option C", True),
    ("C", r"\textbf{(C)}", True),
    ("D", "The correct answer is: (D)", True),
    ("B", "C", False),
    ("(B)", "A. twelve", False),
    ("B", "the answer is (D)", False),
    ("B", "twelve", None),
    ("B", "(A) and (B)", None),
    ("A", "A cat sat there", None),
    ("B", "B, C", None),
]

STRUCTURES = [
    ("(2,4)", r"\left( 2, 4 \right)", True),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)", True),
    ("(1, 2)", "1, 2", True),
    ("(1, 2)", r"\langle 1, 2 \rangle", True),
    ("(0.5, 2)", r"(\frac12, 2)", True),
    ("[1, 2, 3]", "[1,2,3]", True),
    (r"\{1, 2, 3\}", r"\{3, 1, 2\}", True),
    (r"\{1, 2\}", "1, 2", True),
    (r"\{5\}", "5", True),
    ("1,-2", "-2, 1", True),
    ("-2,1", r"x = 1 \text{ and } x = -2", True),
    ("1, 2", "1 or 2", True),
    ("x = 1, y = 2", "y = 2, x = 1", True),
    (r"3 \pm \sqrt{2}", r"3+\sqrt2, 3-\sqrt2", True),
    (r"\{2 \pm i\}", r"\{2+i, 2-i\}", True),
    ("[-2,7]", r"x \in [-2, 7]", True),
    (r"\left(\frac{3}{5},\frac{8}{3}\right]", "(0.6, 8/3]", True),
    (r"(2,12) \cup (12,102)", r"(12, 102) \cup (2, 12)", True),
    (r"\begin{pmatrix} -1 & 0 \\ 0 & -1 \end{pmatrix}",
     r"\begin{bmatrix}-1&0\\0&-1\end{bmatrix}", True),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}",
     r"\begin{pmatrix} -\frac{1}{3} \\ \frac{2}{3} \end{pmatrix}", True),
    ("(2,4)", "(4,2)", False),
    ("(2,4)", "(2,4,6)", False),
    ("(2,4)", "(2,5)", False),
    ("[1, 2]", "(1, 2)", False),
    ("(0, 1]", "[0, 1)", False),
    (r"\{1, 2, 3\}", r"\{1, 2\}", False),
    (r"\{1, 2\}", r"\{1, 3\}", False),
    ("1, -2", "1, 2", False),
    ("1, -2", "1", False),
    ("x = 1, y = 2", "x = 2, y = 1", False),
    (r"(2,12) \cup (12,102)", r"(2,12) \cup (13,102)", False),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
     r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}", False),
    (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", False),
    ("(1, 2)", "12", None),
    ("(8, -2)", "6", None),
    ("-1", "1, -2", False),
    ("(1, 2)", r"\{2, 1\}", None),
    (r"\{1, 2\}", "(1, 2)", None),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)", None),
    ("[1, 2]", "1, 2", None),
    ("(1/3, 2)", "(0.33, 2)", None),
    (r"(2, 102)", r"(2,12) \cup (12,102)", None),
    ("58, 500", "58500", None),
]  # fmt: skip

FORMULAS = [
    ("x+1", "1+x", True),
    ("(a+5)(b+2)", "ab + 2a + 5b + 10", True),
    ("6r^2-4r-24", "2(3r^2 - 2r - 12)", True),
    (r"2\sqrt{5}", r"\sqrt{20}", True),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}", True),
    (r"\frac{3\sqrt{3}}{4}", "3*sqrt(3)/4", True),
    (r"11\sqrt2", r"11\sqrt{2}", True),
    ("√66", r"\sqrt{66}", True),
    (r"\pi/2", r"\frac{\pi}{2}", True),
    (r"12\pi", r"12\pi \text{ inches per second}", True),
    (r"18+2\pi", r"2(9+\pi)", True),
    ("1+274i", "274i + 1", True),
    ("2i", "(1+i)^2", True),
    ("y = -2x", "-2x", True),
    ("y = -2x", "2x + y = 0", True),
    ("y = 2x + 3", "y = 3 + 2x", True),
    ("x > 3", "3 < x", True),
    (r"x \ge 2", r"2 \le x", True),
    ("f(x) = x^2", "x^2", True),
    (r"\log_2 8", "3", True),
    (r"\sin^2 x + \cos^2 x", "1", True),
    (r"e^{2x}", r"(e^x)^2", True),
    ("n(n+1)/2", r"\frac{n^2+n}{2}", True),
    (r"\sqrt2 + \sqrt3", r"\sqrt{5 + 2\sqrt6}", True),
    ("x+1", "x+2", False),
    ("2k+2", "2k+3", False),
    ("2k+2", "12", False),
    (r"2\sqrt{5}", r"5\sqrt{2}", False),
    (r"12\pi", "12", False),
    ("y = -2x", "y = 2x", False),
    ("x > 3", "x < 3", False),
    ("1+274i", "1-274i", False),
    (r"10^{300} + \pi", r"10^{300} + 1 + \pi", False),
    (r"x + 10^{20}", "x + 10^{20} + 1", False),
    ("x+1", "y+1", None),
    (r"\sqrt{x^2}", "x", None),
    ("x^2", "x", False),
    ("x", "x^2 + y", None),
    (r"12\pi", "37.7", None),
    (r"30^\circ", r"\frac{\pi}{6}", None),
    ("1/2x", r"\frac{2}{x}", False),
    ("1/2x", r"\frac{x}{2}", None),
    ("1/2x", r"\frac{1}{2x}", None),
    ("1/2x + 1", "1 + 1/2x", True),
    (r"3/4 \pi", r"\frac{3\pi}{4}", None),
    ("a/bc", r"\frac{a}{bc}", None),
    ("x + 10^{20} = y", "x + 10^{20} + 1 = y", None),
    ("2x + 2y = 4", "x + y = 2", True),
    ("-2x < 4", "x > -2", True),
    (r"12\pi \text{ cm}", r"12\pi \text{ km}", None),
    ("x > 3", r"x \ge 3", None),
    (r"\frac{1}{0}", "5", None),
    (r"\sqrt{2", "1.5", None),
    ("x+1", "we get x plus one", None),
]

TABLES = {
    "text": TEXT,
    "numbers": NUMBERS,
    "bases": BASES,
    "units": UNITS,
    "money": MONEY_AND_PERCENT,
    "times": TIMES,
    "choices": CHOICES,
    "structures": STRUCTURES,
    "formulas": FORMULAS,
}


@pytest.fixture(scope="module")
def workers():
    with answer_workers(1, 20) as some:
        yield some


@pytest.mark.parametrize("table", TABLES)
def test_pairs(workers, table: str) -> None:
    pairs = TABLES[table]
    found = judge_outcomes((Given(a, b) for a, b, _ in pairs), workers)
    told = [(a, b, one.same, one.why) for (a, b, _), one in zip(pairs, found, strict=True)]
    wrong = [one for one, (_, _, same) in zip(told, pairs, strict=True) if one[2] is not same]
    assert wrong == []


@pytest.mark.parametrize("table", TABLES)
def test_without_algebra_nothing_is_told_otherwise(table: str) -> None:
    for reference, answer, same in TABLES[table]:
        found = compare(reference, answer, AnswerCheck(algebra=False))
        assert found.same in (same, None), (reference, answer, found)
        assert found.same is same or found.method in ("structure", "formula"), (reference, answer)


def test_every_pair_is_the_same_the_other_way_round(workers) -> None:
    pairs = [pair for table in TABLES.values() for pair in table]
    found = judge_outcomes((Given(b, a) for a, b, _ in pairs), workers)
    told = [(a, b, one.same) for (a, b, _), one in zip(pairs, found, strict=True)]
    assert [one for one, pair in zip(told, pairs, strict=True) if one != pair] == []


def test_there_are_many_pairs() -> None:
    assert sum(map(len, TABLES.values())) > 200

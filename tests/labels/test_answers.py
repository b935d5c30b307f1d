"""Final answers: finding them, and saying whether two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.labels.answers import extract_answer, same_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"First \boxed{3}, no: \boxed{\frac{1}{2}}. The answer is 7.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}} done", r"\{1, 2\}"),
        ("The answer is 42.", "42"),
        ("The answer is 3. No, the answer is 4.", "4"),
        ("He pays 8 * 2 = 16.\n#### 1,234", "1,234"),
        ("# Answer\n\n12", "12"),
        ("**Answer:** 18 apples", "18"),
        ("The final answer is $12.50. I hope it is correct.", "12.50"),
        ("The answer is blue.", "blue"),
        ("He has 5 apples and then 7.", "7"),
        ("That leaves -3 of $70,000.", "70,000"),
        (r"\boxed{unclosed 5", "5"),
        ("Nothing to see.", None),
        ("", None),
    ],
)
def test_extract(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("8,400", "8400", True),
        ("$70,000", "70000.00", True),
        (r"\frac{1}{2}", "0.5", True),
        (r"\dfrac12", "1/2", True),
        ("2 1/2", "2.5", True),
        ("50%", "0.5", True),
        (r"50\%", "50", True),
        ("3 apples", "3", True),
        (r"12 \text{ cm}", "12", True),
        ("2^{10}", "1024", True),
        ("x = 5", "5", True),
        ("(A)", "a", True),
        (r"\text{(C)}", "C", True),
        (r"\left( 1, 2 \right)", "(1,2)", True),
        ("x + 1", "x+1", True),
        ("12", "13", False),
        ("400", "8,400", False),
        ("A", "B", False),
        ("blue", "red", False),
        ("1/3", "0.33", None),
        ("1/3", "0.44", False),
        ("x+1", "1+x", None),
        ("(1,2)", "12", None),
        ("5", "x", None),
        ("", "5", None),
        ("10^{99999999}", "3", None),
    ],
)
def test_same(a: str, b: str, same: bool | None) -> None:
    assert same_answer(a, b) is same
    assert same_answer(b, a) is same


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_raises_and_order_does_not_matter(a: str, b: str) -> None:
    extract_answer(a)
    assert same_answer(a, b) is same_answer(b, a)


@given(st.text(max_size=60))
def test_an_answer_is_never_unlike_itself(a: str) -> None:
    assert same_answer(a, a) in (True, None)


@given(st.integers(-(10**9), 10**9))
def test_thousands_separators_do_not_matter(n: int) -> None:
    assert same_answer(f"{n:,}", str(n)) is True
    assert same_answer(f"{n:,}", str(n + 1)) is False

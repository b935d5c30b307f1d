"""Formulas become MathML of known parts, or stay their escaped source; never anything else."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.traces.display.mathematics import mathml, with_mathematics

PARTS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup",
    "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none", "mtable",
    "mtr", "mtd", "mstyle",
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.names, self.text = set(), set(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.names |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def test_a_fraction_in_a_sentence():
    assert with_mathematics(r"So $\frac{1}{2} < x$ & more.") == (
        'So <math display="inline"><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow>'
        "</mfrac><mo>&lt;</mo><mi>x</mi></mrow></math> &amp; more."
    )


@pytest.mark.parametrize("source", ["$x$", r"\(x\)", "$$x$$", r"\[x\]"])
def test_every_pair_of_marks_opens_a_formula(source):
    display = "block" if source[1] in "$[" else "inline"
    assert with_mathematics(source).startswith(f'<math display="{display}">')


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $10.", "from $6-$7 up", r"\$5 and \$6", "$ x $", "one $ alone", "a$b$c"],
)
def test_money_is_no_formula(text):
    assert with_mathematics(text) == text


@pytest.mark.parametrize(
    "source",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\style{color:red}{x}",
        r"\class{a}{x}",
        r"\newcommand{\a}{\b\b}\a",
        r"\def\a{x}\a",
        "{" * 400,
        r"\sqrt{" * 100 + "x" + "}" * 100,
        "a" * 1001,
        r"\frac{1}",
        "x^2^3",
        "a\x00b",
    ],
)
def test_what_is_refused_or_no_formula_is_shown_as_its_source(source):
    assert mathml(source) is None
    assert "<" not in with_mathematics(f"${source}$")


def test_text_inside_a_formula_stays_text():
    page = Tags(with_mathematics(r"$\text{</mtext><script>alert(1)</script>}$"))
    assert page.tags <= PARTS
    assert "<script>alert(1)</script>" in page.text


@given(
    st.lists(
        st.sampled_from(
            [*"{}^_&$%#'x1<>\"()[]", r"\left", r"\right", r"\frac", r"\sqrt", r"\text{<b>}", " ",
             r"\color{red}", r"\phantom{x}", r"\hspace{99cm}", r"\boxed", r"\begin{matrix}",
             r"\end{matrix}", "\\\\", r"\Huge", r"\cancel{x}", r"\operatorname{f}", "&#x3c;"]
        ),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_nothing_but_known_parts_comes_out(source):
    page = Tags(with_mathematics(f"${source}$"))
    assert page.tags <= PARTS
    assert page.names <= {
        "display", "class", "mathvariant", "stretchy", "fence", "form", "accent", "separator",
        "minsize", "maxsize", "movablelimits", "largeop", "width", "linethickness",
        "displaystyle", "scriptlevel",
    }  # fmt: skip

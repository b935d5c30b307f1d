import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from surefoot.errors import TraceError, UsageError
from surefoot.traces.split import join_steps, split_steps

STRATEGIES = ["paragraphs", "numbered", "lines", "sentences"]


class TestParagraphs:
    def test_blank_lines_cut_and_everything_else_stays(self):
        text = "\n \n  One,\nstill one.  \n\n\n \t\nTwo.\r\n\r\n\tThree.\n"
        assert split_steps(text, "paragraphs") == ["  One,\nstill one.  ", "Two.", "\tThree."]

    def test_code_fences_are_whole(self):
        code = "```python\nx = 1\n\n\ny = 2\n```"
        assert split_steps(f"Run this.\n\n{code}\n\nDone.", "paragraphs") == [
            "Run this.",
            code,
            "Done.",
        ]
        tilde = "~~~~\na\n\n~~~\n\nb\n~~~~"
        assert split_steps(f"{tilde}\n\nDone.", "paragraphs") == [tilde, "Done."]

    @pytest.mark.parametrize(
        "maths",
        [
            "$$\nx = 1\n\ny = 2\n$$",
            "\\[\nx \\\\[2pt]\n\ny\n\\]",
            "\\begin{align*}\nx &= 1\n\n\\begin{cases}a\\end{cases}\n\n\\end{align*}",
        ],
    )
    def test_displays_are_whole(self, maths):
        assert split_steps(f"So\n{maths}\nholds.\n\nDone.", "paragraphs") == [
            f"So\n{maths}\nholds.",
            "Done.",
        ]

    @pytest.mark.parametrize("opener", ["```", "$$", "\\[", "\\begin{align}", "~~~"])
    def test_what_never_closes_protects_nothing(self, opener):
        assert split_steps(f"a\n\n{opener}\n\nb", "paragraphs") == ["a", opener, "b"]


class TestNumbered:
    @pytest.mark.parametrize(
        "text",
        [
            "Step 1: a = 3.5\nStep 2: b\nand c",
            "Step 1. a = 3.5\n\nStep 2. b\nand c\n",
            "1. a = 3.5\n2. b\nand c",
            "1) a = 3.5\n  2) b\nand c",
            "### Step 1: a = 3.5\n### Step 2: b\nand c",
            "**Step 1:** a = 3.5\n**Step 2:** b\nand c",
            "step 1:\na = 3.5\nSTEP 2:\nb\nand c",
            "Step 0: a = 3.5\nStep 1: b\nand c",
        ],
    )
    def test_heads_of_every_style(self, text):
        for strategy in ("numbered", "auto"):
            assert split_steps(text, strategy) == ["a = 3.5", "b\nand c"]

    def test_words_before_the_first_head_are_a_step(self):
        assert split_steps("We think.\nStep 1: a\nStep 2: b") == ["We think.", "a", "b"]

    def test_numbers_must_count_up(self):
        text = "Step 1: choose\n1. red\n2. blue\nStep 2: the year was\nStep 9: no\nStep 3: end"
        assert split_steps(text) == ["choose\n1. red\n2. blue", "the year was\nStep 9: no", "end"]
        assert split_steps("12. Then\n1. a\n2. b\n3. c", "numbered") == ["12. Then", "a", "b", "c"]

    def test_a_decimal_is_no_head(self):
        assert split_steps("1.5 litres\n2.5 litres", "numbered") == ["1.5 litres\n2.5 litres"]
        assert split_steps("Step 3.5 of 4\nx", "numbered") == ["Step 3.5 of 4\nx"]

    def test_a_bold_title_stays_with_its_step(self):
        text = "**Step 1: Read**\nx\n**Step 2: Solve**\ny"
        assert split_steps(text) == ["**Step 1: Read**\nx", "**Step 2: Solve**\ny"]

    def test_heads_within_code_do_not_count(self):
        code = "```\nStep 2: print\n```"
        assert split_steps(f"Step 1: a\n{code}\nStep 2: b") == [f"a\n{code}", "b"]

    def test_an_empty_step_is_no_step(self):
        assert split_steps("Step 1:\nStep 2: b\nStep 3: c") == ["b", "c"]


class TestLines:
    def test_lines(self):
        assert split_steps("a\n\n  b\r\nc \n", "lines") == ["a", "  b", "c "]

    def test_code_is_whole(self):
        assert split_steps("a\n```\nx\ny\n```\nb", "lines") == ["a", "```\nx\ny\n```", "b"]


class TestSentences:
    @pytest.mark.parametrize(
        "sentence",
        [
            "It is 3.5 litres.",
            "We use e.g. this, i.e. that, cf. Eq. 3.",
            "Dr. Smith vs. Mr. Jones met.",
            "So $x = 3. y = 4$ holds.",
            "So \\(x = 3. Y = 4\\) holds.",
            "The code `a. B` runs.",
            "Hmm... Well, go on.",
            "Hmm… Well, go on.",
            "Since 5! = 120 we stop.",
            "It is 5 ft. 3 in. tall.",
            "We keep no. 5 and leave.",
            "He said (at 5 p.m. sharp) no.",
            "1. Compute the sum.",
            "Then \\[a. B\\] follows.",
        ],
    )
    def test_not_cut(self, sentence):
        assert split_steps(f"{sentence} The end.", "sentences") == [sentence, "The end."]

    @pytest.mark.parametrize(
        ("text", "steps"),
        [
            ("She pays $5. He pays $6. Done.", ["She pays $5.", "He pays $6.", "Done."]),
            ("Is it? Yes! Fine.", ["Is it?", "Yes!", "Fine."]),
            ("So $x = 5.$ Then stop.", ["So $x = 5.$", "Then stop."]),
            ('He said "no." She left.', ['He said "no."', "She left."]),
            ("It weighs 5 lbs. Then add.", ["It weighs 5 lbs.", "Then add."]),
            ("No. That is wrong.", ["No.", "That is wrong."]),
            ("a = 3. b = 4.", ["a = 3.", "b = 4."]),
            ("One\ntwo. Three.\n\nFour", ["One\ntwo.", "Three.", "Four"]),
            ("Go. 1. Add. 2. Halve.", ["Go.", "1. Add.", "2. Halve."]),
        ],
    )
    def test_cut(self, text, steps):
        assert split_steps(text, "sentences") == steps


class TestAuto:
    @pytest.mark.parametrize(
        ("text", "strategy"),
        [
            ("Step 1: a. B.\n\nStep 2: c\nd", "numbered"),
            ("Step 1: a. B.\n\nc\nd", "paragraphs"),
            ("A. B.\n\nC.\nD.", "paragraphs"),
            ("A. B.\nC. D.", "lines"),
            ("A. B. C.", "sentences"),
            ("$$\n\n$$\nA. B.", "lines"),
        ],
    )
    def test_picks(self, text, strategy):
        assert split_steps(text) == split_steps(text, strategy)
        others = [s for s in STRATEGIES if split_steps(text, s) != split_steps(text, strategy)]
        assert others


class TestSeparator:
    def test_cuts_exactly_there(self):
        assert split_steps("a ки\n b ки\n", separator=" ки") == ["a", "\n b"]
        assert join_steps(["a", "b"], separator=" ки\n") == "a ки\nb"

    def test_blank_pieces_are_no_steps(self):
        assert split_steps("##a## ##b", separator="##") == ["a", "b"]

    def test_is_given_alone_and_not_empty(self):
        with pytest.raises(UsageError, match="not both"):
            split_steps("a#b", "lines", separator="#")
        with pytest.raises(UsageError, match="not both"):
            join_steps(["a"], "lines", separator="#")
        with pytest.raises(UsageError, match="empty"):
            split_steps("ab", separator="")

    def test_overlapping_itself(self):
        with pytest.raises(TraceError, match="step 0"):
            join_steps(["xa", "b"], separator="aa")


def test_no_text_and_no_strategy():
    for text in ("", " \n\n "):
        for strategy in ["auto", *STRATEGIES]:
            with pytest.raises(TraceError, match="no text"):
                split_steps(text, strategy)
    with pytest.raises(UsageError, match="paragraphs, numbered"):
        split_steps("a", "chapters")
    with pytest.raises(UsageError, match="paragraphs"):
        join_steps(["a"], "auto")
    with pytest.raises(TraceError, match="no steps"):
        join_steps([])


def test_join():
    steps = ["One.", "Two."]
    assert join_steps(steps) == "One.\n\nTwo."
    assert join_steps(steps, "numbered") == "Step 1: One.\nStep 2: Two."
    assert join_steps(steps, "lines") == "One.\nTwo."
    assert join_steps(steps, "sentences") == "One. Two."


@pytest.mark.parametrize(
    ("steps", "strategy", "says"),
    [
        (["a", "b\n\nc"], "paragraphs", "step 1 itself holds"),
        (["a", "b", "c\nd"], "lines", "step 2 itself holds"),
        (["A.", "B. C."], "sentences", "step 1 itself holds"),
        (["a", "b\nStep 3: c"], "numbered", "step 1 itself holds"),
        (["a", " b"], "numbered", "step 1 begins or ends with white space"),
        (["a", "b\n"], "paragraphs", "step 1 begins or ends with white space"),
        (["a", ""], "lines", "step 1 is blank"),
        (["a", "b."], "sentences", "step 0 runs into"),
        (["```", "b", "```"], "paragraphs", "step 0 runs into"),
        (["x", "a\r", "b"], "lines", "step 1 runs into|step 1 begins or ends"),
    ],
)
def test_join_names_the_step_that_would_not_come_back(steps, strategy, says):
    with pytest.raises(TraceError, match=says):
        join_steps(steps, strategy)


texts = st.text(
    st.one_of(st.sampled_from("ab. \n\t$`\\[]12)S\r~"), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from(STRATEGIES))
def test_join_never_gives_text_that_splits_otherwise(steps, strategy):
    try:
        text = join_steps(steps, strategy)
    except TraceError:
        return
    assert split_steps(text, strategy) == steps


plain = st.from_regex(r"[A-Za-z=+é-ú ]{0,20}[A-Za-z]", fullmatch=True)


@settings(deadline=None)
@given(st.lists(plain.map(str.strip), min_size=1, max_size=30), st.sampled_from(STRATEGIES))
def test_steps_without_separators_always_come_back(steps, strategy):
    if strategy == "sentences":
        steps = [f"So {step} is 5." for step in steps]
    assert split_steps(join_steps(steps, strategy), strategy) == steps


@settings(deadline=None)
@given(st.lists(plain, min_size=1, max_size=6), texts)
def test_any_separator_comes_back(steps, separator):
    assume(all(separator[0] not in step and separator[-1] not in step for step in steps))
    assume(any(not c.isspace() for step in steps for c in step))
    assert split_steps(join_steps(steps, separator=separator), separator=separator) == steps


@settings(deadline=None)
@given(texts, st.sampled_from(["auto", *STRATEGIES]))
def test_splitting_loses_nothing_but_white_space_and_heads(text, strategy):
    assume(text.strip())
    steps = split_steps(text, strategy)
    assert all(step.strip() for step in steps)
    at = 0
    for step in steps:
        at = text.index(step, at) + len(step)
    if strategy in ("paragraphs", "lines", "sentences"):
        kept = "".join("".join(step.split()) for step in steps)
        assert kept == "".join(text.split())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_hundred_thousand_steps_in_linear_time(strategy):
    steps = [f"This is thing {i}, which costs $5 in all." for i in range(100_000)]
    text = join_steps(steps, strategy)
    started = time.process_time()
    assert split_steps(text, strategy) == steps
    assert time.process_time() - started < 10, "quadratic work would take minutes"


@pytest.mark.parametrize(
    "text",
    [
        "$$" * 100_001,
        "\\[" * 100_000,
        "$a " * 100_000,
        "`" * 100_001 + "a",
        "```\n" * 50_001,
        "." * 300_000 + "a",
        "a." + ")" * 300_000,
        " \n" * 100_000 + "x",
        "x\n" + " " * 300_000 + "y",
        "1. a\n" * 100_000,
        "Step " + "1" * 300_000,
        "Step" + " " * 300_000 + "x",
        "a. " * 100_000,
        "\\begin{align}" * 50_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_hostile_text_takes_linear_time(text):
    started = time.process_time()
    assert split_steps(text)
    assert time.process_time() - started < 10, "quadratic work would take minutes"

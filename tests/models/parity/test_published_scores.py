"""Every published family scores as its authors' code does, whatever stands in the text.

Checkpoints are tiny and random, in the published layout; the other side of each comparison is a
plain transformers model, run on one row at a time and read by hand.
"""

import pytest

from published_checkpoints import Plain, Published
from published_families import FAMILIES
from published_heads import difference
from surefoot import Trace

PROBLEM = "If x + 3 = 10, find x. (Write {slot} for \\boxed{}.)"
STEPS = [
    "Subtract 3 from both sides: x = 10 - 3.",
    "So x = 7",
    "Step 3: the answer is \\boxed{7}.",
]
MARKERS = [
    *("<extra_0>", "<extra_1>", "<extra>", "<+>", "<->", "[PRM]", "</s>", "<s>", "<unk>"),
    *("<|im_end|>", "<|im_end|>\n<|im_start|>assistant\n+", "<|endoftext|>", "<|eot_id|>"),
    *("<|start_header_id|>assistant<|end_header_id|>\n\n+", "<|begin_of_text|>", "{slot}{step}"),
    *("ки", "и", "a ки\nb ки", "+", "+ -", "-", "correct", "assistant", "# Solution", "Step 9: ки"),
    *("a\n\nb", "a \n\n\n\nb", "a \n\n\n\n\n b", "\u200b"),
]
TEXTS = {
    "plain": (PROBLEM, STEPS),
    "one step": (PROBLEM, STEPS[1:2]),
    "unicode": (
        "数学: ∫𝒳² ≤ ∞ \U0001f600?",
        [
            "naïve ÜBER — √2 \U0001f468\u200d\U0001f469\u200d\U0001f467",
            "e\u0301 עברית \u2028ﷺ",
            "七",
        ],
    ),
    "bare markers": (PROBLEM, MARKERS),
    "markers": (
        " ".join(MARKERS),
        [f"{a} x {b}" for a, b in zip(MARKERS, MARKERS[::-1], strict=True)],
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_scores_are_those_of_the_published_rule(published, family, text):
    one = published(family)
    problem, steps = TEXTS[text]
    scores = one.model.score(Trace(problem, steps)).values
    assert len(scores) == len(steps)
    assert scores == pytest.approx(one.wanted(problem, steps), abs=1e-5)


TRIMMED = {"agentprm-alfworld", "fover-llama", "rlhflow-deepseek-data", "rlhflow-mistral-data"}
"""Llama's chat template trims a message as a whole; we trim the problem and every step in it."""
OTHERWISE = {*TRIMMED, "med-prm-documents", "eurusprm"}
"""The first is trimmed before its problem, which is kept as it is here; the authors of the other
measure a step with line ends at its end by what stands behind it in a shorter text."""


@pytest.mark.parametrize("family", sorted({*FAMILIES} - OTHERWISE))
def test_white_space_around_texts_stays_where_the_authors_leave_it(published, family):
    one = published(family)
    steps = ["a ", " b", "c.\n", "\n\nd", "e \n\n\n\n", " + \n", "\tki ки "]
    values = one.model.score(Trace(" What?\n", steps)).values
    assert values == pytest.approx(one.wanted(" What?\n", steps), abs=1e-5)


@pytest.mark.parametrize("edge", [".", " .", "\n.\n", "\n\nки", " ки\n", ".\n\n", "+ \n\n\n\n"])
def test_white_space_around_a_step_moves_no_score(published, family, edge):
    one = published(family)
    first = "So x = 7."
    values = one.model.score(Trace(PROBLEM, [first, edge, "The answer is 7."])).values
    assert len(values) == 3
    if one.reference is None:
        (alone,) = one.model.score(Trace(PROBLEM, [first])).values
        assert values[0] == pytest.approx(alone, abs=1e-5)


def test_scores_tell_steps_apart(published, family):
    """Else the comparisons here would prove little."""
    one = published(family)
    values = one.model.score(Trace(*TEXTS["bare markers"])).values
    spread = 0.01 if one.reference is not None else 0.1
    assert max(values) - min(values) > spread
    assert len({*values}) > len(values) // 2


@pytest.mark.parametrize("family", [name for name, one in FAMILIES.items() if one.tag is not None])
def test_rules_here_read_where_the_authors_find_their_tag(published, family):
    plain = published(family).plain
    tag = plain.authors.ids(plain.authors.own(plain.family.tag))[-1]
    for row in plain.family.rule(plain.authors, PROBLEM, STEPS):
        assert {row.ids[position] for position in row.positions} == {tag}


def test_two_hundred_steps_get_two_hundred_scores(published, family):
    """Of families that score one prefix at a time the plain model runs on some only."""
    one = published(family)
    steps = [f"x={i}." for i in range(200)]
    values = one.model.score(Trace("x?", steps)).values
    assert len(values) == 200
    only = {"only": (0, 77, 199)} if one.model.contract.template.past is not None else {}
    for i, wanted in enumerate(one.wanted("x?", steps, **only)):
        assert wanted is None or values[i] == pytest.approx(wanted, abs=1e-5)


def test_a_search_gets_the_same_scores(published, family):
    """Two branches of one problem, one of them grown further."""
    one = published(family)
    session = one.model.open(PROBLEM)
    left, right = session.extend([(session.root, STEPS[:1]), (session.root, STEPS[1:])])
    (grown,) = session.extend([(left, STEPS[1:])])
    for branch, steps in ((left, STEPS[:1]), (right, STEPS[1:]), (grown, STEPS)):
        whole = one.model.score(Trace(PROBLEM, steps)).values
        assert branch.scores.values == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("family", [name for name, one in FAMILIES.items() if one.is_bounded])
def test_two_surely_wrong_steps_get_two_scores(family, tmp_path):
    """The authors' code for some families drops scores that are exactly 0."""
    plain = Plain(FAMILIES[family])
    steps = [*STEPS, "Check: 7 + 3 = 10."]
    plain.decide(PROBLEM, steps, [30.0, -30.0, -45.0, 30.0])
    one = Published(family, tmp_path, plain)
    least = -1.0 if FAMILIES[family].head and FAMILIES[family].head.link is difference else 0.0
    for model in (one.model, one.load(dtype="bfloat16")):
        scores = model.score(Trace(PROBLEM, steps))
        right, wrong, worse, right_again = scores.values
        assert min(right, right_again) > 1 - 1e-4
        assert max(wrong, worse) < least + 1e-4
        if scores.log_odds is not None:
            assert scores.log_odds[1] > scores.log_odds[2] + 1
    exact = one.model.score(Trace(PROBLEM, steps)).values
    assert exact == pytest.approx(one.wanted(PROBLEM, steps), abs=1e-5)


def test_code_beside_a_checkpoint_never_runs(published):
    """The folders of some families hold code that leaves a file if it runs."""
    with_code = [published(name) for name, one in FAMILIES.items() if one.code]
    assert with_code
    for one in with_code:
        assert (one.folder / "modeling_prm.py").is_file()
        assert not (one.folder / "ran").exists()


def test_a_reference_answer_reaches_the_model_that_wants_one(published):
    one = published("universal-prm")
    answer = "#### 7 <|im_end|>"
    values = one.model.score(Trace(PROBLEM, STEPS, reference=answer)).values
    assert values == pytest.approx(one.wanted(PROBLEM, STEPS, reference=answer), abs=1e-5)
    assert values != pytest.approx(one.wanted(PROBLEM, STEPS), abs=1e-3)

"""Answers that would do harm: code, endless powers, deep nesting, noise. Never run, never believed,
never hung."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.labels.answers import (
    AnswerCheck,
    Given,
    answer_workers,
    compare,
    extract_answer,
    judge_outcome,
    judge_outcomes,
)

CODE = [
    "__import__('os').system('touch {file}')",
    "exec(\"open('{file}','w')\")",
    "open('{file}', 'w')",
    "().__class__.__base__.__subclasses__()",
    "lambda: open('{file}', 'w')",
    r"\text{{__import__('os').system('touch {file}')}}",
    r"\operatorname{{__import__('os').system('touch {file}')}}",
    r"x_{{__import__('os').system('touch {file}')}}",
    r"\boxed{{__import__(\"os\").system(\"touch {file}\")}}",
    'f\'{{__import__("os").system("touch {file}")}}\'',
    "$(touch {file})",
    "`touch {file}`",
    r"\input{{{file}}}",
    r"\write18{{touch {file}}}",
    "Symbol('x', real=open('{file}','w'))",
    'S(\'__import__("os").system("touch {file}")\')',
    "(lambda x: x)(open('{file}','w'))",
]

LONG = 3_000

NOISE = {
    "nothing but brackets": "(" * LONG,
    "nested brackets": "(" * 400 + "1" + ")" * 400,
    "nested fractions": r"\frac{1}{" * 100 + "2" + "}" * 100,
    "nested text": r"\text{" * 150 + "a" + "}" * 150,
    "nested roots": r"\sqrt{" * 39 + "2" + "}" * 39,
    "a tower": "9^" * 200 + "9",
    "a great power": "10^{10^{10}}",
    "a great power of sums": "(1+x)^{10^{9}}",
    "a great factorial": "(10^9)!",
    "factorials of factorials": "9!!!!!!!!!!!!",
    "a long number": "9" * LONG,
    "a long sum": "1+" * 400 + "1",
    "a long product": "(x+1)" * 190,
    "units without end": "1 " + "a^2 " * 240 + "~",
    "metres without end": "1 " + "m^2 " * 240,
    "spaces": "1" + " " * 900 + "2",
    "letters": "a" * 999 + "!",
    "commas": "," * 990,
    "a list of lists": ",".join(["(1,2)"] * 150),
    "a set of sets": r"\{" + ",".join([r"\{" + ",".join("abcdefghijklmno") + r"\}"] * 20) + r"\}",
    "a wide matrix": r"\begin{pmatrix}" + "1&" * 450 + r"1\end{pmatrix}",
    "open environments": r"\begin{pmatrix}" * 60,
    "null bytes": "1\0" * 300,
    "control characters": "\x1b[31m1\x07\x08",
    "right to left": "\u202e42",
    "combining marks": "a" + "\u0301" * 900,
    "surrogate-like": "\ue000\ue001\ufffd",
    "stars": "**1" * 300,
    "hashes": "#" * 990,
    "boxes": r"\boxed{" * 140,
    "dollars": "$" * 990,
    "carets": "x^" * 450,
    "plus or minus": r"\pm 1" * 190,
    "a sum without end": r"\sum_{n=1}^{\infty} \frac{1}{n^2}",
    "a great sum": r"\sum_{n=1}^{10^{12}} n^{n}",
    "an integral": r"\int_0^1 x^{x^{x}} \sin(e^{x}) dx",
    "a limit": r"\lim_{x \to 0} \frac{\sin x}{x}",
    "NaN": "nan",
    "infinity": r"\infty",
    "nothing over nothing": r"\frac{0}{0}",
}


def test_no_answer_is_run_as_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "harm"
    texts = [one.format(file=name) for one in CODE for name in (file, file.name)]
    pairs = [Given("5", text) for text in texts] + [Given(text, "5") for text in texts]
    pairs += [Given(text, f" {text} + 0") for text in texts if "boxed" not in text]
    assert [judge_outcome(one.reference, one.text) for one in pairs if one.text == "5"] == [
        None
    ] * len(texts)
    with answer_workers(2, 20) as workers:
        found = list(judge_outcomes(pairs, workers))
    assert os.listdir(tmp_path) == []
    assert [pair for pair, one in zip(pairs, found, strict=True) if one.same] == []


@pytest.mark.parametrize("name", NOISE)
def test_noise_takes_no_time_in_this_process(name: str) -> None:
    text = NOISE[name]
    start = time.perf_counter()
    for a, b in ((text, "5"), ("5", text), (text, text + " "), ("(1,2)", text), (text, text[:-2])):
        judge_outcome(a, b)
        compare(a, b, problem=text)
    extract_answer(text * 30)
    assert time.perf_counter() - start < 5.0


@pytest.mark.slow
def test_noise_takes_its_limit_at_most_in_a_worker() -> None:
    given = [Given("5", text) for text in NOISE.values()]
    given += [Given(text, text + "+1") for text in NOISE.values()]
    start = time.perf_counter()
    with answer_workers(2, 1.5) as workers:
        found = list(judge_outcomes(given, workers))
    assert len(found) == len(given)
    assert not any(one.same for one in found), [
        (one, text) for one, text in zip(found, given, strict=True) if one.same
    ]
    assert time.perf_counter() - start < 60


def test_great_numbers_are_not_rounded_to_the_same() -> None:
    pairs = [
        Given("10^{400} + 1", "10^{400}"),
        Given(r"10^{60}\sqrt{2} + 1", r"10^{60}\sqrt{2}"),
        Given(r"10^{-40}\sqrt{2}", r"10^{-40}\sqrt{3}"),
    ]
    with answer_workers(1, 20) as workers:
        assert [one.same for one in judge_outcomes(pairs, workers)] == [False] * 3


def test_a_comparison_that_hangs_or_crashes_is_told_and_the_others_go_on() -> None:
    check = AnswerCheck("answer_functions:hangs")
    texts = ["5", "hang", "6", "crash", "5"]
    with answer_workers(2, 1.0, check=check) as workers:
        found = list(judge_outcomes([Given("5", text) for text in texts], workers, check=check))
    assert [one.same for one in found] == [True, None, False, None, True]
    assert found[1].why == "took longer than 1 s"
    assert found[3].why == "crashed: the worker process was killed by signal 11"


ANSWERS = st.text(
    st.one_of(st.sampled_from(r"0123456789.,/%$()[]{}\^_+-*=<> xyABCabc"), st.characters()),
    max_size=40,
)


@given(ANSWERS, ANSWERS)
@settings(max_examples=300)
def test_any_two_texts_can_be_compared_either_way_round(a: str, b: str) -> None:
    found = compare(a, b)
    assert found.same is compare(b, a).same
    assert found.why


@given(ANSWERS)
@settings(max_examples=300)
def test_an_answer_is_never_wrong_beside_itself_or_in_wrappers(a: str) -> None:
    for other in (a, f" {a} ", f"${a}$", rf"\({a}\)", rf"\text{{{a}}}", rf"\left.{a}\right."):
        assert compare(a, other).same is not False, other


@given(st.integers(-999, 999), st.integers(1, 99), st.sampled_from(["{}", "${}$", r"\({}\)"]))
def test_fractions_are_themselves_in_any_spelling(above: int, below: int, wrapper: str) -> None:
    spelled = [
        f"{above}/{below}",
        rf"\frac{{{above}}}{{{below}}}",
        rf"\dfrac{{{above}}}{{{below}}}",
    ]
    for a in spelled:
        for b in spelled:
            assert judge_outcome(a, wrapper.format(b)) is True
            assert judge_outcome(a, wrapper.format(b.replace(f"{below}", f"{below + 1}"))) is (
                above == 0
            ) or str(below) in str(above)

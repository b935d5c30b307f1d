"""Reading verdicts strictly: what is asked for, or nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.models.critic import Critic, Reading, Stage
from surefoot.models.verdicts import Answer, Stretch, Verdict, place_of_choice, votes

FIRST = Critic(ask="{problem}{solution}", unit="trace", reading=Reading(kind="first-error"))
EACH = Critic(ask="{problem}{solution}", unit="trace", reading=Reading(kind="each-step"))
BOXED = Reading(kind="pattern", pattern=r"\\boxed\{(\w+)\}", good="correct", bad="incorrect")
CHAIN = Critic(ask="{problem}{solution}", unit="trace", reading=BOXED)
LAST = Critic(ask="{problem}{step}", unit="step", reading=BOXED)


def said(text, **rest):
    return Answer((Stretch("", text),), **rest)


def read(critic, text, num_steps=3, step=None):
    return votes(critic, said(text), step, num_steps)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"first_error": 1}', {0: 0}),
        ('{"first_error": 3}', {0: 1, 1: 1, 2: 0}),
        ('{"first_error": null}', {0: 1, 1: 1, 2: 1}),
        ('Step 2 says {"first_error": 1}, but no.\n\n{"first_error": 2}\n', {0: 1, 1: 0}),
        ('So:\n```json\n{\n  "first_error": 2\n}\n```\n', {0: 1, 1: 0}),
        ("", {}),
        ("{", {}),
        ("}", {}),
        ("null", {}),
        ('{"first_error": 2}.', {}),
        ('{"first_error": 2} I am sure.', {}),
        ('{"first_error": 0}', {}),
        ('{"first_error": 4}', {}),
        ('{"first_error": -1}', {}),
        ('{"first_error": 2.0}', {}),
        ('{"first_error": "2"}', {}),
        ('{"first_error": true}', {}),
        ('{"first_error": NaN}', {}),
        ('{"first_error": []}', {}),
        ("{'first_error': 2}", {}),
        ('{"first_error": 1, "first_error": 2}', {}),
        ('{"first_error": 2, "sure": true}', {}),
        ('{"First_Error": 2}', {}),
        ('{"first_error": {"first_error": 2}}', {}),
        ('{"steps": [true, true, true]}', {}),
        ('{"first_error": ' + "9" * 5000 + "}", {}),
    ],
)
def test_first_errors(text, expected):
    assert read(FIRST, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"steps": [true, false, true]}', {0: 1, 1: 0, 2: 1}),
        ('Now {"steps": []}\n{"steps": [false,false,false]}', {0: 0, 1: 0, 2: 0}),
        ('{"steps": [true, false]}', {}),
        ('{"steps": [true, false, true, true]}', {}),
        ('{"steps": [1, 0, 1]}', {}),
        ('{"steps": [true, null, true]}', {}),
        ('{"steps": [[true], true, true]}', {}),
        ('{"steps": "yes"}', {}),
        ('{"steps": {"0": true}}', {}),
        ('{"steps": [true, true, true], "x": 1}', {}),
        ('{"steps": ' + "[" * 100_000, {}),
        ('{"first_error": null}', {}),
    ],
)
def test_a_verdict_for_each_step(text, expected):
    assert read(EACH, text) == expected


@pytest.mark.parametrize(
    ("text", "chain", "last"),
    [
        (r"\boxed{correct} \boxed{incorrect} \boxed{correct}", {0: 1, 1: 0, 2: 1}, {1: 1}),
        (r"\boxed{correct} and \boxed{incorrect}.", {0: 1, 1: 0}, {1: 0}),
        (r"\boxed{correct}" * 4, {}, {1: 1}),
        (r"\boxed{correct} \boxed{5} \boxed{incorrect}", {}, {1: 0}),
        (r"\boxed{incorrect} \boxed{5}", {}, {}),
        (r"\boxed{Correct}", {}, {}),
        ("correct", {}, {}),
        ("", {}, {}),
    ],
)
def test_verdicts_by_pattern(text, chain, last):
    assert read(CHAIN, text) == chain
    assert read(LAST, text, step=1) == last


@pytest.mark.parametrize("critic", [FIRST, EACH, CHAIN])
def test_an_answer_that_was_cut_or_never_written_is_no_verdict(critic):
    text = {FIRST: '{"first_error": 1}', EACH: '{"steps": [true]}', CHAIN: r"\boxed{correct}"}
    assert read(critic, text[critic], 1)
    assert votes(critic, said(text[critic], finished=False), None, 1) == {}
    assert votes(critic, Answer(), None, 1) == {}


def test_only_what_the_model_wrote_last_is_read():
    before = Stretch("", '{"first_error": 1}')
    fixed = Answer((before, Stretch('{"first_error": 1}', "so", '{"first_error": 1}')))
    assert votes(FIRST, fixed, None, 3) == {}
    critic = Critic(ask=FIRST.ask, unit="trace", reading=FIRST.reading, stages=(Stage(), Stage()))
    assert votes(critic, Answer((before, said('{"first_error": 2}').stretches[0])), None, 3) == {
        0: 1,
        1: 0,
    }


JUNK = st.text(alphabet=st.sampled_from('{}[]":,0123456789.eE-+ \n`tfn"first_error"steps"ruealsn'))


@given(st.one_of(JUNK, st.text()), st.integers(1, 5))
def test_junk_is_never_half_a_verdict(text, num_steps):
    found = read(FIRST, text, num_steps)
    values = list(found.values())
    assert list(found) == list(range(len(found)))
    assert values in ([], [1.0] * num_steps, [1.0] * (len(values) - 1) + [0.0])
    each = read(EACH, text, num_steps)
    assert each == {} or list(each) == list(range(num_steps))
    assert len(read(CHAIN, text, num_steps)) <= num_steps


@given(
    st.text(),
    st.integers(1, 200),
    st.data(),
    st.sampled_from(["{}", "```\n{}\n```", "```json\n{}\n``` \n", "\n {} \t\n"]),
)
def test_whatever_is_said_before_the_verdict_counts(thoughts, num_steps, data, frame):
    first = data.draw(st.none() | st.integers(1, num_steps))
    each = data.draw(st.lists(st.booleans(), min_size=num_steps, max_size=num_steps))

    def text(value):
        return thoughts + "\n" + frame.replace("{}", json.dumps(value))

    last = num_steps if first is None else first
    expected = dict.fromkeys(range(last), 1.0) | ({} if first is None else {first - 1: 0.0})
    assert read(FIRST, text({"first_error": first}), num_steps) == expected
    assert read(EACH, text({"steps": each}), num_steps) == dict(enumerate(map(float, each)))


YES = {"good": "Yes", "bad": "No"}
ANSWER = Answer((Stretch("<a>", "one", "</a>"), Stretch("<b>", "x: Yes, y: No. ", "</b>")))


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ({}, ("<a>one</a><b>x: Yes, y: No. </b>", False)),
        ({"then": " Right?"}, ("<a>one</a><b>x: Yes, y: No. </b> Right?", False)),
        ({"behind": ": "}, ("<a>one</a><b>x: Yes, y: ", False)),
        ({"behind": ": ", "occurrence": "first", "then": "!"}, ("<a>one</a><b>x: !", False)),
        ({"behind": ": (?=No)"}, ("<a>one</a><b>x: Yes, y: ", False)),
        ({"behind": "one"}, None),
        ({"behind": "<b>"}, None),
        ({"behind": "</b>"}, None),
        (
            {"behind": "z", "otherwise": " Now?", "then": "!"},
            ("<a>one</a><b>x: Yes, y: No. </b> Now?", True),
        ),
        ({"behind": "z", "otherwise": "<c>", "otherwise_stages": 1}, ("<a>one</a><c>", True)),
        ({"behind": "x", "otherwise": "<c>"}, ("<a>one</a><b>x", False)),
    ],
)
def test_where_a_choice_is_made(reading, expected):
    assert place_of_choice(Reading(**YES, **reading), ANSWER) == expected


def test_without_an_answer_the_choice_is_made_at_once():
    assert place_of_choice(Reading(**YES), Answer()) == ("", False)


@given(
    step=st.none() | st.integers(0, 9),
    text=st.text(),
    good=st.dictionaries(st.integers(0, 9), st.floats(0, 1)),
)
def test_a_verdict_survives_json(step, text, good):
    one = Verdict(step, 3, text, good, {0: float("inf")})
    assert Verdict.from_json(json.loads(json.dumps(one.to_json()))) == replace(one, log_odds={})

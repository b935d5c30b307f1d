"""Critics as data: strict reading, and what they say about a trace."""

import json
from contextlib import suppress
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ContractError, StorageError
from surefoot.models.critic import CRITIC_FILE, Critic, Reading, Stage
from surefoot.models.profiles import profiles
from surefoot.models.prompts import Prompts
from surefoot.policies.writer import Message

WORDS = {"kind": "choose", "good": "Yes", "bad": "No"}
PLAIN = {"ask": "{problem} {step}", "reading": WORDS}
WHOLE = {"ask": "{problem} {solution}", "unit": "trace", "reading": {"kind": "first-error"}}
GENERATIVE = [name for name, one in profiles().items() if one.scorer == "generative"]


def critic(**values):
    return Critic.from_json({**PLAIN, **values})


@pytest.mark.parametrize("name", GENERATIVE)
def test_every_published_critic_is_one(name):
    found = Critic.from_json(profiles()[name].critic)
    assert Critic.from_json(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize("name", GENERATIVE)
def test_a_critic_beside_a_model_is_read_as_it_was_written(name, tmp_path):
    found = Critic.from_json(profiles()[name].critic)
    found.save(tmp_path)
    assert Critic.load(tmp_path) == found
    assert Critic.from_json(found.to_json()) == found


def test_a_critic_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(ContractError, match=CRITIC_FILE):
        Critic.load(tmp_path)
    (tmp_path / CRITIC_FILE).write_text("[1]")
    with pytest.raises(ContractError, match=f"{CRITIC_FILE}.*must be an object"):
        Critic.load(tmp_path)
    with pytest.raises(StorageError):
        critic().save(tmp_path / "nowhere")


def test_there_are_these_published_critics():
    assert {"genprm", "thinkprm", "r-prm", "judge", "judge-steps"} <= {*GENERATIVE}


def test_what_is_left_out_is_as_the_class_has_it():
    assert critic() == Critic(ask="{problem} {step}", reading=Reading(good="Yes", bad="No"))
    assert critic().stages == (Stage(),)
    assert critic(meaning="value").kind == "value"
    assert critic(meaning="progress").kind == "progress"
    assert critic(meaning="prefix-correct").kind == critic().kind == "probability"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"asks": 1}, "unknown fields: asks"),
        ({"reading": {**WORDS, "best": 1}}, r"unknown fields: reading\.best"),
        ({"stages": [{"text": ""}]}, r"unknown fields: stages\.text"),
        ({"stages": {}}, "stages is {}; it must be a list"),
        ({"stages": ["a"]}, "stages is 'a'; it must be an object"),
        ({"reading": "choose"}, "reading is 'choose'; it must be an object"),
        ({"unit": "word"}, "unit is 'word'; it must be one of turn, step, trace"),
        ({"meaning": "good"}, "meaning is 'good'"),
        ({"aggregate": "max"}, "aggregate is 'max'; it must be one of min"),
        ({"ask": 1}, "ask is 1; it must be text"),
        ({"system": []}, r"system is \[\]; it must be text"),
        ({"history": "so"}, "history means nothing to the unit step"),
        ({"first_ask": "{problem}{step}"}, "first_ask means nothing to the unit step"),
        ({"ask": "{step}"}, "ask has no {problem}"),
        ({"ask": "{problem}"}, "ask has no {step}"),
        ({"ask": "{problem}{step}", "first_ask": "{step}", "unit": "turn"}, "has no {problem}"),
        ({"ask": "{problem}", "first_ask": "{problem}{step}", "unit": "turn"}, "has no {step}"),
        ({"item": "{n}"}, "item has neither {step} nor {numbered}"),
        ({"item": "{step}{problem}"}, "item cannot hold {problem}"),
        ({"remove": "("}, r"remove is '\(', no regular expression"),
        ({"remove": 3}, "remove is 3; it must be text"),
        ({"opens_turn": 1}, "opens_turn is 1; it must be true or false"),
        ({"stages": []}, None),
        ({"stages": [], "samples": 2, "temperature": 1}, "all samples would be the same"),
        ({"stages": [], "reading": {**WORDS, "behind": "x"}}, "there is no answer to read"),
        ({"stages": [{"prefill": "{step}"}]}, "prefill cannot hold {step}"),
        ({"stages": [{"prefill": "{n}"}]}, None),
        ({"stages": [{"stop": "abc"}]}, "stop is 'abc'; it must be a list of texts"),
        ({"stages": [{"stop": [""]}]}, "stop is"),
        ({"stages": [{"max_new_tokens": 0}]}, "max_new_tokens is 0; it must be 1 or more"),
        ({"stages": [{"max_new_tokens": True}]}, "max_new_tokens is True"),
        ({"stages": [{"close": None}]}, "close is None"),
        ({"samples": 0}, "samples is 0"),
        ({"samples": 2}, "samples is 2 at temperature 0"),
        ({"temperature": -1}, "temperature must be 0 or more"),
        ({"temperature": "1"}, "temperature is '1'; it must be a number"),
        ({"top_p": 0}, "top_p above 0"),
        ({"top_p": float("nan")}, "top_p is nan"),
        ({"top_k": 0}, "top_k is 0"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": None}, "threshold is None"),
        ({"reading": {"kind": "guess"}}, "kind is 'guess'"),
        ({"reading": {"kind": "choose"}}, "give two words"),
        ({"reading": {**WORDS, "bad": "Yes"}}, "give two words"),
        ({"reading": {**WORDS, "pattern": "(a)"}}, "belongs to the kind pattern"),
        ({"reading": {**WORDS, "kind": "pattern"}}, "belongs to the kind pattern"),
        ({"reading": {**WORDS, "kind": "pattern", "pattern": "a"}}, "it needs one group"),
        ({"reading": {**WORDS, "kind": "pattern", "pattern": "("}}, "no regular expression"),
        ({"reading": {**WORDS, "kind": "pattern", "pattern": "(a)", "then": "b"}}, "then means"),
        ({"reading": {**WORDS, "otherwise": "x"}}, "otherwise needs reading.behind"),
        ({"reading": {**WORDS, "behind": "x", "otherwise_stages": 1}}, "needs reading.otherwise"),
        (
            {"reading": {**WORDS, "behind": "x", "otherwise": "", "otherwise_stages": 2}},
            "more than there are",
        ),
        ({"reading": {**WORDS, "occurrence": "second"}}, "occurrence is 'second'"),
        ({"reading": {"kind": "first-error"}}, "is of the unit trace"),
        ({**WHOLE, "reading": WORDS}, "a choice is about one step"),
        ({**WHOLE, "ask": "{problem}{step}"}, "ask cannot hold {step}"),
        ({**WHOLE, "stages": [{"prefill": "{n}"}]}, "prefill cannot hold {n}"),
        (
            {**WHOLE, "reading": {"kind": "first-error", "good": "a"}},
            r"reading\.good means nothing",
        ),
        ({**WHOLE, "stages": []}, "there is no answer to read"),
    ],
)
def test_what_is_no_critic_is_refused(values, reason):
    if reason is None:
        critic(**values)
        return
    with pytest.raises(ContractError, match=reason):
        critic(**values)


@pytest.mark.parametrize("values", [None, [], "x", {}, {"reading": WORDS}])
def test_what_is_no_object_or_asks_nothing_is_refused(values):
    with pytest.raises(ContractError, match=r"must be an object|missing field: ask"):
        Critic.from_json(values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.sampled_from(sorted(asdict(critic()))),
)
def test_junk_in_any_field_is_a_contract_error_or_fine(junk, field):
    with suppress(ContractError):
        critic(**{field: junk})


def test_marks_are_filled_once_and_only_the_critics_own():
    one = critic(
        ask="{problem}|{previous}|{n}/{num_steps}|{numbered}|{solution}|{other}|{}",
        item="<{n} {step}>",
        between=";",
        no_previous="none",
        system="{problem}",
    )
    prompts = Prompts(one, "{solution}", ["{problem} {step}", "step 9. {n}", r"\1 \g<0>"])
    assert prompts.messages(0) == (
        Message("system", "{problem}"),
        Message(
            "user",
            "{solution}|none|1/3|Step 1: {problem} {step}|<1 {problem} {step}>|{other}|{}",
        ),
    )
    first, second = "<1 {problem} {step}>", "<2 step 9. {n}>"
    assert prompts.messages(1)[1].text == (
        f"{{solution}}|{first}|2/3|step 9. {{n}}|{first};{second}|{{other}}|{{}}"
    )
    assert prompts.messages(2)[1].text == (
        f"{{solution}}|{first};{second}|3/3|Step 3: \\1 \\g<0>|"
        f"{first};{second};<3 \\1 \\g<0>>|{{other}}|{{}}"
    )


def test_turns_hold_what_was_said_before():
    values = {"unit": "turn", "first_ask": "{problem}\n{step}", "ask": "{step}"}
    steps = ["a", "b", "c"]
    found = Prompts(critic(**values), "p", steps).messages(2, ["first", "second"])
    assert found == (
        Message("user", "p\na"),
        Message("assistant", "first"),
        Message("user", "b"),
        Message("assistant", "second"),
        Message("user", "c"),
    )
    fixed = Prompts(critic(**values, history="+"), "p", steps).messages(2, ["first", "second"])
    assert [m.text for m in fixed if m.role == "assistant"] == ["+", "+"]


def test_what_is_to_be_removed_is_removed_before_anything_else():
    one = critic(remove=r"Step \d+:", item="Step {n}: {step}", ask="{problem}{solution}")
    prompts = Prompts(one, "Step 1: add", ["  Step 7: so Step 8:  x ", "b"])
    assert prompts.messages(1)[0].text == "Step 1: addStep 1: so   x\nStep 2: b"

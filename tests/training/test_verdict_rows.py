"""Rows of verdicts: what is read is what the critic is asked, what is learned is what it has to
write, and nothing unreadable is taken."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import TraceError, UnscorableError
from surefoot.models.critic import Critic, Reading, Stage
from surefoot.models.generative import GenerativeModel
from surefoot.models.profiles import profiles
from surefoot.models.verdicts import VERDICTS, Verdict
from surefoot.policies.base import Usage
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.writer import Odds, Written
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.verdict_rows import verdict_rows

TRACE = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])
CRITICS = {
    name: replace(Critic.from_json(profiles()[name].critic), samples=1, temperature=0.0)
    for name in ("judge", "judge-steps", "thinkprm", "genprm", "r-prm")
}
EACH = Critic(
    ask="{problem}\n{solution}\nRight?",
    unit="trace",
    item="{n}. {step}",
    reading=Reading(kind="pattern", good="yes", bad="no", pattern="(yes|no)"),
)


class Answers:
    """A writer that answers as each family does, and keeps what it was asked."""

    name = "answers"

    def __init__(self):
        self.usage = Usage()
        self.asked = []

    def write(self, requests, n, *, seed, sampling=None):
        self.asked += requests
        return [[Written(self.answer(request), 1, True)] * n for request in requests]

    def answer(self, request):
        if '{"first_error": k}' in request.messages[-1].text:
            return 'Step 2 is off.\n{"first_error": 2}'
        if '{"steps": [...]}' in request.messages[-1].text:
            return 'Hm.\n{"steps": [true, false]}'
        if "<verify>" in request.prefill:
            return "so\n</verify>\n<output>\n**Judgement**: $\\boxed{Yes}$\n"
        if "Now Step" in request.messages[-1].text:
            return "Fine. Verification: Is the step correct (Yes/No)? Yes"
        return " It says so."

    def choose(self, requests, choices):
        self.asked += requests
        return [Odds((-0.1, -3.0)) for _ in requests]


def written(trace, *texts, step=None, good=None):
    verdicts = [Verdict(step, i, text, good or {}).to_json() for i, text in enumerate(texts)]
    return replace(trace, meta={VERDICTS: verdicts})


def rows_of(traces, critic, tokenizer, **options):
    given = {"end": tokenizer.eos_token_id, "max_tokens": 4096, **options}
    return verdict_rows(traces, critic, ChatEncoder(tokenizer), **given)


@pytest.mark.parametrize("name", CRITICS)
def test_what_is_read_is_what_the_critic_is_asked_later(name, chat_tokenizer):
    critic, writer = CRITICS[name], Answers()
    annotated = GenerativeModel(writer, critic).annotate(TRACE)
    assert annotated.labels[-1].source == "judge"
    found = rows_of([annotated], critic, chat_tokenizer)
    assert not found.refused
    assert found.num_verdicts == len(annotated.meta[VERDICTS])
    chat = ChatEncoder(chat_tokenizer)
    asked = sorted(chat.encode(request) for request in writer.asked)
    assert sorted([*row.ids[: row.first]] for row in found.rows) == asked


def test_what_is_learned_is_the_answer_and_its_end(chat_tokenizer):
    found = rows_of([written(TRACE, "yes no")], EACH, chat_tokenizer)
    (row,) = found.rows
    ids, first, problem = row.ids, row.first, row.problem
    text = "user:\nWhat is 3*4+5?\n1. 3*4 = 12.\n2. 12+5 = 18.\nRight?<|im_end|>\nassistant:\n"
    assert problem == TRACE.problem
    assert list(ids[:first]) == chat_tokenizer(text)["input_ids"]
    answer = chat_tokenizer("yes no")["input_ids"]
    assert list(ids[first:]) == [*answer, chat_tokenizer.eos_token_id]


@pytest.mark.parametrize(
    ("stage", "text", "learned"),
    [
        (Stage(prefill="So: "), "So: yes no", ["yes no", "<|im_end|>"]),
        (Stage(prefill="So: ", stop=("!", "?")), "So: yes no", ["yes no!"]),
        (Stage(stop=("!",), close="!\n"), "yes no!\n", ["yes no!\n"]),
        (Stage(), "<think> yes no", ["<think>", " yes no", "<|im_end|>"]),
    ],
)
def test_fixed_beginnings_are_read_and_ends_are_learned(stage, text, learned, chat_tokenizer):
    critic = replace(EACH, stages=(stage,))
    (row,) = rows_of([written(TRACE, text)], critic, chat_tokenizer).rows
    ids, first = row.ids, row.first
    wanted = [i for piece in learned for i in chat_tokenizer(piece)["input_ids"]]
    assert list(ids[first:]) == wanted
    assert chat_tokenizer.decode(ids[:first]).endswith(f"assistant:\n{stage.prefill}")


def test_the_word_of_a_choice_is_learned_where_it_is_read(chat_tokenizer):
    critic = Critic(
        ask="{problem}\n{solution}",
        stages=(),
        reading=Reading(good=" yes", bad=" no", then="Right?"),
    )
    given = [Verdict(k, 0, "", {k: p}).to_json() for k, p in ((0, 0.7), (1, 0.2))]
    found = rows_of([replace(TRACE, meta={VERDICTS: given})], critic, chat_tokenizer)
    assert [chat_tokenizer.decode(row.ids[row.first :]) for row in found.rows] == [" yes", " no"]


@pytest.mark.parametrize(
    ("critic", "text"),
    [
        ("judge", 'Step 2 is off. {"first_error": 3}'),
        ("judge", "Step 2 is off."),
        ("judge-steps", '{"steps": [true]}'),
        ("judge", '<|im_end|>{"first_error": 2}'),
    ],
)
def test_what_the_parser_cannot_read_is_refused_and_counted(critic, text, chat_tokenizer):
    readable = {"judge": '{"first_error": 2}', "judge-steps": '{"steps": [true, false]}'}[critic]
    found = rows_of([written(TRACE, text, readable)], CRITICS[critic], chat_tokenizer)
    assert (found.refused, found.num_verdicts, found.num_traces) == ({"unreadable": 1}, 1, 1)


def test_a_choice_that_is_not_come_to_is_refused(chat_tokenizer):
    one = Verdict(0, 0, "It is fine.", {0: 0.9}).to_json()
    found = rows_of([replace(TRACE, meta={VERDICTS: [one]})], CRITICS["r-prm"], chat_tokenizer)
    assert found.refused == {"unreadable": 1}


def test_a_word_that_stands_where_the_model_would_be_asked_outright_is_no_verdict(chat_tokenizer):
    reading = Reading(good="Yes", bad="No", behind="so ", otherwise="ab")
    critic = Critic(ask="{problem}\n{solution}", reading=reading)
    for text, refused in (("cdYes", {"unreadable": 1}), ("so Yes", {})):
        one = Verdict(0, 0, text, {0: 1.0}).to_json()
        found = rows_of([replace(TRACE, meta={VERDICTS: [one]})], critic, chat_tokenizer)
        assert found.refused == refused


def test_verdicts_of_another_unit_and_turns_without_those_before_are_refused(chat_tokenizer):
    found = rows_of([written(TRACE, "yes", step=0)], EACH, chat_tokenizer)
    assert found.refused == {"other step": 1}
    annotated = GenerativeModel(Answers(), CRITICS["genprm"]).annotate(TRACE)
    lacking = replace(annotated, meta={VERDICTS: annotated.meta[VERDICTS][1:]})
    assert rows_of([lacking], CRITICS["genprm"], chat_tokenizer).refused == {"other step": 1}


def test_too_long_rows_are_left_out_whole(chat_tokenizer):
    trace = written(TRACE, "yes no", "yes no")
    (row, _) = rows_of([trace], EACH, chat_tokenizer).rows
    found = rows_of([trace], EACH, chat_tokenizer, max_tokens=len(row.ids) - 1)
    assert (found.rows, found.refused, found.num_traces) == ((), {"too long": 2}, 0)
    assert len(rows_of([trace], EACH, chat_tokenizer, max_tokens=len(row.ids)).rows) == 2


@pytest.mark.parametrize(
    ("meaning", "labels", "text", "refused"),
    [
        ("step-correct", (1, -1), "yes no", None),
        ("step-correct", (-1, 1), "no yes", None),
        ("step-correct", (1, 1), "yes no", "against the labels"),
        ("step-correct", (1, None), "yes no", None),
        ("step-correct", (None, None), "yes no", "without labels"),
        ("prefix-correct", (-1, 1), "no no", None),
        ("prefix-correct", (-1, 1), "no yes", "against the labels"),
        ("prefix-correct", (None, 1), "yes yes", "without labels"),
    ],
)
def test_verdicts_may_have_to_agree_with_labels(meaning, labels, text, refused, chat_tokenizer):
    other = StepLabels((-1, -1), source="judge")
    trace = written(TRACE.with_labels(other, StepLabels(labels)), text)
    critic = replace(EACH, meaning=meaning)
    found = rows_of([trace], critic, chat_tokenizer, agree_with="human")
    assert found.refused == ({} if refused is None else {refused: 1})
    assert len(found.rows) == (refused is None)


@pytest.mark.parametrize(
    "given",
    [
        {"step": None, "sample": 0, "text": "yes no"},
        {"step": -1, "sample": 0, "text": "yes no", "good": {}},
        {"step": None, "sample": True, "text": "yes no", "good": {}},
        {"step": None, "sample": 0, "text": None, "good": {}},
        {"step": None, "sample": 0, "text": "yes no", "good": {"0": 2}},
        {"step": None, "sample": 0, "text": "yes no", "good": {"one": 1}},
        {"step": 2, "sample": 0, "text": "yes", "good": {}},
        "yes no",
    ],
)
def test_what_is_no_verdict_is_an_error(given, chat_tokenizer):
    trace = replace(TRACE, meta={VERDICTS: [given]})
    with pytest.raises(TraceError, match=trace.id):
        rows_of([trace], EACH, chat_tokenizer)
    with pytest.raises(TraceError, match="must be a list"):
        rows_of([replace(TRACE, meta={VERDICTS: {}})], EACH, chat_tokenizer)


def test_a_step_with_an_observation_is_an_error(chat_tokenizer):
    trace = written(Trace("p", [Step("s", "o")]), "yes")
    with pytest.raises(UnscorableError, match=trace.id):
        rows_of([trace], EACH, chat_tokenizer)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from("ab \n<>|/{}é1")) | st.just("<|im_end|>"), min_size=1),
    words=st.text(st.sampled_from("ab \n13")),
)
def test_no_text_of_a_trace_becomes_a_special_token(chat_tokenizer, texts, words):
    trace = written(Trace("p", [text.strip() or "s" for text in texts]), f"yes{words}")
    (row,) = rows_of([trace], EACH, chat_tokenizer).rows
    ids, first = row.ids, row.first
    assert ids[:first].count(chat_tokenizer.eos_token_id) == 1
    assert ids[first:].count(chat_tokenizer.eos_token_id) == 1
    assert chat_tokenizer.decode(ids[first:-1]) == f"yes{words}"

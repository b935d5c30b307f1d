"""The model of a Surefoot server scores as it does at home, or fails by name."""

import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from json_server import Reply, serve
from made_up import traces as made_up
from surefoot.cli.reading import Unscored, score_all
from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.models.calibration import Calibration
from surefoot.models.checkers import ArithmeticChecker
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.http import Patience, Server
from surefoot.models.remote import RemoteModel
from surefoot.traces.rows import trace_from_row, trace_to_row
from surefoot.traces.types import Step, StepLabels, StepScores, Trace

QUICK = Patience(timeout_s=10, num_retries=3, first_wait_s=0.01)
TRACE = Trace("What is 3*4+5?", ["3*4 = 12.", "Think.", "12+5 = 18."], reference="17")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Odd(BatchScorer):
    """Scores that take every digit, with log-odds; steps that say `no` cannot be scored."""

    name = "odd"

    def score_batch(self, traces):
        found = []
        for trace in traces:
            if "no" in trace.texts:
                raise UnscorableError(f"trace {trace.id} says no")
            room = len(trace.problem)
            odds = [math.sin(room + len(text) + k) * 50 for k, text in enumerate(trace.texts)]
            values = [1 / (1 + math.exp(-z)) for z in odds]
            found.append(StepScores(values, "odd", "value", "product", 0.25, odds))
        return found


def answering(scorer, *, spoil=lambda answer: answer, **info):
    """A Surefoot server as the protocol describes it, with a real scorer behind it."""
    (sample,) = scorer.score([Trace("a", ["1 + 1 = 2"])])
    said = {
        "surefoot": 1,
        "name": scorer.name,
        "kind": sample.kind,
        "default_aggregate": sample.default_aggregate,
        "threshold": sample.threshold,
        "abstains": isinstance(scorer, ArithmeticChecker),
        **info,
    }

    def one(row):
        trace = trace_from_row(row)
        try:
            scores = scorer.score(trace)
        except UnscorableError as error:
            return {"id": row["id"], "error": str(error)}
        return {"id": row["id"], **trace_to_row(trace.with_scores(scores))["scores"][-1]}

    def answer(request):
        if (request.method, request.path) == ("GET", "/model"):
            return said
        assert (request.method, request.path) == ("POST", "/score")
        assert request.headers["Content-Type"] == "application/json"
        assert {name: request.body[name] for name in ("surefoot", "model")} == {
            "surefoot": 1,
            "model": scorer.name,
        }
        return spoil({"surefoot": 1, "scores": [one(row) for row in request.body["traces"]]})

    return answer


def connect(there, **options):
    return RemoteModel.connect(Server(there.url, patience=QUICK), **options)


@pytest.mark.parametrize("scorer", [ArithmeticChecker(), StepLength(), Odd(), RandomScores(3)])
def test_it_scores_as_at_home(scorer):
    traces = [
        TRACE,
        Trace(
            "ки <extra_0> \u2028 \U0001f600",
            ["\n\n1 + 1 = 3\n", "x" * 3000, "\0"],
            meta={"a": [1.5]},
        ),
        TRACE,
    ]
    with serve(answering(scorer)) as there:
        remote = connect(there)
        assert remote.name == scorer.name
        assert remote.score(traces) == scorer.score(traces)
        assert remote.score(TRACE) == scorer.score(TRACE)
        assert remote.score([]) == []


def test_what_the_server_calibrates_is_not_calibrated_again(small_model, small_tokenizer):
    agreed = Contract.for_layout(
        small_tokenizer, max_tokens=512, calibration=Calibration(temperature=3, bias=-1)
    )
    scorer = DiscriminativeModel(
        small_model("qwen2", "scorer"), small_tokenizer, agreed, name="prm"
    )
    with serve(answering(scorer, contract=agreed.to_json())) as there:
        assert connect(there).score(TRACE) == scorer.score(TRACE)


@given(traces=st.lists(made_up(), max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_trace_holds_it_scores_as_at_home(random_server, traces):
    assert random_server.score(traces) == RandomScores(0).score(traces)


@pytest.fixture(scope="module")
def random_server():
    with serve(answering(RandomScores(0))) as there, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield connect(there, max_traces=2)


def test_an_address_is_enough(monkeypatch):
    monkeypatch.setenv("SUREFOOT_TOKEN", "abc")
    with serve(answering(StepLength())) as there:
        assert RemoteModel.connect(there.url).score(TRACE) == StepLength().score(TRACE)
        assert {request.headers["Authorization"] for request in there.requests} == {"Bearer abc"}


def test_labels_and_scores_stay_at_home_and_all_else_goes():
    steps = [Step("look", observation={"seen": ["a", None]}), "go"]
    trace = Trace("p", steps, answer="a", reference="r", outcome=True, source="s", meta={"k": 1})
    full = trace.with_labels(StepLabels((1, -1))).with_scores(StepScores((0.5, 0.25), "m"))
    with serve(answering(StepLength())) as there:
        connect(there).score(full)
        (row,) = there.requests[-1].body["traces"]
    assert trace_from_row(row) == trace


def test_a_thousand_traces_in_order():
    traces = [Trace(f"problem {i}", ["s" * (i % 90 + 1)] * (i % 4 + 1)) for i in range(1000)]
    answer = answering(StepLength())
    with serve(lambda request: time.sleep(0.005) or answer(request)) as there:
        found = connect(there, max_traces=16).score(traces)
        assert found == StepLength().score(traces)
        sizes = [len(request.body["traces"]) for request in there.requests[1:]]
        assert sorted(sizes) == [8] + [16] * 62
        assert 1 < there.most_at_once <= 4


def test_requests_are_bounded_by_characters_too():
    traces = [Trace("p", ["x" * n]) for n in (10, 10, 5000, 10, 10)]
    with serve(answering(StepLength())) as there:
        assert connect(there, max_characters=1000).score(traces) == StepLength().score(traces)
        sizes = [len(request.body["traces"]) for request in there.requests[1:]]
        assert sorted(sizes) == [1, 2, 2]


def test_the_server_may_ask_for_smaller_requests():
    with serve(answering(StepLength(), max_traces=3, max_characters=10_000)) as there:
        remote = connect(there)
        assert (remote.max_traces, remote.max_characters) == (3, 10_000)
        remote.score([TRACE] * 7)
        assert sorted(len(r.body["traces"]) for r in there.requests[1:]) == [1, 3, 3]


def test_a_busy_server_changes_no_score():
    answer, calls = answering(StepLength()), []

    def busy_at_times(request):
        calls.append(request)
        return Reply("busy", 503) if len(calls) % 3 == 2 else answer(request)

    traces = [Trace(f"problem {i}", ["s" * i, "t"]) for i in range(1, 60)]
    with serve(busy_at_times) as there:
        assert connect(there, max_traces=4).score(traces) == StepLength().score(traces)


def test_a_trace_that_cannot_be_scored_is_its_own_error():
    bad = Trace("p", ["yes", "no"])
    with serve(answering(Odd())) as there:
        remote = connect(there)
        with pytest.raises(UnscorableError, match=rf"{there.url}: trace {bad.id}: .* says no"):
            remote.score([TRACE, bad])
        unscored = Unscored(strict=False)
        assert score_all(remote, [TRACE, bad, TRACE], unscored) == [
            Odd().score(TRACE),
            None,
            Odd().score(TRACE),
        ]
        assert unscored.traces == 1


def first(change):
    """Change the first answer of a list."""

    def spoil(answer):
        change(answer["scores"][0])
        return answer

    return spoil


SPOILT = {
    "one too few": (lambda a: {**a, "scores": a["scores"][:-1]}, "1 answers for 2 traces"),
    "one too many": (lambda a: {**a, "scores": a["scores"] * 2}, "4 answers for 2 traces"),
    "none": (lambda a: {**a, "scores": []}, "0 answers for 2 traces"),
    "no list": (lambda a: {**a, "scores": 0.0}, "no list of scores"),
    "no object": (lambda a: [0.0, 0.0], "no list of scores"),
    "other order": (lambda a: {**a, "scores": a["scores"][::-1]}, "it answers for"),
    "bare numbers": (lambda a: {**a, "scores": [0.0, 0.0]}, r"it answers for 0\.0"),
    "no id": (first(lambda one: one.pop("id")), "it answers for None"),
    "other version": (lambda a: {**a, "surefoot": 2}, "version 2 of the protocol.*upgrade"),
    "no version": (lambda a: {"scores": a["scores"]}, "version None"),
    "a step too few": (first(lambda one: one["values"].pop()), "values has 2 entries for 3 steps"),
    "a step too many": (first(lambda one: one["values"].append(0.5)), "values has 4 entries for 3"),
    "no values": (first(lambda one: one.pop("values")), "values is missing"),
    "a null": (first(lambda one: one["values"].__setitem__(1, None)), "has no score for step 1"),
    "text": (first(lambda one: one["values"].__setitem__(1, "0.5")), r"values\.1.*is '0\.5'"),
    "true": (first(lambda one: one["values"].__setitem__(1, True)), r"values\.1.*is True"),
    "above 1": (first(lambda one: one["values"].__setitem__(2, 1.5)), r"values\.2.*is 1\.5"),
    "huge": (first(lambda one: one["values"].__setitem__(2, 10**400)), r"values\.2"),
    "half the log-odds": (
        first(lambda one: one.update(log_odds=[0.5])),
        "log_odds has 1 entries for 3 steps",
    ),
    "other model": (first(lambda one: one.update(model="v2")), "model was 'length'.*'v2' now"),
    "no model": (first(lambda one: one.pop("model")), "model is missing"),
    "other kind": (first(lambda one: one.update(kind="value")), "kind was 'probability'"),
    "other threshold": (first(lambda one: one.update(threshold=0.4)), r"threshold was 0\.5"),
    "no threshold": (first(lambda one: one.pop("threshold")), "threshold was 0.5.*None now"),
    "other aggregate": (
        first(lambda one: one.update(default_aggregate="mean")),
        "default_aggregate was 'min'",
    ),
    "NaN": (
        lambda a: Reply(json.dumps(a).replace("0.9", "NaN", 1).encode()),
        "not JSON .*NaN, which is no number",
    ),
    "infinite": (
        lambda a: Reply(json.dumps(a).replace("0.9", "1e999", 1).encode()),
        r"values\.0.*inf",
    ),
    "cut": (lambda a: Reply(json.dumps(a)[:-20].encode()), "is not JSON"),
    "an error page": (lambda a: Reply(b"<h1>oops</h1>", 500), "status 500: <h1>oops"),
    "an error for all": (lambda a: Reply({"error": "model crashed"}, 500), "model crashed"),
    "always busy": (lambda a: Reply("busy", 503), "failed 4 times; at last: status 503"),
    "always reset": (lambda a: Reply(reset=True), "failed 4 times"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_answer_is_an_error_and_never_a_number(name):
    spoil, reason = SPOILT[name]
    with serve(answering(StepLength(), spoil=spoil)) as there:
        remote = connect(there)
        with pytest.raises(ModelError, match=reason) as raised:
            remote.score([TRACE, Trace("?", ["a", "b"])])
        assert there.url in str(raised.value)
        assert not isinstance(raised.value, UnscorableError)


def test_a_model_that_changes_in_mid_run_is_an_error():
    models = {"at first": "length", "later": "length-v2"}

    def spoil(answer):
        name = models["at first"] if len(there.requests) < 6 else models["later"]
        return {**answer, "scores": [{**one, "model": name} for one in answer["scores"]]}

    with serve(answering(StepLength(), spoil=spoil)) as there:
        remote = connect(there, max_traces=1)
        with pytest.raises(ModelError, match="was 'length' at first and is 'length-v2' now"):
            remote.score([TRACE] * 20)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"surefoot": 2}, "speaks version 2 of the protocol"),
        ({"surefoot": None}, "speaks version None"),
        ({"name": 5}, "/model: name is int"),
        ({"name": "\ud800"}, "/model: name holds a lone surrogate"),
        ({"kind": "score"}, "/model: kind is 'score'"),
        ({"default_aggregate": "median"}, "/model: default_aggregate is 'median'"),
        ({"default_aggregate": ["min"]}, "/model: default_aggregate is"),
        ({"threshold": "high"}, "/model: threshold is 'high'"),
        ({"abstains": None}, "/model: abstains is None"),
        ({"contract": 3}, "/model: contract is 3"),
        ({"max_traces": 0}, "/model: max_traces is 0"),
        ({"max_characters": True}, "/model: max_characters is True"),
    ],
)
def test_a_server_that_describes_itself_wrongly_is_refused(info, reason):
    with (
        serve(answering(StepLength(), **info)) as there,
        pytest.raises(ModelError, match=reason),
    ):
        connect(there)


def test_what_a_server_does_not_say_is_named():
    said = {"surefoot": 1, "name": "m", "kind": "value", "threshold": 0.5}
    with (
        serve(lambda _: said) as there,
        pytest.raises(ModelError, match="does not say default_aggregate, abstains"),
    ):
        connect(there)


def test_another_server_is_told_apart():
    with (
        serve(lambda _: {"object": "list", "data": []}) as there,
        pytest.raises(ModelError, match=r"not a Surefoot server .*vllm:"),
    ):
        connect(there)


def test_fields_that_are_not_known_are_left_alone():
    spoil = first(lambda one: one.update(tokens=17))
    with serve(answering(StepLength(), spoil=spoil, contract={"version": 9}, new=1)) as there:
        remote = connect(there)
        assert remote.info.contract == {"version": 9}
        assert remote.score(TRACE) == StepLength().score(TRACE)


def test_a_session_scores_what_a_search_grows():
    with serve(answering(Odd())) as there:
        session = connect(there).open(TRACE.problem, reference=TRACE.reference)
        a, b = session.extend([(session.root, ["one"]), (session.root, ["two", "three"])])
        (c,) = session.extend([(a, ["four"])])
    assert c.scores == Odd().score(replace(TRACE, steps=(Step("one"), Step("four"))))
    assert b.scores == Odd().score(replace(TRACE, steps=(Step("two"), Step("three"))))


def test_a_trace_that_the_server_refuses_does_not_stop_a_search_and_a_dead_server_does():
    asked = ["one", "two", "no", "four", "five"]
    with serve(answering(Odd())) as there:
        session = connect(there).open("p")
        root = session.plant("q")
        found = session.try_extend([(root, [step]) for step in asked])
        assert [isinstance(one, UnscorableError) for one in found] == [
            step == "no" for step in asked
        ]
        for k in (0, 1, 3, 4):
            assert found[k].scores == Odd().score(Trace("q", [asked[k]]))
    with pytest.raises(ModelError) as error:
        session.try_extend([(root, ["six"]), (session.root, ["seven"])])
    assert not isinstance(error.value, UnscorableError)
    assert len(session) == 2 + 4


def test_bounds_must_leave_room():
    with serve(answering(StepLength())) as there, pytest.raises(UsageError, match="at least 1"):
        connect(there, max_traces=0)


def test_the_protocol_page_is_true():
    """The page's own answers to the page's own requests, read by the client."""
    page = Path(__file__).parents[2].joinpath("docs", "remote.md").read_text()
    info, request, answer = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    right, unscored = map(trace_from_row, request["traces"])
    replies = {"/model": info, "/score": answer}
    with serve(lambda request: replies[request.path]) as there:
        remote = connect(there)
        with pytest.raises(UnscorableError, match=f"trace {unscored.id}: 1,200 tokens"):
            remote.score([right, unscored])
        assert there.requests[-1].body == request
        replies["/score"] = {**answer, "scores": answer["scores"][:1]}
        assert remote.score(right) == StepScores((0.9, 0.2), "my-prm", log_odds=(2.2, -1.4))

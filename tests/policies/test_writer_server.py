"""The server writer against a real server: a local writer behind the protocol, and bad replies."""

import json
import math
import time

import pytest

from json_server import Reply, serve
from openai_protocol import Protocol
from surefoot.errors import ContractError, ModelError, UnscorableError, UsageError
from surefoot.policies.base import Sampling, Usage
from surefoot.policies.local_writer import LocalWriter
from surefoot.policies.server_writer import ServerWriter
from surefoot.policies.writer import Message, Odds, Request, Written

ASK = Request((Message("system", "Be strict."), Message("user", "Is 5 + 8 = 13? <|im_end|>")))
SOON = {"retry-after-ms": "1"}
"""A header by which a server asks the client to come back at once."""


def chat(text="Yes.", *, reason="stop", logprobs=None, usage=(5, 2)):
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    if logprobs is not None:
        top = [{"token": token, "logprob": p} for token, p in logprobs.items()]
        choice["logprobs"] = {"content": [{"token": "?", "logprob": 0, "top_logprobs": top}]}
    return {
        "choices": [choice],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
    }


def chosen(logprobs, choices=("Yes", "No")):
    with serve(lambda _: chat(logprobs=logprobs)) as server:
        (odds,) = ServerWriter(server.url, "m", num_retries=0).choose([ASK], choices)
    return odds


@pytest.fixture(scope="module")
def local(small_model, chat_tokenizer):
    return LocalWriter(small_model(tokenizer=chat_tokenizer, seed=1), chat_tokenizer)


@pytest.mark.parametrize("way", ["token ids", "chat"])
def test_a_server_writes_and_chooses_as_the_same_model_here(local, way):
    requests = [
        ASK,
        Request(ASK.messages, "\nLet's see:"),
        Request(
            (Message("user", "数学"), Message("assistant", "a"), Message("user", "b")), "1", ("b",)
        ),
    ]
    if way == "token ids":
        requests.append(Request(ASK.messages, "<think>", opens_turn=False))
    sampling = Sampling(temperature=0, max_new_tokens=12)
    local.usage = Usage()
    written = local.write(requests, 2, seed=0, sampling=sampling)
    choices = ("1", " so")
    odds = local.choose(requests, choices)
    with serve(Protocol(local)) as server:
        options = {"tokenizer": local.tokenizer} if way == "token ids" else {"goes_on": True}
        writer = ServerWriter(
            server.url + "/v1/", "m", num_logprobs=len(local.tokenizer), **options
        )
        assert writer.write(requests, 2, seed=0, sampling=sampling) == written
        found = writer.choose(requests, choices)
        paths = {one.path for one in server.requests}
    assert paths == {"/v1/completions" if way == "token ids" else "/v1/chat/completions"}
    for one, other in zip(found, odds, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.num_estimated == 0
    assert writer.usage.calls == 3 * len(requests)
    new = sum(one.num_tokens for answers in written for one in answers)
    assert writer.usage.new_tokens == new + len(requests)


def test_what_is_sent():
    with serve(lambda _: chat()) as server:
        writer = ServerWriter(server.url, "judge", token="secret", name="mine")
        sampling = Sampling(temperature=0.6, top_p=0.95, top_k=20, max_new_tokens=64)
        request = Request(ASK.messages, stop=("</s>", "\n\n"))
        found = writer.write([request], 2, seed=3, sampling=sampling)
        writer.write([ASK], 1, seed=3)
    assert found == [[Written("Yes.", 2, True)] * 2]
    assert writer.name == "mine"
    assert writer.usage == Usage(prompt_tokens=15, new_tokens=6, calls=3)
    first, second, plain = sorted(
        (one.body for one in server.requests), key=lambda body: (-len(body), body["seed"])
    )
    seeds = sorted(request.seed(3, j) for j in range(2))
    assert [first.pop("seed"), second.pop("seed")] == seeds
    messages = [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": "Is 5 + 8 = 13? <|im_end|>"},
    ]
    assert (
        first
        == second
        == {
            "model": "judge",
            "messages": messages,
            "max_tokens": 64,
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 20,
            "stop": ["</s>", "\n\n"],
        }
    )
    assert {"stop", "top_k"} & plain.keys() == set()
    assert {one.headers["Authorization"] for one in server.requests} == {"Bearer secret"}


def test_the_limit_has_the_name_that_the_server_wants():
    with serve(lambda _: chat()) as server:
        writer = ServerWriter(server.url, "m", limit="max_completion_tokens")
        writer.write([ASK], 1, seed=0, sampling=Sampling(max_new_tokens=7))
    assert server.requests[0].body["max_completion_tokens"] == 7
    assert "max_tokens" not in server.requests[0].body


def test_many_requests_are_under_way_at_once_and_come_back_in_order():
    requests = [Request((Message("user", str(i)),)) for i in range(12)]

    def answer(request):
        text = request.body["messages"][0]["content"]
        time.sleep(0.02 * (12 - int(text)))
        return chat(text)

    with serve(answer) as server:
        found = ServerWriter(server.url, "m", num_connections=3).write(requests, 1, seed=0)
    assert [one.text for (one,) in found] == [str(i) for i in range(12)]
    assert 1 < server.most_at_once <= 3


@pytest.mark.parametrize(
    "trouble",
    [
        Reply({"error": "busy"}, 429, SOON),
        Reply(b"", 500, SOON),
        Reply(b"gone", 503, SOON),
        Reply(reset=True),
    ],
)
def test_what_may_pass_is_tried_again(trouble):
    replies = [trouble, trouble, chat("at last")]
    with serve(lambda _: replies.pop(0)) as server:
        ((one,),) = ServerWriter(server.url, "m", num_retries=2).write([ASK], 1, seed=0)
        assert one.text == "at last"
        assert len(server.requests) == 3


def test_what_does_not_pass_is_an_error_that_says_where_and_why():
    with serve(lambda _: Reply({"error": "out of memory, secret"}, 500, SOON)) as server:
        writer = ServerWriter(server.url, "m", num_retries=1, token="secret")
        with pytest.raises(ModelError) as caught:
            writer.write([ASK], 1, seed=0)
        assert len(server.requests) == 2
    where = f"{server.url}/chat/completions"
    assert str(caught.value) == f'{where}: status 500: {{"error": "out of memory, ..."}}'
    assert writer.usage == Usage()
    with pytest.raises(ModelError, match=r"no connection, 1 times .*is the server running there"):
        ServerWriter(server.url, "m", num_retries=0).write([ASK], 1, seed=0)


def test_one_that_does_not_answer_in_time_is_an_error():
    with serve(lambda _: Reply(chat(), after_s=1.0)) as server:
        writer = ServerWriter(server.url, "m", num_retries=0, timeout_s=0.1)
        with pytest.raises(ModelError, match=r"no answer within 0\.1 s, 1 times; raise timeout_s"):
            writer.choose([ASK], ("Yes", "No"))


def test_a_request_that_is_refused_is_not_repeated():
    with serve(lambda _: Reply({"error": "x" * 1000}, 400)) as server:
        with pytest.raises(ModelError, match=r"status 400: .*x\.\.\.$") as caught:
            ServerWriter(server.url, "m").write([ASK], 1, seed=0)
        assert len(server.requests) == 1
    assert not isinstance(caught.value, UnscorableError)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "said",
    [
        {"message": "This model's maximum context length is 8 tokens."},
        {"error": {"code": "context_length_exceeded"}},
    ],
)
def test_one_that_is_too_long_is_not_for_this_model(said):
    with (
        serve(lambda _: Reply(said, 400)) as server,
        pytest.raises(UnscorableError, match="has no room for a request"),
    ):
        ServerWriter(server.url, "m").write([ASK], 1, seed=0)


def test_after_a_failure_no_further_request_is_sent():
    with serve(lambda _: Reply(b"no", 400, after_s=0.05)) as server:
        writer = ServerWriter(server.url, "m", num_connections=2)
        with pytest.raises(ModelError, match="status 400"):
            writer.write([ASK], 100, seed=0)
        assert len(server.requests) < 10


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>hello</html>",
        b"[" * 100_000,
        {},
        [],
        "text",
        {**chat(), "choices": []},
        {**chat(), "choices": [None]},
        {**chat(), "choices": [{"finish_reason": "stop"}]},
        {**chat(), "choices": [{"finish_reason": "stop", "text": None}]},
        {**chat(), "choices": [{"finish_reason": "stop", "message": "Yes"}]},
        {**chat(), "choices": [{"finish_reason": "stop", "message": {"content": ["Yes"]}}]},
        {**chat(), "choices": [{"finish_reason": 7, "message": {"content": "Yes"}}]},
        {"choices": chat()["choices"]},
        {**chat(), "usage": None},
        {**chat(), "usage": {"prompt_tokens": 1.5, "completion_tokens": 1}},
        {**chat(), "usage": {"prompt_tokens": True, "completion_tokens": 1}},
        json.dumps(chat()).replace("5", "NaN").encode(),
    ],
)
def test_an_answer_that_is_not_of_the_protocol_is_an_error(body):
    with (
        serve(lambda _: Reply(body)) as server,
        pytest.raises(ModelError, match=r"/chat/completions: the answer is not (JSON|of the Open)"),
    ):
        ServerWriter(server.url, "m", num_retries=0).write([ASK], 1, seed=0)


def test_an_answer_may_be_cut_held_back_or_no_text_at_all():
    replies = {
        "length": chat("Ye", reason="length"),
        "content_filter": chat(None, reason="content_filter"),
        None: chat("", reason=None),
        "stop": chat("a\ud800b</s>c"),
    }
    for reason, reply in replies.items():
        with serve(lambda _, reply=reply: reply) as server:
            request = Request(ASK.messages, stop=("</s>",))
            ((one,),) = ServerWriter(server.url, "m").write([request], 1, seed=0)
        assert one.finished == (reason == "stop")
        assert one.text == {"length": "Ye", "stop": "a?b"}.get(reason, "")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"Yes": -0.1, "No": -2.5, "Maybe": -4.0}, Odds((-0.1, -2.5))),
        ({"Y": -3.0, "Yes": -0.5, "N": -1.5}, Odds((-0.5, -1.5))),
        ({"No": -0.2, "Maybe": -3.0}, Odds((-3.0, -0.2), 1)),
        ({"Yes": -0.2, "Yesterday": -1, "": -5, "no": -6.0}, Odds((-0.2, -6.0), 1)),
        ({"Yes": -9999.0, "No": -0.0}, Odds((-9999.0, 0.0))),
        ({" Yes": -0.1, "maybe": -2.0}, None),
        ({}, None),
    ],
)
def test_choices_are_found_among_the_tokens_that_the_server_names(named, expected):
    assert chosen(named) == expected


def test_a_token_with_which_both_choices_begin_stands_for_neither():
    assert chosen({"Y": -0.1, "Ye": -1.0, "Yes": -2.0}, ("Yes", "Yet")) == Odds((-2.0, -2.0), 1)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": [None]},
        {"content": [{"top_logprobs": [{"logprob": -1.0}]}]},
        {"content": [{"top_logprobs": [{"token": "Yes"}]}]},
        {"content": [{"top_logprobs": [{"token": "Yes", "logprob": "-1"}]}]},
        {"top_logprobs": None},
        {"top_logprobs": [None]},
        {"top_logprobs": [{"Yes": None}]},
        {"top_logprobs": [{"Yes": True}]},
        {"top_logprobs": [{"Yes": math.inf}]},
        {"top_logprobs": [{"Yes": math.nan}]},
    ],
)
def test_missing_or_broken_log_probabilities_are_an_error(logprobs):
    reply = chat()
    reply["choices"][0]["logprobs"] = logprobs
    raw = json.dumps(reply).replace("Infinity", "1e999").encode()
    with (
        serve(lambda _: Reply(raw)) as server,
        pytest.raises(ModelError, match=r"(no|a) log-probabilit|its (logprobs|token)"),
    ):
        ServerWriter(server.url, "m").choose([ASK], ("Yes", "No"))


def test_a_server_that_names_no_token_gives_no_odds():
    for logprobs in ({"content": []}, {"top_logprobs": []}):
        reply = chat()
        reply["choices"][0]["logprobs"] = logprobs
        with serve(lambda _, reply=reply: reply) as server:
            assert ServerWriter(server.url, "m").choose([ASK], ("Yes", "No")) == [None]


def test_without_a_tokenizer_the_beginning_of_an_answer_is_not_set_in_silence():
    writer = ServerWriter("http://127.0.0.1:9", "m")
    for request in (Request(ASK.messages, "So"), Request(ASK.messages, opens_turn=False)):
        with pytest.raises(UsageError, match="give the model's tokenizer"):
            writer.write([request], 1, seed=0)
        with pytest.raises(UsageError, match="give the model's tokenizer"):
            writer.choose([request], ("Yes", "No"))


def test_what_cannot_work_is_refused(chat_tokenizer, small_tokenizer):
    for given, reason in (
        ({"num_connections": 0}, "num_connections is 0"),
        ({"num_retries": -1}, "num_retries is -1"),
        ({"num_logprobs": 0}, "num_logprobs is 0"),
    ):
        with pytest.raises(UsageError, match=reason):
            ServerWriter("http://127.0.0.1:9", "m", **given)
    with pytest.raises(UsageError, match=r"'127\.0\.0\.1' is not an address"):
        ServerWriter("127.0.0.1", "m")
    with pytest.raises(ContractError, match="no chat template"):
        ServerWriter("http://127.0.0.1:9", "m", tokenizer=small_tokenizer)
    writer = ServerWriter("http://127.0.0.1:9", "m", tokenizer=chat_tokenizer)
    with pytest.raises(ContractError, match="apart by their first tokens"):
        writer.choose([ASK], ("a", "a"))
    with pytest.raises(UsageError, match="n is 0"):
        writer.write([ASK], 0, seed=0)
    assert writer.write([], 1, seed=0) == writer.choose([], ("Yes", "No")) == []


def test_without_the_client_it_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UsageError, match=r"pip install 'surefoot\[remote\]'"):
        ServerWriter("http://127.0.0.1:9", "m")

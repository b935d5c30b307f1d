"""The server policy against a real server: a local model behind the protocol, and bad replies."""

import pytest

from json_server import Reply, serve
from openai_protocol import Protocol
from surefoot.errors import ModelError, UsageError
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage
from surefoot.policies.local import LocalPolicy
from surefoot.policies.openai_server import ShutError
from surefoot.policies.server import ChatPrompt, ServerPolicy
from surefoot.traces.layout import Layout

SOON = {"retry-after-ms": "1"}
PREFIXES = [Prefix("Add 5 and 8."), Prefix("Add 5 and 8.", ("5 + 8 = 13.",)), Prefix("Start.")]


def completion(text="so\nit is", *, reason="stop", usage=(5, 3), **more):
    choice = {"text": text, "finish_reason": reason, **more}
    return {
        "choices": [choice],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
    }


def chat(text):
    reply = completion(text)
    reply["choices"][0]["message"] = {"role": "assistant", "content": text}
    return reply


def asked(answer, prefix=PREFIXES[1], n=1, **options):
    """What one prefix gets, and the requests."""
    sampling = options.pop("sampling", None)
    with serve(answer) as server:
        policy = ServerPolicy(server.url + "/v1/", "m", **options)
        (found,) = policy.continue_prefixes([prefix], n, seed=3, sampling=sampling)
        return found, [one.body for one in server.requests], policy


def test_a_server_continues_as_the_same_model_here(small_model, small_tokenizer):
    local = LocalPolicy(small_model(seed=1), small_tokenizer)
    sampling = Sampling(temperature=0, max_new_tokens=8)
    expected = local.continue_prefixes(PREFIXES, 1, seed=0, sampling=sampling)
    with serve(Protocol(local)) as server:
        policy = ServerPolicy(server.url + "/v1", "m", tokenizer=small_tokenizer, name="there")
        found = policy.continue_prefixes(PREFIXES, 1, seed=0, sampling=sampling)
        assert {one.path for one in server.requests} == {"/v1/completions"}
    assert [[one.steps for one in row] for row in found] == [
        [one.steps for one in row] for row in expected
    ]
    for row, others in zip(found, expected, strict=True):
        for one, other in zip(row, others, strict=True):
            assert (one.num_tokens, one.finished) == (other.num_tokens, other.finished)
            assert one.logprob is None
    assert policy.usage.new_tokens == local.usage.new_tokens
    assert policy.name == "there"


def test_what_is_sent_in_plain_text():
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=4, max_new_tokens=9)
    found, bodies, policy = asked(
        lambda _: completion(), n=2, layout=Layout(" =>\n", "\n"), sampling=sampling, stop=["###"]
    )
    assert found == [Continuation(("so", "it is"), None, 3, True)] * 2
    assert [one.num_read for one in found] == [5, 5]
    assert policy.usage == Usage(prompt_tokens=10, new_tokens=6, calls=2)
    assert sorted(one.pop("seed") for one in bodies) == sorted(
        PREFIXES[1].seed(3, j) for j in range(2)
    )
    for body in bodies:
        assert body == {
            "model": "m",
            "prompt": "Add 5 and 8. =>\n5 + 8 = 13.\n",
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 4,
            "max_tokens": 9,
            "stop": ["###"],
        }


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (completion("so", stop_reason="\n"), (("so",), False)),
        (completion("so", stop_reason=None), (("so",), True)),
        (completion("so"), (("so",), False)),
        (completion("so", reason="length"), (("so",), False)),
        (completion("", stop_reason=None), ((), True)),
    ],
)
def test_one_step_ends_at_its_end(reply, expected):
    (one,), (body,), _ = asked(lambda _: reply, sampling=Sampling(max_new_steps=1))
    assert body["stop"] == ["\n"]
    assert (one.steps, one.finished) == expected


def test_a_blank_step_is_not_the_one_that_was_asked_for():
    replies = [completion("", stop_reason="\n", usage=(5, 1)), completion("\nso\nit", usage=(5, 4))]
    (one,), bodies, policy = asked(lambda _: replies.pop(0), sampling=Sampling(max_new_steps=1))
    assert one == Continuation(("so",), None, 5, False)
    assert one.num_read == 10, "both requests were read"
    assert bodies[1]["stop"] is None
    assert policy.usage == Usage(prompt_tokens=10, new_tokens=5, calls=2)


def test_several_steps_are_cut_here():
    (one,), (body,), _ = asked(
        lambda _: completion("a\n\nb\nc\nd"), sampling=Sampling(max_new_steps=2)
    )
    assert one == Continuation(("a", "b"), None, 3, False)
    assert "stop" not in body
    (whole,), _, _ = asked(lambda _: completion("a\nb\n"), sampling=Sampling(max_new_steps=2))
    assert whole.finished


def test_a_chat_is_told_what_to_do_and_its_answer_is_cut_into_steps():
    (one,), (body,), _ = asked(
        lambda _: chat("So 13 * 2 = 26.\n\nThe answer is \\boxed{26}."),
        chat=ChatPrompt(system="Be brief."),
        limit="max_completion_tokens",
    )
    assert one.steps == ("So 13 * 2 = 26.", "The answer is \\boxed{26}.")
    assert one.finished
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"].startswith("Add 5 and 8.\n\n")
    assert user["content"].endswith("\\boxed{} in the last one.\n\n5 + 8 = 13.")
    assert body["max_completion_tokens"] == 512
    _, (first,), _ = asked(lambda _: chat("x"), PREFIXES[0], chat=ChatPrompt())
    (message,) = first["messages"]
    assert "step by step" in message["content"]
    assert "unfinished" not in message["content"]


def test_a_chat_that_repeats_what_is_there_goes_on_behind_it():
    said = "5 + 8 = 13.\n\n13 * 2 = 26."
    assert asked(lambda _: chat(said), chat=ChatPrompt())[0][0].steps == ("13 * 2 = 26.",)
    (empty,), _, _ = asked(lambda _: chat(" \n"), chat=ChatPrompt())
    assert (empty.steps, empty.finished) == ((), True)


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (Reply({"error": "broken"}, 500, SOON), "status 500: .*broken"),
        (Reply({"error": "slow down"}, 429, SOON), "status 429: .*slow down"),
        (Reply({"error": "context length is 8"}, 400), "no room for a request"),
        (Reply(completion(), after_s=1.0), r"no answer within 0\.3 s"),
        (Reply(b"<html>"), "not JSON"),
        (Reply({"choices": []}), "not of the OpenAI protocol"),
        (Reply({**completion(), "usage": None}), "not of the OpenAI protocol"),
    ],
)
def test_one_that_fails_loses_no_other(trouble, cause):
    def answer(request):
        return trouble if "13" in request.body["prompt"] else completion("fine")

    with serve(answer) as server:
        policy = ServerPolicy(server.url, "m", num_retries=1, timeout_s=0.3)
        found = policy.continue_prefixes(PREFIXES, 2, seed=0)
    assert found[0] == found[2] == [Continuation(("fine",), None, 3, True)] * 2
    for one in found[1]:
        assert (one.steps, one.num_tokens, one.finished) == ((), 0, False)
        with pytest.raises(ModelError, match=cause):
            raise ModelError(one.failed)
    assert policy.usage.calls == 4


def test_what_may_pass_is_tried_again():
    replies = [Reply(b"", 503, SOON), Reply({"error": "busy"}, 429, SOON), completion("fine")]
    (one,), bodies, _ = asked(lambda _: replies.pop(0), num_retries=2)
    assert one.steps == ("fine",)
    assert len(bodies) == 3
    assert bodies[0] == bodies[2]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_nothing_can_be_asked_is_an_error(status):
    with serve(lambda _: Reply({"error": "no, secret"}, status)) as server:
        policy = ServerPolicy(server.url, "m", token="secret")
        with pytest.raises(ShutError, match=f"status {status}: .*no, \\.\\.\\."):
            policy.continue_prefixes(PREFIXES, 2, seed=0)
    gone = ServerPolicy(server.url, "m", num_retries=0)
    with pytest.raises(ShutError, match="is the server running there"):
        gone.continue_prefixes(PREFIXES, 1, seed=0)


def test_a_server_that_goes_away_keeps_what_it_gave():
    replies = [completion("fine"), Reply({"error": "no"}, 404), Reply({"error": "no"}, 404)]
    with serve(lambda _: replies.pop(0)) as server:
        policy = ServerPolicy(server.url, "m", num_connections=1)
        found = policy.continue_prefixes(PREFIXES, 1, seed=0)
    assert [one.failed is None for (one,) in found] == [True, False, False]


def test_what_cannot_work_is_refused(small_tokenizer):
    where = "http://127.0.0.1:9"
    for options, reason in (
        ({"chat": ChatPrompt(), "layout": Layout()}, "a chat has no layout"),
        ({"chat": ChatPrompt(), "tokenizer": small_tokenizer}, "a chat has no layout"),
        ({"stop": ["a", "b", "c", "d"]}, "at most three"),
        ({"stop": [""]}, "none of them empty"),
        ({"num_connections": 0}, "num_connections is 0"),
    ):
        with pytest.raises(UsageError, match=reason):
            ServerPolicy(where, "m", **options)
    for text in ({"first": "Solve."}, {"further": "{problem}"}):
        with pytest.raises(UsageError, match="must hold"):
            ChatPrompt(**text)
    with pytest.raises(UsageError, match="n is 0"):
        ServerPolicy(where, "m").continue_prefixes(PREFIXES, 0, seed=0)

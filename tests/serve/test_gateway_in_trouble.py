"""A gateway whose policy is a server: one that is slow, fails and comes back, and clients that are
too many, unknown or gone."""

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest

from gateway_process import started
from json_server import Reply, serve

TOKEN = "a secret that nobody sees"
ASKED = {"model": "auto", "messages": [{"role": "user", "content": "What is 2+3?"}]}


class Upstream:
    """A server of a policy that behaves as it is told."""

    def __init__(self):
        self.reply = lambda: Reply({"error": "not yet"}, 403)
        self.bodies = []

    def __call__(self, request):
        self.bodies.append(request.body)
        return self.reply()

    def work(self, after_s=0.0, text="2+3 = 5.\nThe answer is 5."):
        choice = {"text": text, "finish_reason": "stop"}
        if "chat" in str(self.kind):
            choice = {"message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 9}
        self.reply = lambda: Reply({"choices": [choice], "usage": usage}, after_s=after_s)

    def fail(self, status):
        self.reply = lambda: Reply({"error": "broken"}, status, {"x-should-retry": "false"})

    kind = "text"


@pytest.fixture(scope="module")
def upstream():
    found = Upstream()
    with serve(found) as server:
        found.url = f"{server.url}/v1"
        yield found


@pytest.fixture(scope="module")
def gateway(upstream):
    options = ["--policy", f"openai:{upstream.url}#m", "--method", "majority-2"]
    limits = ["--max-requests", 2, "--keep-alive-s", 0.1, "--token-env", "GATE"]
    with started(*options, *limits, GATE=TOKEN) as running:
        yield running


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def under_way(gateway):
    place = gateway.url.replace("/v1", "/metrics")
    return httpx2.get(place, headers={"Authorization": f"Bearer {TOKEN}"}).json()


def wait_until(is_so, seconds=10):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_without_a_reward_model_there_are_methods_that_vote(client, upstream):
    upstream.work()
    answer = client.chat.completions.create(**ASKED)
    assert answer.model == "majority-2"
    assert answer.choices[0].message.content == "2+3 = 5.\n\nThe answer is 5."
    assert (answer.surefoot["answer"], answer.surefoot["votes"]) == ("5", 2)
    assert [one["score"] for one in answer.surefoot["steps"]] == [None, None]
    assert answer.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 14,
        "completion_tokens": 18,
        "total_tokens": 32,
    }
    with pytest.raises(openai.NotFoundError, match="there is auto, and majority, self-consistency"):
        client.chat.completions.create(**{**ASKED, "model": "beam-4"})


@pytest.mark.parametrize("status", [403, 500])
def test_a_policy_that_fails_is_asked_again_by_the_next_request(client, upstream, status):
    upstream.fail(status)
    with pytest.raises(openai.InternalServerError, match=f"status {status}") as caught:
        client.chat.completions.create(**ASKED)
    assert caught.value.status_code == 503
    assert caught.value.code == "search_failed"
    upstream.work()
    assert client.chat.completions.create(**ASKED).surefoot["ended"] == "done"


def test_a_client_that_may_ask_again_gets_over_a_short_failure(gateway, upstream):
    upstream.work()
    works, replies = upstream.reply, [Reply({"error": "x"}, 403)] * 2
    upstream.reply = lambda: replies.pop() if replies else works()
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=2) as client:
        assert client.chat.completions.create(**ASKED).surefoot["answer"] == "5"


def test_a_failure_in_a_stream_is_an_error_of_the_client(client, upstream):
    upstream.fail(403)
    with pytest.raises(openai.APIError, match="status 403"):
        [*client.chat.completions.create(**ASKED, stream=True)]


@pytest.mark.parametrize("given", ["wrong", TOKEN + "x", "\N{SNOWMAN}".encode()])
def test_without_the_token_nobody_gets_in(gateway, given):
    value = b"Bearer " + given if isinstance(given, bytes) else f"Bearer {given}"
    place = f"{gateway.url}/chat/completions"
    answer = httpx2.post(place, json=ASKED, headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert httpx2.get(f"{gateway.url}/models").status_code == 401
    with (
        openai.OpenAI(base_url=gateway.url, api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(**ASKED)
    assert httpx2.get(gateway.url.replace("/v1", "/health")).status_code == 200


def test_more_requests_than_may_be_are_sent_away_for_a_while(client, gateway, upstream):
    upstream.work(after_s=1.0)
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(client.chat.completions.create, **ASKED) for _ in range(2)]
        wait_until(lambda: under_way(gateway)["under_way"] == 2)
        with pytest.raises(openai.RateLimitError, match="2 searches are under way") as caught:
            client.chat.completions.create(**ASKED)
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 30
        assert [one.result().surefoot["answer"] for one in first] == ["5", "5"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_search(gateway, upstream, stream):
    upstream.work(after_s=0.4)
    asked = {**ASKED, "model": "majority-1", "stream": stream}
    before = under_way(gateway)["ended"].get("gone", 0)

    async def ask_and_leave():
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=TOKEN) as client:
            asking = asyncio.ensure_future(client.chat.completions.create(**asked))
            await asyncio.sleep(0.2)
            asking.cancel()

    asyncio.run(ask_and_leave())
    wait_until(lambda: under_way(gateway)["under_way"] == 0)
    assert under_way(gateway)["ended"]["gone"] == before + 1


def test_a_stream_shows_signs_of_life_while_the_search_goes_on(gateway, upstream):
    upstream.work(after_s=0.5)
    place, headers = f"{gateway.url}/chat/completions", {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.stream("POST", place, json={**ASKED, "stream": True}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[0].startswith('data: {"id":"chatcmpl-')
    assert 2 <= lines.count(": searching") <= 5
    assert lines[-1] == "data: [DONE]"


def test_a_chat_policy_gets_the_turns_before_as_turns(upstream):
    upstream.kind = "chat"
    upstream.work()
    upstream.bodies.clear()
    turns = [("developer", "Be brief."), ("user", "q1"), ("assistant", "a1"), ("user", "q2")]
    with started("--policy", f"openai:{upstream.url}#m", "--chat") as running:
        with openai.OpenAI(base_url=running.url, api_key="any") as client:
            messages = [{"role": role, "content": text} for role, text in turns]
            answer = client.chat.completions.create(model="majority-1", messages=messages)
        code, errors = running.end(signal.SIGINT)
    upstream.kind = "text"
    assert answer.choices[0].message.content == "2+3 = 5.\n\nThe answer is 5."
    (body,) = upstream.bodies
    said = [(one["role"], one["content"]) for one in body["messages"]]
    assert said[:3] == [("system", "Be brief."), *turns[1:3]]
    assert said[3][1].startswith("q2\n\nSolve this step by step.")
    assert (code, errors.count("Traceback")) == (0, 0)


def test_the_first_signal_lets_searches_end(upstream):
    """What is under way is answered; nothing of the token stands in what the process says."""
    upstream.work(after_s=0.8)
    options = ["--policy", f"openai:{upstream.url}#m", "--token-env", "GATE"]
    with started(*options, GATE=TOKEN) as running:
        with (
            openai.OpenAI(base_url=running.url, api_key=TOKEN, max_retries=0) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            asked = pool.submit(client.chat.completions.create, **ASKED)
            wait_until(lambda: under_way(running)["under_way"] == 1)
            code, errors = running.end(signal.SIGTERM)
            assert asked.result().surefoot["answer"] == "5"
        assert code == 0
        assert TOKEN not in errors
        assert "Traceback" not in errors

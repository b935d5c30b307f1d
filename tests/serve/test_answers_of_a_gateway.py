"""The gateway as the official client sees it: answers, streams and errors of a real process."""

import asyncio

import httpx2
import openai
import pytest

from surefoot.models.hub import load
from surefoot.policies.local import LocalPolicy
from surefoot.search.methods import method
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Limits, Task


def said(problem):
    return [{"role": "user", "content": problem}]


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def alone(models):
    """What a search gives on one problem alone, in this process."""
    policy, prm = LocalPolicy.load(models / "policy"), load(str(models / "prm"))

    def run(problem, name, n, seed):
        settings = Settings(seed=seed, limits=Limits(solution_tokens=512))
        (result,) = search([Task(problem)], policy, prm, method(name, n=n), settings=settings)
        return result

    return run


def test_sixteen_clients_at_once_get_what_each_would_get_alone(gateway, alone):
    names = ["best-of-n-4", "beam-4"]
    asked = [(f"{'pq'[i % 2] * (1 + i // 4)}", names[i % 2], i // 2) for i in range(16)]

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key="any") as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.create(model=name, messages=said(problem), seed=seed)
                    for problem, name, seed in asked
                )
            )

    found = asyncio.run(ask_all())
    for (problem, name, seed), answer in zip(asked, found, strict=True):
        result = alone(problem, name.removesuffix("-4"), 4, seed)
        best = result.solutions[0]
        assert answer.choices[0].message.content == "\n\n".join(best.trace.texts)
        assert answer.choices[0].finish_reason == "stop"
        own = answer.surefoot
        assert (own["answer"], own["method"], own["ended"]) == (result.answer, name, "done")
        assert own["reward"] == pytest.approx(best.reward, abs=1e-5)
        assert [one["score"] for one in own["steps"]] == pytest.approx(
            best.trace.scores[0].values, abs=1e-5
        )
        assert [one["text"] for one in own["steps"]] == list(best.trace.texts)
        assert [one["answer"] for one in own["alternatives"]] == [
            one.trace.answer for one in result.solutions[1:]
        ]
        assert answer.usage.completion_tokens == result.usage.new_tokens
        assert own["usage"]["new_tokens"] == result.usage.new_tokens
        num = len(best.trace.steps)
        assert own["usage"]["answer_tokens"] in (num, num + 1)
    assert len({answer.choices[0].message.content for answer in found}) > 4


def test_the_models_are_the_methods(client):
    listed = {one.id: one.description for one in client.models.list()}
    assert {"auto", "best-of-n", "beam", "majority", "vote"} <= listed.keys()
    assert "best-of-n-4" in listed["auto"]
    assert client.models.retrieve("beam").description == listed["beam"]
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'"):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize(
    ("model", "headers", "body", "expected"),
    [
        ("auto", {}, {}, "best-of-n-4"),
        ("beam", {}, {}, "beam-16"),
        ("majority-8", {}, {}, "majority-8"),
        ("beam-8", {"X-Surefoot-N": "2"}, {}, "beam-2"),
        ("beam-8", {"X-Surefoot-Method": "vote"}, {}, "vote-8"),
        ("beam-8", {"X-Surefoot-Method": "vote-3", "X-Surefoot-N": "5"}, {"n": 6}, "vote-6"),
    ],
)
def test_method_and_number_come_from_name_header_and_field(client, model, headers, body, expected):
    answer = client.chat.completions.create(
        model=model, messages=said("p"), extra_headers=headers, extra_body={"surefoot": body}
    )
    assert (answer.model, answer.surefoot["method"]) == (expected, expected)


def test_the_method_may_stand_in_the_address_alone(gateway):
    with openai.OpenAI(base_url=f"{gateway.url}/vote-3", api_key="any") as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=said("p"))
    assert answer.model == "vote-3"
    assert "'gpt-4o'" in answer.surefoot["notes"][0]


def test_budgets_end_a_search_with_what_it_has(client):
    whole = client.chat.completions.create(model="beam-4", messages=said("p"), seed=3)
    assert whole.usage.completion_tokens > 8
    less = client.chat.completions.create(
        model="beam-4", messages=said("p"), seed=3, extra_headers={"X-Surefoot-Tokens": "6"}
    )
    assert less.usage.completion_tokens == 4
    with pytest.raises(openai.UnprocessableEntityError, match="0 of 3 tokens are spent"):
        client.chat.completions.create(
            model="beam-4", messages=said("p"), extra_body={"surefoot": {"tokens": 3}}
        )
    short = client.chat.completions.create(
        model="best-of-n-2", messages=said("p"), seed=3, max_tokens=1
    )
    assert short.usage.completion_tokens == 2
    assert short.choices[0].finish_reason in ("stop", "length")


def test_seeds_make_answers_that_come_again(client):
    first, again, other, *drawn = (
        client.chat.completions.create(model="beam-4", messages=said("p"), **seed)
        for seed in ({"seed": 5}, {"seed": 5}, {"seed": -6}, {}, {})
    )
    assert first.choices == again.choices
    assert first.choices != other.choices
    assert drawn[0].surefoot["seed"] != drawn[1].surefoot["seed"]
    seed = drawn[0].surefoot["seed"]
    same = client.chat.completions.create(model="beam-4", messages=said("p"), seed=seed)
    assert same.choices == drawn[0].choices


def test_the_best_solutions_are_the_choices(client):
    asked = {"model": "best-of-n-8", "messages": said("p"), "seed": 1}
    answer = client.chat.completions.create(**asked, n=3)
    rewards = [choice.surefoot["reward"] for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert rewards == sorted(rewards, reverse=True)
    assert rewards[1:] == [one["reward"] for one in answer.surefoot["alternatives"][:2]]
    texts, ends = ["", "", ""], []
    for chunk in client.chat.completions.create(**asked, n=3, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            ends += [choice.index] * (choice.finish_reason == "stop")
    assert texts == [choice.message.content for choice in answer.choices]
    assert ends == [0, 1, 2]


def test_a_stream_ends_in_the_same_answer(client):
    asked = {"model": "beam-4", "messages": said("p"), "seed": 2}
    whole = client.chat.completions.create(**asked)
    options = {"include_usage": True}
    parts = [*client.chat.completions.create(**asked, stream=True, stream_options=options)]
    deltas = [part.choices[0].delta for part in parts[:-1]]
    assert [one.role for one in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    content = [one.content for one in deltas[1:-1]]
    assert "".join(content) == whole.choices[0].message.content
    assert len(content) == len(whole.surefoot["steps"])
    reasons = [part.choices[0].finish_reason for part in parts[:-1]]
    assert reasons == [*[None] * (len(deltas) - 1), "stop"]
    assert parts[-2].surefoot["steps"] == whole.surefoot["steps"]
    assert parts[-1].choices == []
    assert parts[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({part.id for part in parts}) == 1


def test_what_was_said_before_stands_in_front_of_the_problem(client):
    joined = client.chat.completions.create(
        model="beam-4", messages=said("rule\n\nq1\n\na1\n\nq2"), seed=1
    )
    turns = [("system", "rule"), ("user", "q1"), ("assistant", "a1"), ("user", "q2")]
    messages = [{"role": role, "content": text} for role, text in turns]
    messages[-1]["content"] = [{"type": "text", "text": "q2"}]
    answer = client.chat.completions.create(model="beam-4", messages=messages, seed=1)
    assert answer.choices == joined.choices


def test_temperature_0_is_obeyed_and_noted(client):
    answer = client.chat.completions.create(model="best-of-n-4", messages=said("p"), temperature=0)
    assert answer.surefoot["alternatives"] == []
    assert "temperature 0" in answer.surefoot["notes"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"messages": []}, "messages"),
        ({"messages": said(" ")}, "the last message is empty"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "must be the user's"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": None}]}, "null"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "'image_url' cannot be read",
        ),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"n": 0}, "n:"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"seed": 2**70}, "seed"),
        ({"stop": ["x"]}, "stop is not supported"),
        ({"tools": [{"type": "function"}]}, "tools is not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported"),
        ({"logprobs": True}, "logprobs is not supported"),
        ({"surefoot": {"method": "magic"}}, "no method 'magic'; there is best-of-n"),
        ({"surefoot": {"n": 17}}, "17 draws; this server makes 1 to 16"),
        ({"surefoot": {"width": 3}}, "width"),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_what_cannot_be_done_is_a_bad_request(client, change, sentence):
    asked = {"model": "auto", "messages": said("p"), **change}
    with pytest.raises(openai.BadRequestError, match=sentence) as caught:
        client.post("/chat/completions", body=asked, cast_to=object)
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"X-Surefoot-N": "many"}, "header X-Surefoot-n: "),
        ({"X-Surefoot-Seconds": "-1"}, "X-Surefoot-seconds"),
        ({"X-Surefoot-Seconds": "nan"}, "X-Surefoot-seconds"),
        ({"X-Surefoot-Speed": "1"}, "no header X-Surefoot-speed"),
    ],
)
def test_a_header_that_says_nothing_sensible_is_a_bad_request(client, header, sentence):
    with pytest.raises(openai.BadRequestError, match=sentence):
        client.chat.completions.create(model="auto", messages=said("p"), extra_headers=header)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"model": "auto", "messages": [{"role": "user", "content": "\xff"}]}', 400),
        (b'{"model": "auto", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (b"[" * 15_000, 400),
        (b'{"model": "auto", "temperature": NaN, "messages": []}', 400),
        (b" " * 20_001, 413),
    ],
)
def test_hostile_bodies_are_refused_in_the_shape_of_errors(gateway, body, status):
    answer = httpx2.post(f"{gateway.url}/chat/completions", content=body, timeout=20)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert httpx2.get(gateway.url.replace("/v1", "/health")).json() == {"status": "ok"}


def test_unknown_models_and_places_are_not_found(client, gateway):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o'; there is auto") as caught:
        client.chat.completions.create(model="gpt-4o", messages=said("p"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="embeddings"):
        client.embeddings.create(model="auto", input="x")
    assert httpx2.get(f"{gateway.url}/chat/completions").json()["error"]["message"]


def test_a_problem_that_is_too_long_for_the_policy_is_told_so(client):
    with pytest.raises(openai.UnprocessableEntityError, match="512 positions") as caught:
        client.chat.completions.create(model="auto", messages=said("p" * 600))
    assert caught.value.code == "no_solution"
    with pytest.raises(openai.APIError, match="512 positions"):
        [*client.chat.completions.create(model="auto", messages=said("p" * 600), stream=True)]


def test_counts_add_up(client, gateway):
    place = gateway.url.replace("/v1", "/metrics")
    before = httpx2.get(place).json()
    answer = client.chat.completions.create(model="beam-4", messages=said("p"), seed=2)
    after = httpx2.get(place).json()
    assert sum(after["ended"].values()) == sum(before["ended"].values()) + 1
    assert after["new_tokens"] - before["new_tokens"] == answer.usage.completion_tokens
    assert after["begun"] == before["begun"] + 1
    assert after["under_way"] == 0

"""Answers that are kept, and the pace at which a server is asked, against a real server."""

import json
import threading
import time

import pytest

from json_server import Reply, serve
from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.policies.crew import Crew
from surefoot.policies.kept_server import Answers, KeptServer
from surefoot.policies.pace import Pace

PATH = "/chat/completions"


def chat(text, tokens=(5, 2)):
    return {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
    }


def bodies(*numbers):
    return [{"model": "m", "messages": [], "seed": one} for one in numbers]


def echo(request):
    return chat(f"{request.body['seed']}")


def said(answers):
    return [int(one["choices"][0]["message"]["content"]) for one in answers]


def test_answers_come_back_in_order_and_what_was_kept_is_not_asked_for_again(tmp_path):
    path = tmp_path / "answers"
    with serve(echo) as server:
        first = Answers(path)
        asking = KeptServer(server.url, answers=first, num_connections=3)
        assert said(asking.ask_all(PATH, bodies(3, 1, 2))) == [3, 1, 2]
        first.close(discard=False)
        path.write_bytes(path.read_bytes() + b'{"asked": "half')
        second = Answers(path)
        asking = KeptServer(server.url, answers=second, num_connections=3)
        assert said(asking.ask_all(PATH, bodies(0, 1, 2, 3, 1))) == [0, 1, 2, 3, 1]
        assert sorted(one.body["seed"] for one in server.requests) == [0, 1, 1, 2, 3]
        assert server.most_at_once <= 3
    second.close(discard=False)
    lines = path.read_text().splitlines()
    assert [said([json.loads(one)["answer"]])[0] for one in lines[3:]] in ([0, 1], [1, 0])
    Answers(path).close(discard=True)
    assert not path.exists()


def test_a_pause_that_the_server_names_is_kept():
    replies = [Reply("busy", 429, {"Retry-After": "1"}), chat("1")]
    with serve(lambda _: replies.pop(0)) as server:
        assert said(KeptServer(server.url, num_retries=1).ask_all(PATH, bodies(1))) == [1]
        first, second = (one.at_s for one in server.requests)
    assert second - first >= 1


def test_a_damaged_file_gives_what_is_whole_and_goes_on(tmp_path):
    path = tmp_path / "answers"
    with serve(echo) as server:
        answers = Answers(path)
        asking = KeptServer(server.url, answers=answers, num_connections=1)
        asking.ask_all(PATH, bodies(1, 2, 3))
        answers.close(discard=False)
        lines = path.read_bytes().splitlines(keepends=True)
        for damaged in (b"7\n", b'{"asked": "a"}\n', b'{"answer": 1}\n', b"\xff\n", b"\n"):
            path.write_bytes(lines[0] + damaged + lines[1])
            assert said(KeptServer(server.url, answers=Answers(path)).ask_all(PATH, bodies(1)))
            assert path.read_bytes() == lines[0]
        assert len(server.requests) == 3


def test_what_was_asked_otherwise_is_another_question(tmp_path):
    with serve(echo) as server:
        answers = Answers(tmp_path / "answers")
        KeptServer(server.url, answers=answers).ask(PATH, bodies(1)[0])
        answers.close(discard=False)
        asking = KeptServer(server.url, answers=Answers(tmp_path / "answers"))
        for body in ({**bodies(1)[0], "model": "n"}, {**bodies(1)[0], "temperature": 0}):
            asking.ask(PATH, body)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "reply", [Reply("no", 400), Reply(b"<html>"), {"choices": []}, {**chat("1"), "usage": None}]
)
def test_what_is_no_answer_is_never_kept(tmp_path, reply):
    replies = [reply, echo]
    with serve(lambda one: r(one) if callable(r := replies.pop(0)) else r) as server:
        answers = Answers(tmp_path / "answers")
        asking = KeptServer(server.url, answers=answers, num_retries=0)
        with pytest.raises(ModelError):
            asking.ask_all(PATH, bodies(1))
        assert said(asking.ask_all(PATH, bodies(1))) == [1]
    answers.close(discard=False)
    assert len((tmp_path / "answers").read_text().splitlines()) == 1


def test_after_a_failure_what_has_not_begun_is_not_asked():
    with serve(lambda _: Reply("no", 400, after_s=0.05)) as server:
        asking = KeptServer(server.url, num_connections=2)
        with pytest.raises(ModelError, match="status 400"):
            asking.ask_all(PATH, bodies(*range(100)))
        time.sleep(0.3)
        assert len(server.requests) < 10


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    with serve(echo) as server:
        asking = KeptServer(server.url, answers=Answers(tmp_path / "no" / "answers"))
        with pytest.raises(StorageError, match="no"):
            asking.ask(PATH, bodies(1)[0])


def test_without_a_path_nothing_is_written():
    answers = Answers(None)
    answers.keep("a", chat("1"))
    assert answers.take("a") is None
    answers.close(discard=True)


def test_requests_are_spread_over_the_minute():
    pace = Pace(requests_per_minute=1_200)
    started = time.monotonic()
    at = [(pace.wait(), time.monotonic() - started)[1] for _ in range(5)]
    assert all(moment + 1e-3 >= 0.05 * i for i, moment in enumerate(at))
    assert at[-1] < 2, "and no slower than that"


def test_tokens_are_spread_over_the_minute_as_far_as_they_are_known():
    pace = Pace(tokens_per_minute=60_000)
    started = time.monotonic()
    assert pace.wait() == 0, "nothing is known of the first"
    pace.settle(0, 100)
    assert pace.wait() == 100, "the mean so far is set aside"
    assert time.monotonic() - started >= 0.1
    pace.settle(100, 1_100)
    assert pace.wait() == 600
    assert time.monotonic() - started >= 1.2
    pace.settle(600, 0)
    started = time.monotonic()
    pace.wait()
    assert time.monotonic() - started < 0.5, "what failed took nothing"


def test_threads_share_a_pace():
    pace, crew = Pace(requests_per_minute=1_200), Crew(8)
    started = time.monotonic()
    for one in [crew.submit(pace.wait) for _ in range(9)]:
        one.result()
    assert 0.39 <= time.monotonic() - started < 3


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_pace_that_cannot_be_is_refused(limit):
    for name in ("requests_per_minute", "tokens_per_minute"):
        with pytest.raises(UsageError, match=f"{name} is {limit}"):
            Pace(**{name: limit})


def test_a_crew_raises_what_its_tasks_raise_and_skips_what_is_cancelled():
    crew, hold, done = Crew(1), threading.Event(), []
    first = crew.submit(hold.wait)
    second = crew.submit(lambda: done.append(2))
    third = crew.submit(lambda: 1 // 0)
    second.cancel()
    hold.set()
    assert first.result() is True
    with pytest.raises(ZeroDivisionError):
        third.result()
    assert done == []

"""Asking a server that fails in every way there is, over real connections."""

import random
import re
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_server import Reply, serve
from surefoot.errors import ModelError, UsageError
from surefoot.models.http import BUSY, Patience, Server, requests

QUICK = Patience(timeout_s=5, num_retries=3, first_wait_s=0.01)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def in_turn(*replies):
    """Answers one after the other; the last one for ever."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_):
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


def test_it_gives_the_json_at_a_path():
    with serve(lambda request: {"path": request.path}) as there:
        assert Server(there.url, patience=QUICK).get("/model") == {"path": "/model"}
        assert Server(there.url + "/prm/", patience=QUICK).get("/model") == {"path": "/prm/model"}


@pytest.mark.parametrize("status", BUSY)
def test_a_busy_server_is_asked_again(status):
    with serve(in_turn(Reply("busy", status), Reply("busy", status), "done")) as there:
        assert Server(there.url, patience=QUICK).get("/x") == "done"
        assert len(there.requests) == 3


@pytest.mark.parametrize(
    "failure",
    [
        Reply(reset=True),
        Reply({"a": 1}, keep=3),
        Reply({"a": 1}, after_s=1.2),
        Reply(b"", headers={"Content-Length": "7"}),
    ],
    ids=["reset", "cut body", "slow", "no body"],
)
def test_a_broken_connection_is_made_again(failure):
    patience = Patience(timeout_s=0.4, num_retries=3, first_wait_s=0.01)
    with serve(in_turn("up", failure, failure, "done")) as there:
        server = Server(there.url, patience=patience)
        assert [server.get("/x"), server.get("/x")] == ["up", "done"]
        assert len(there.requests) == 4


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Reply("is restarting", 503), 'status 503: "is restarting"'),
        (Reply(reset=True), "ReadError|RemoteProtocolError"),
        (Reply({"a": 1}, keep=3), "RemoteProtocolError"),
        (Reply("late", after_s=0.6), "ReadTimeout"),
    ],
    ids=["busy", "reset", "cut body", "slow"],
)
def test_a_failure_that_stays_is_an_error(failure, said):
    patience = Patience(timeout_s=0.2, num_retries=2, first_wait_s=0.01)
    with serve(lambda _: failure) as there:
        with pytest.raises(ModelError, match=said) as raised:
            Server(there.url, patience=patience).get("/x")
        assert f"GET {there.url}/x failed 3 times" in str(raised.value)
        assert len(there.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 418, 500, 501])
def test_any_other_status_is_an_error_at_once(status):
    said = "<h1>" + "no " * 500 + "</h1>"
    with serve(lambda _: Reply(said.encode(), status)) as there:
        with pytest.raises(ModelError) as raised:
            Server(there.url, patience=QUICK).get("/x")
        assert len(there.requests) == 1
    message = str(raised.value)
    assert message.startswith(f"GET {there.url}/x: status {status}: <h1>no no no")
    assert len(message) < 500


def test_it_is_not_led_elsewhere():
    with serve(lambda _: {"it": "is here"}) as elsewhere:
        moved = Reply("moved", 307, {"Location": elsewhere.url})
        with (
            serve(lambda _: moved) as there,
            pytest.raises(ModelError, match=f"points to {elsewhere.url}"),
        ):
            Server(there.url, token="secret", patience=QUICK).get("/x")
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"scores": [0.5, 0.', "is not JSON"),
        (b"<html>hello</html>", "is not JSON.*: <html>hello"),
        (b"", r"is not JSON.*: \(empty\)"),
        (b'{"scores": [NaN]}', "holds NaN"),
        (b'{"scores": [Infinity]}', "holds Infinity"),
        (b"\xff\xfe\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_not_json_is_an_error(body, reason):
    with (
        serve(lambda _: Reply(body)) as there,
        pytest.raises(ModelError, match=re.compile(reason, re.DOTALL)),
    ):
        Server(there.url, patience=QUICK).get("/x")


def test_pauses_double_and_chance_shortens_them():
    drawn = []
    patience = Patience(first_wait_s=0.08, longest_wait_s=0.2, num_retries=4)
    with serve(lambda _: Reply("busy", 503)) as there:
        server = Server(there.url, patience=patience, chance=lambda: drawn.append(1) or 0.0)
        with pytest.raises(ModelError):
            server.get("/x")
        times = [request.at_s for request in there.requests]
    gaps = [after - before for before, after in pairwise(times)]
    assert all(gap >= due for gap, due in zip(gaps, [0.08, 0.16, 0.2, 0.2], strict=True))
    assert len(drawn) == 4


def test_it_waits_as_long_as_it_is_asked_to():
    in_seconds = Reply("busy", 429, {"Retry-After": "1"})
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    for busy, least in ((in_seconds, 1.0), (Reply("busy", 503, {"Retry-After": until}), 0.5)):
        with serve(in_turn(busy, "done")) as there:
            assert Server(there.url, patience=QUICK).get("/x") == "done"
            first, second = there.requests
            assert second.at_s - first.at_s >= least


@pytest.mark.parametrize("asked", ["", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wish_that_means_nothing_is_no_wait(asked):
    with serve(in_turn(Reply("busy", 503, {"Retry-After": asked}), "done")) as there:
        assert Server(there.url, patience=QUICK).get("/x") == "done"


def test_it_does_not_wait_for_hours():
    with (
        serve(lambda _: Reply("quota", 429, {"Retry-After": "7200"})) as there,
        pytest.raises(ModelError, match=r"status 429.*asks to wait 7200 s"),
    ):
        Server(there.url, patience=QUICK).get("/x")


def test_an_address_where_nothing_listens_is_an_error_at_once():
    with serve(lambda _: "up") as there:
        url = there.url
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"no connection .*is the server running"):
        Server(url, patience=Patience(num_retries=9, first_wait_s=10)).get("/x")
    assert time.monotonic() - started < 5


def test_a_server_that_restarts_is_waited_for():
    with serve(lambda _: "up") as there:
        server = Server(there.url, patience=Patience(num_retries=8, first_wait_s=0.05))
        assert server.get("/x") == "up"
    found = []
    asking = threading.Thread(target=lambda: found.append(server.get("/x")))
    asking.start()
    time.sleep(0.3)
    assert found == []
    with serve(lambda _: "up again", port=there.port):
        asking.join(20)
    assert found == ["up again"]


def test_answers_come_in_order_however_late_they_are():
    draw = random.Random(0)
    late = [draw.random() * 0.05 for _ in range(60)]

    def answer(request):
        return Reply({"got": request.body["i"]}, after_s=late[request.body["i"]])

    with serve(answer) as there:
        server = Server(there.url, patience=QUICK, num_connections=5)
        bodies = [f'{{"i": {i}}}' for i in range(60)]
        assert [one["got"] for one in server.post("/x", bodies)] == list(range(60))


def test_no_more_requests_are_under_way_than_allowed():
    def answer(request):
        time.sleep(0.02)
        return request.body

    with serve(answer) as there:
        server = Server(there.url, patience=QUICK, num_connections=3)
        assert list(server.post("/x", [str(i) for i in range(30)])) == list(range(30))
        assert there.most_at_once == 3


def test_a_failure_keeps_the_rest_from_being_sent():
    def answer(request):
        time.sleep(0.01)
        return Reply("broken", 500) if request.body == 5 else request.body

    with serve(answer) as there:
        server = Server(there.url, patience=QUICK, num_connections=2)
        found = []
        with pytest.raises(ModelError, match="status 500"):
            found.extend(server.post("/x", [str(i) for i in range(200)]))
        assert found == [0, 1, 2, 3, 4][: len(found)]
        time.sleep(0.1)
        assert len(there.requests) < 50
        assert max(Counter(request.body for request in there.requests).values()) == 1


def test_who_stops_reading_stops_the_sending():
    with serve(lambda request: Reply(request.body, after_s=0.01)) as there:
        server = Server(there.url, patience=QUICK, num_connections=2)
        answers = server.post("/x", [str(i) for i in range(200)])
        assert next(answers) == 0
        answers.close()
        time.sleep(0.2)
        assert len(there.requests) < 20


def test_a_failure_ends_the_pauses_of_the_others():
    def answer(request):
        return Reply("broken", 500, after_s=0.2) if request.body == 0 else Reply("busy", 503)

    patience = Patience(num_retries=20, first_wait_s=30)
    with serve(answer) as there:
        server = Server(there.url, patience=patience, num_connections=2)
        with pytest.raises(ModelError, match="status 500"):
            list(server.post("/x", ["0", "1", "2"]))
        deadline = time.monotonic() + 5
        while any(t.name.startswith("surefoot-http") for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(there.requests) == 2


def test_the_token_is_sent_and_shown_nowhere(monkeypatch):
    def answer(request):
        return Reply(f"bad token {request.headers['Authorization']}".encode(), 401)

    monkeypatch.setenv("SOME_TOKEN", "s3cret-token")
    with serve(answer) as there:
        for server in (
            Server(there.url, token="s3cret-token", patience=QUICK),
            Server(there.url, token_variable="SOME_TOKEN", patience=QUICK),
        ):
            with pytest.raises(ModelError, match=r"bad token Bearer .*wants a token") as raised:
                server.get("/x")
            assert "s3cret" not in str(raised.value) + repr(server)
            assert there.requests[-1].headers["Authorization"] == "Bearer s3cret-token"


def test_without_a_token_none_is_sent(monkeypatch):
    monkeypatch.delenv("SOME_TOKEN", raising=False)
    with serve(lambda request: request.headers["Authorization"]) as there:
        assert Server(there.url, token_variable="SOME_TOKEN", patience=QUICK).get("/x") is None


@pytest.mark.parametrize("token", ["two words", "line\n", "schlüssel"])
def test_a_token_that_cannot_be_one_is_refused_unseen(token):
    with pytest.raises(UsageError, match="token") as raised:
        Server("http://localhost", token=token)
    assert token.strip() not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://x", "http://", "http://x:port", "http://x?key=1", "http://x#1"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="address"):
        Server(url)


def test_an_address_with_a_password_is_refused_unseen():
    with pytest.raises(UsageError, match="password") as raised:
        Server("http://me:pa55@host")
    assert "pa55" not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [{"timeout_s": 0}, {"first_wait_s": -1}, {"longest_wait_s": float("inf")}, {"num_retries": -1}],
)
def test_patience_has_bounds(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        Patience(**settings)


def test_at_least_one_connection():
    with pytest.raises(UsageError, match="num_connections"):
        Server("http://localhost", num_connections=0)


def test_a_missing_client_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(UsageError, match=r"pip install 'surefoot\[remote\]'"):
        Server("http://localhost")


@given(sizes=st.lists(st.integers(0, 30)), most=st.integers(1, 6), room=st.integers(1, 40))
def test_requests_hold_everything_once_and_in_order(sizes, most, room):
    bounds = list(requests(sizes, most, room))
    assert [i for begin, end in bounds for i in range(begin, end)] == list(range(len(sizes)))
    for begin, end in bounds:
        assert 1 <= end - begin <= most
        assert end - begin == 1 or sum(sizes[begin:end]) <= room
    for (begin, end), (_, after) in pairwise(bounds):
        assert after > end
        assert end - begin == most or sum(sizes[begin : end + 1]) > room

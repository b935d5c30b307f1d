"""Judges: what ends a run, what is recorded, and that traces come back in their order."""

import time
from collections import Counter
from dataclasses import replace

import pytest

from json_server import Reply, serve
from surefoot.errors import ModelError, UsageError
from surefoot.models.critic import Critic, Reading, Stage
from surefoot.models.judging import Judge, account_of, judge_all, labels_by
from surefoot.models.profiles import critic_of
from surefoot.policies.crew import Crew
from surefoot.policies.kept_server import KeptServer
from surefoot.policies.server_writer import ServerWriter
from surefoot.traces.types import StepLabels, Trace

TRACES = [Trace(f"Trace {i}.", ["a", "b"], labels=[StepLabels((1, None))]) for i in range(20)]


def number_of(request):
    return int(request.body["messages"][-1]["content"].partition("Trace ")[2].partition(".")[0])


def says(text):
    return {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }


def judged(answer, *, crew=None, most=20, **options):
    """What comes back, the error that ends it, and how often each trace was asked about."""
    asked, done, ended = Counter(), [], None

    def counted(request):
        asked[number_of(request)] += 1
        return answer(number_of(request))

    with serve(counted) as server:
        client = KeptServer(server.url, num_retries=0, num_connections=4)
        judge = Judge(
            writer=ServerWriter(server.url, "m", server=client),
            annotator="m",
            prompt="p",
            **{"critic": critic_of("judge"), **options},
        )
        try:
            for one in judge_all(judge, TRACES[:most], crew):
                done.append(one)
        except ModelError as error:
            ended = str(error)
    return done, ended, asked


@pytest.mark.parametrize("crew", [None, Crew(3)], ids=["one by one", "a crew"])
def test_traces_come_back_in_order_with_one_more_set_of_labels(crew):
    def answer(number):
        time.sleep(0.03 * (number % 3 == 0))
        return says('{"first_error": 2}')

    done, ended, asked = judged(answer, crew=crew)
    assert (ended, asked) == (None, dict.fromkeys(range(20), 4))
    assert [one.problem for one in done] == [one.problem for one in TRACES]
    for one in done:
        first, second = one.labels
        assert first == StepLabels((1, None))
        assert (second.values, second.counts) == ((1, 0), ((4, 4), (0, 4)))


@pytest.mark.parametrize("crew", [None, Crew(3)], ids=["one by one", "a crew"])
def test_four_failures_in_a_row_are_recorded_and_five_end_it(crew):
    def failing(first, last):
        return lambda n: Reply("no", 500) if first <= n <= last else says('{"first_error": null}')

    done, ended, _ = judged(failing(6, 9), crew=crew)
    assert ended is None
    assert [i for i, one in enumerate(done) if len(one.labels) == 1] == [6, 7, 8, 9]
    assert all("status 500" in one.meta["judge"]["causes"]["trace"] for one in done[6:10])
    done, ended, _ = judged(failing(6, 10), crew=crew)
    assert "status 500" in ended
    assert len(done) == 6, "what it failed on is asked about again"
    assert all(len(one.labels) == 2 for one in done)


def test_failures_at_the_end_are_recorded_only_if_something_was_answered():
    for most, answered in ((4, 0), (4, 1)):
        done, ended, _ = judged(
            lambda n, k=answered: says('{"first_error": null}') if n < k else Reply("no", 500),
            most=most,
        )
        assert (len(done), ended is None) == ((0, False) if not answered else (4, True))


def test_a_server_that_is_gone_ends_it_at_once():
    done, ended, asked = judged(
        lambda n: says('{"first_error": 1}') if n < 3 else Reply("who?", 401), crew=None
    )
    assert "status 401" in ended
    assert (len(done), max(asked)) == (3, 3)


def test_what_is_wrong_with_the_question_is_no_failure_of_the_server():
    asked = Critic(
        ask="{problem} {step}", stages=(Stage(prefill="So"),), reading=Reading(good="y", bad="n")
    )
    with pytest.raises(UsageError, match="goes_on"):
        judged(lambda _: says("yes"), critic=asked)


def test_a_judge_leaves_what_it_has_labelled_if_it_is_to():
    mine = TRACES[0].with_labels(StepLabels((1, 1), source="judge", annotator="m"))
    other = TRACES[1].with_labels(StepLabels((1, 1), source="judge", annotator="n"))
    with serve(lambda _: says('{"first_error": null}')) as server:
        judge = Judge(
            writer=ServerWriter(server.url, "m"),
            critic=critic_of("judge"),
            annotator="m",
            prompt="p",
            missing=True,
        )
        assert judge.label(mine) is mine
        assert not server.requests
        assert len(judge.label(other).labels) == 3


@pytest.mark.parametrize("given", [None, 7, [1], {"earlier": 3}, {"earlier": [4, {"x": 1}]}])
def test_notes_of_others_under_its_name_are_no_hindrance(given):
    trace = Trace("?", ["s"], meta={} if given is None else {"judge": given, "mine": 1})
    with serve(lambda _: says('{"first_error": null}')) as server:
        writer = ServerWriter(server.url, "m")
        judge = Judge(writer=writer, critic=critic_of("judge"), annotator="m", prompt="p")
        first = judge.label(trace)
        second = replace(judge, annotator="n").label(first)
    assert first.meta.get("mine") == trace.meta.get("mine")
    assert [account_of(second, one)["tokens"] for one in ("m", "n")] == [20, 20]
    assert account_of(second, "o") is None
    assert labels_by(second, "m").counts == labels_by(second, "n").counts == ((4, 4),)

"""Searches on policies behind an address: what one request costs and says, servers that go away and
come back, and a second process that others wrote."""

import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import count
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch

from chains import ONE, chain_parts, chain_policy
from completions import Completions
from json_server import Reply, serve
from surefoot.errors import ModelError, UsageError
from surefoot.policies import openai_server
from surefoot.policies.base import Prefix, Sampling
from surefoot.policies.openai_server import OpenAIServer, ShutError
from surefoot.policies.server import ChatPrompt, ServerPolicy
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.reward import Reward
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Limits
from tabular import TabularScorer, found, timeless

ONE_STEP = Sampling(max_new_steps=1, temperature=0.0)
SHORT = Limits(step_tokens=8, solution_tokens=40)
scorer = partial(
    TabularScorer, lambda problem, steps: {"a": 0.9, "b": 0.6, "c": 0.7}.get(steps[-1], 0.5)
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def policy_at(server, **options):
    options = {"num_connections": 4, **options}
    if "chat" not in options:
        options.setdefault("tokenizer", chain_parts()[1])
    return ServerPolicy(f"{server.url}/v1", "chains", **options)


def without_reads(results):
    """Results without time and what was read, which a cache on the way may change."""
    for one in results:
        one.usage.read_tokens = 0
    return timeless(results)


@pytest.mark.parametrize("method", [partial(best_of_n, n=2), partial(beam, width=2, children=2)])
def test_a_search_on_a_server_is_the_one_on_the_same_model_here(method):
    options = {"sampling": Sampling(temperature=0.0), "reward": Reward(logprob_weight=1.0)}
    local = found(chain_policy(), scorer(), method, "p", "q", limits=SHORT, **options)
    with serve(Completions(chain_policy())) as server:
        policy = policy_at(server, logprobs=True)
        there = found(policy, scorer(), method, "p", "q", limits=SHORT, **options)
    assert [one.best.texts for one in there] == [one.best.texts for one in local]
    for one, other in zip(there, local, strict=True):
        assert one.usage.new_tokens == other.usage.new_tokens
        assert [node.status for node in one.tree] == [node.status for node in other.tree]
        assert [node.logprob for node in one.tree] == pytest.approx(
            [node.logprob for node in other.tree], abs=1e-4
        )
        assert [one.reward for one in one.solutions] == pytest.approx(
            [one.reward for one in other.solutions], abs=1e-4
        )


@pytest.mark.parametrize("says", ["stop_reason", "matched_stop", None])
@pytest.mark.parametrize("keeps", [False, True])
def test_where_a_step_ends_the_text_goes_on_and_where_the_text_ends_it_does_not(says, keeps):
    local = chain_policy()
    ((expected,),) = local.continue_prefixes([Prefix("p")], 1, seed=0, sampling=ONE_STEP)
    with serve(Completions(local, says=says, keeps=keeps)) as server:
        policy = policy_at(server)
        (step,), (end,) = policy.continue_prefixes(
            [Prefix("p"), Prefix("p", ("a", ONE))], 1, seed=0, sampling=ONE_STEP
        )
    assert (step.steps, step.finished, step.num_tokens) == (expected.steps, False, 2)
    assert (end.steps, end.num_tokens) == ((), 1 if says or keeps else 2)
    assert end.finished, "a second request without the stop text shows it"


def test_log_probabilities_are_of_the_steps_that_are_kept():
    prefixes = [Prefix("p"), Prefix("q", ("c",))]
    with serve(Completions(chain_policy())) as server:
        policy = policy_at(server, logprobs=True)
        for num in (1, 2, None):
            sampling = Sampling(max_new_steps=num, max_new_tokens=40)
            local = chain_policy()
            for prefix, own in zip(
                prefixes,
                policy.continue_prefixes(prefixes, 8, seed=1, sampling=sampling),
                strict=True,
            ):
                for one in own:
                    assert one.logprob == pytest.approx(logprob_here(local, prefix, one), abs=1e-4)


def logprob_here(policy, prefix, one):
    """The log-probability of steps by the model itself, token by token."""
    ids = policy.layout.encode([(prefix.problem, prefix.steps)], policy.tokenizer)[0].ids
    text = "".join(f"{step}\n" for step in one.steps)
    new = policy.tokenizer(text)["input_ids"] + [policy.tokenizer.eos_token_id] * one.finished
    with torch.no_grad():
        logits = policy.model(torch.tensor([ids + new])).logits[0].log_softmax(-1)
    return sum(float(logits[len(ids) + i - 1, token]) for i, token in enumerate(new))


def test_a_server_that_does_not_say_them_is_told_before_anything_is_chosen():
    with serve(Completions(chain_policy(), gives_logprobs=False)) as server:
        policy = policy_at(server, logprobs=True)
        with pytest.raises(UsageError, match="how probable"):
            found(policy, scorer(), partial(beam, n=4, width=2), reward=Reward(logprob_weight=1.0))


@pytest.mark.parametrize(
    "trouble", [{"tokens": ["a"]}, {"tokens": ["a"], "token_logprobs": [None]}, 3]
)
def test_numbers_that_are_not_whole_are_none(trouble):
    def answer(_):
        choice = {"text": "a", "finish_reason": "stop", "logprobs": trouble}
        return {"choices": [choice], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}

    with serve(answer) as server:
        ((one,),) = policy_at(server, logprobs=True).continue_prefixes([Prefix("p")], 1, seed=0)
    assert (one.steps, one.logprob) == (("a",), None)


def spoken(text, body):
    """What a chat says, cut at the first stop text."""
    places = [text.find(one) for one in body.get("stop") or () if one in text]
    said = text[: min(places)] if places else text
    choice = {"message": {"content": said}, "finish_reason": "stop"}
    choice["stop_reason"] = body["stop"][0] if places else None
    usage = {"prompt_tokens": 9, "completion_tokens": len(said.split())}
    return {"choices": [choice], "usage": usage}


SOLUTION = ["So 5 + 8\nis 13.", "Then 13 * 2 = 26.", "The answer is \\boxed{26}."]


def test_a_chat_writes_one_step_for_one_step():
    """Each token is written once: the stop text keeps the rest from being written at all."""

    def answer(request):
        said = request.body["messages"][-1]["content"]
        ahead = [step for step in SOLUTION if step not in said]
        return spoken("\n\n".join(ahead), request.body)

    with serve(answer) as server:
        policy = policy_at(server, chat=ChatPrompt())
        result = found(policy, scorer(), partial(beam, n=1, width=1))
    assert result.best.texts == tuple(SOLUTION)
    assert result.answer == "26"
    assert result.usage.new_tokens == len(" ".join(SOLUTION).split())
    assert [one.body["stop"] for one in server.requests] == [["\n\n"]] * 3


def test_a_chat_that_says_again_what_is_there_is_asked_once_more():
    with serve(lambda request: spoken("\n\n".join(SOLUTION), request.body)) as server:
        policy = policy_at(server, chat=ChatPrompt())
        ((one,),) = policy.continue_prefixes(
            [Prefix("p", tuple(SOLUTION[:1]))], 1, seed=0, sampling=ONE_STEP
        )
    assert one.steps == (SOLUTION[1],)
    assert one.num_tokens == len(" ".join([SOLUTION[0], *SOLUTION]).split())
    assert [one.body.get("stop") for one in server.requests] == [["\n\n"], None]


def test_a_chat_whose_steps_are_lines_is_not_stopped_at_blank_lines():
    with serve(lambda request: spoken("a\nb\nc", request.body)) as server:
        policy = policy_at(server, chat=ChatPrompt(split="lines"))
        ((one,),) = policy.continue_prefixes([Prefix("p")], 1, seed=0, sampling=ONE_STEP)
    assert (one.steps, one.num_tokens, one.finished) == (("a",), 3, False)
    assert "stop" not in server.requests[0].body


def test_further_fields_are_sent_and_a_stop_text_that_is_left_is_cut_off():
    def answer(request):
        choice = {"text": "a\nb###", "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}

    with serve(answer) as server:
        policy = policy_at(server, stop=["###"], fields={"min_p": 0.1})
        ((one,),) = policy.continue_prefixes([Prefix("p")], 1, seed=0)
    assert (one.steps, one.finished) == (("a", "b"), True)
    assert server.requests[0].body["min_p"] == 0.1


def test_a_server_that_dies_in_the_middle_and_comes_back_was_never_missed(monkeypatch):
    monkeypatch.setattr(openai_server, "_PAUSES_S", (0.05, 0.2))
    method = partial(beam, width=2, children=3)
    answer = Completions(chain_policy())
    with serve(answer) as server:
        expected = found(policy_at(server), scorer(), method, *"pqpq", limits=SHORT)
        num = len(server.requests)
    numbers = count()
    dying = threading.Event()

    def until_it_dies(request):
        if next(numbers) >= num // 2:
            dying.set()
            return Reply(reset=True)
        return answer(request)

    with serve(until_it_dies) as first:
        policy = policy_at(first, num_retries=0, patience_s=30)
        results = []
        work = threading.Thread(
            target=lambda: results.extend(found(policy, scorer(), method, *"pqpq", limits=SHORT))
        )
        work.start()
        assert dying.wait(20)
        port = first.port
    time.sleep(0.5)
    assert work.is_alive()
    with serve(answer, port=port) as again:
        work.join(60)
        assert again.requests
    assert without_reads(results) == without_reads(expected)


def test_a_server_that_stays_away_ends_the_searches_with_what_they_have():
    answer = Completions(chain_policy())
    numbers = count()
    with serve(lambda r: answer(r) if next(numbers) < 12 else Reply(reset=True)) as server:
        policy = policy_at(server, num_retries=0, patience_s=0.4)
        results = []
        begun = time.monotonic()
        with pytest.raises(ShutError, match=r"for 0\.4 s"):
            results.extend(found_one_by_one(policy, partial(beam, width=2, children=3), "pqpqpq"))
    assert time.monotonic() - begun < 10
    assert [one.problem for one in results] == [*"pqpqpq"]
    assert {one.ended for one in results} <= {"done", "failed", "no solution"}
    assert any("the policy failed" in (one.why or "") for one in results)
    assert any(one.solutions for one in results)


def found_one_by_one(policy, method, problems):
    return search(problems, policy, scorer(), method, settings=Settings(limits=SHORT))


def test_patience_is_counted_from_when_the_server_went_away():
    """So that many requests do not wait one after the other."""
    server = OpenAIServer("http://127.0.0.1:9/v1", num_connections=2, num_retries=0, patience_s=0.5)
    begun = time.monotonic()
    with pytest.raises(ShutError):
        server.try_all("/completions", [{}] * 20)
    assert 0.5 < time.monotonic() - begun < 4
    with pytest.raises(UsageError, match="patience_s is -1"):
        OpenAIServer("http://127.0.0.1:9/v1", patience_s=-1)


def test_no_more_requests_than_connections_whoever_asks():
    def answer(_):
        time.sleep(0.03)
        return spoken("a", {})

    with serve(answer) as server:
        policy = policy_at(server, num_connections=3, chat=ChatPrompt())
        asking = [
            threading.Thread(target=lambda: policy.continue_prefixes([Prefix("p")], 8, seed=0))
            for _ in range(3)
        ]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        assert server.most_at_once == 3
    assert policy.usage.calls == 24
    assert policy.usage.new_tokens == 24


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def transformers_serve(tmp_path):
    """`transformers serve` with the model of chains, as a process of its own."""
    pytest.importorskip("uvicorn")
    folder, port = tmp_path / "chains", free_port()
    chain_policy().save(folder)
    code = "from transformers.cli.transformers import main; main()"
    arguments = ["serve", str(folder), "--device", "cpu", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for _ in range(240):
                assert process.poll() is None, "transformers serve ended"
                try:
                    urlopen(f"http://localhost:{port}/health", timeout=5).close()
                    break
                except (URLError, OSError):
                    time.sleep(0.25)
            yield f"http://localhost:{port}/v1", str(folder)
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.slow
def test_transformers_serve_is_a_policy_like_the_same_model_here(transformers_serve):
    url, name = transformers_serve
    policy = ServerPolicy(url, name, num_connections=2)
    options = {"sampling": Sampling(temperature=0.0), "limits": SHORT}
    for method in (partial(best_of_n, n=2), partial(beam, width=2, children=2)):
        here = found(chain_policy(), scorer(), method, "p", "q", **options)
        there = found(policy, scorer(), method, "p", "q", **options)
        for one, other in zip(there, here, strict=True):
            assert one.best.texts == other.best.texts
            assert one.ended == other.ended
            assert one.usage.new_tokens == other.usage.new_tokens
            assert [node.status for node in one.tree] == [node.status for node in other.tree]
    chat = ServerPolicy(url, name, chat=ChatPrompt(first="{problem}", further="{problem}\n{steps}"))
    whole = Sampling(temperature=0.0, max_new_tokens=40)
    ((one,),) = chat.continue_prefixes([Prefix("p")], 1, seed=0, sampling=whole)
    ((same,),) = chain_policy().continue_prefixes([Prefix("p")], 1, seed=0, sampling=whole)
    assert (one.steps, one.finished) == (same.steps, same.finished)
    wrong = ServerPolicy(url, "another", num_retries=0)
    ((failed,),) = wrong.continue_prefixes([Prefix("p")], 1, seed=0)
    with pytest.raises(ModelError, match="pinned"):
        raise ModelError(failed.failed)

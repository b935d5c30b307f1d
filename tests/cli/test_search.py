"""`surefoot search`: what it writes, says and refuses, and how it goes on after an end."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from abc_chains import abc_policy
from json_server import Reply, serve
from surefoot.cli import main
from surefoot.policies.local import LocalPolicy
from surefoot.search.files import ResultWriter, read_results
from surefoot.worlds.last_digit import LastDigit

BEAM = ("-m", "length", "--method", "beam", "--n", 6, "--width", 2, "--world", "last-digit")


@pytest.fixture
def folder(small_model, tmp_path):
    """A policy that ends with 5 or 6, or goes on."""
    abc_policy(small_model, a=3, b=2, five=2, six=2, end=1).save(tmp_path / "abc")
    return tmp_path / "abc"


@pytest.fixture
def file(write_rows):
    """Nine problems, one of them twice."""
    rows = [{"problem": p.text, "answer": p.answer} for p in LastDigit().problems(9, seed=0)]
    return write_rows("in.jsonl", *rows, rows[3])


def run(capsys, *arguments):
    code = main(["search", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def searched(capsys, file, folder, out, *further):
    code, said, err = run(capsys, file, "-p", folder, "-o", out, "--json", *further)
    assert code == 0, err
    return json.loads(said)


def lasting(path):
    """The rows without what depends on clocks and on what was remembered before."""
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    for row in rows:
        del row["usage"]["seconds"], row["usage"]["read_tokens"]
    return rows


def test_results_summary_and_files(capsys, file, folder, tmp_path):
    told = searched(capsys, file, folder, tmp_path / "out.jsonl", *BEAM)
    results = list(read_results(tmp_path / "out.jsonl", strict=True))
    assert (told["problems"], told["repeated"], told["with_reference"]) == (9, 1, 9)
    assert told["new_tokens"] == sum(one.usage.new_tokens for one in results)
    assert told["new_tokens"] == told["tokens_written_now"]
    right = [one.answer == one.reference for one in results]
    assert told["accuracy"]["mean"] == pytest.approx(sum(right) / 9)
    for one in results:
        for solution in one.solutions:
            answer = solution.trace.answer
            assert solution.trace.outcome is (None if answer is None else answer == one.reference)
            assert solution.trace.scores
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out.jsonl",
        "out.jsonl.run.json",
    ]


def test_a_person_is_shown_steps_and_a_summary(capsys, file, folder):
    code, said, err = run(capsys, file, "-p", folder, *BEAM, "--show", 1)
    assert code == 0, err
    assert " ".join(said.split()).count("Keep only the last digit") == 1
    assert re.search(r"answer.*; \d+ solutions?, done", said)
    assert re.search(r"^0 +[01]\.[0-9]{2}", said, re.MULTILINE), "steps with their scores"
    assert "9 problems: " in said
    assert "right: " in said
    assert "1 problem left out that came again" in said


@pytest.mark.parametrize("name", ["majority", "self-consistency"])
def test_methods_without_scores_need_no_model(capsys, file, folder, tmp_path, name):
    told = searched(capsys, file, folder, tmp_path / "o.jsonl", "--method", name, "-n", 4)
    assert told["scored_tokens"] == 0
    first = next(read_results(tmp_path / "o.jsonl"))
    assert first.chosen_by == "majority"
    assert first.solutions[0].votes is not None


def test_an_ensemble_and_an_outcome_model(capsys, file, folder, tmp_path):
    out = tmp_path / "o.jsonl"
    more = ("-m", "length", "-m", "random", "--ensemble", "min", "--outcome-model", "length")
    searched(capsys, file, folder, out, *more, "-n", 3, "--world", "last-digit")
    first = next(read_results(out))
    assert first.best.scores[0].model == "min(length, random)"


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "further",
    [BEAM, ("-m", "length", "--method", "mcts", "-n", 4, "--world", "last-digit")],
    ids=["beam", "mcts"],
)
@pytest.mark.parametrize("call", [2, 5, 8])
def test_no_request_is_made_twice_after_a_kill(
    capsys, file, folder, tmp_path, monkeypatch, further, call
):
    """Killed in a call of the policy; together both runs ask for what one run asks for."""
    further = (*further, "--at-once", 1, "--cache-tokens", 0)
    asked, left = [], [10**9]
    plain = LocalPolicy.continue_prefixes

    def counting(policy, prefixes, n, *, seed, sampling=None):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        asked.extend((one, n, seed, sampling) for one in prefixes)
        return plain(policy, prefixes, n, seed=seed, sampling=sampling)

    monkeypatch.setattr(LocalPolicy, "continue_prefixes", counting)
    searched(capsys, file, folder, tmp_path / "whole.jsonl", *further)
    once, asked[:], left[0] = sorted(map(repr, asked)), [], call
    out = tmp_path / "out.jsonl"
    with pytest.raises(Killed):
        searched(capsys, file, folder, out, *further)
    left[0] = 10**9
    told = searched(capsys, file, folder, out, *further)
    assert sorted(map(repr, asked)) == once
    assert lasting(out) == lasting(tmp_path / "whole.jsonl")
    assert not (tmp_path / "out.jsonl.written.jsonl").exists()
    assert told["problems"] == 9


def test_a_kill_between_rows_keeps_them(capsys, file, folder, tmp_path, monkeypatch):
    further = (*BEAM, "--at-once", 2, "--cache-tokens", 0)
    searched(capsys, file, folder, tmp_path / "whole.jsonl", *further)
    out, write, rows = tmp_path / "out.jsonl", ResultWriter.write, []

    def dies(writer, result):
        if len(rows) == 4:
            raise Killed
        rows.append(result)
        write(writer, result)

    monkeypatch.setattr(ResultWriter, "write", dies)
    with pytest.raises(Killed):
        searched(capsys, file, folder, out, *further)
    monkeypatch.undo()
    kept = out.read_bytes()
    assert kept.count(b"\n") == 4
    out.write_bytes(kept[:-9])
    told = searched(capsys, file, folder, out, *further)
    assert told["resumed"] == 3
    assert out.read_bytes().startswith(b"".join(kept.splitlines(keepends=True)[:3]))
    assert lasting(out) == lasting(tmp_path / "whole.jsonl")
    code, _, err = run(capsys, file, "-p", folder, "-o", out, *further, "--temperature", 0.5)
    assert code == 2
    assert "was begun with temperature 1.0, now it is 0.5" in err
    code, _, err = run(capsys, file, "-p", folder, "-o", out, *further, "--no-resume")
    assert code == 0, err


@pytest.mark.slow
def test_a_real_kill_at_any_moment(surefoot_path, file, folder, tmp_path):
    def command(out):
        further = (*BEAM, "--at-once", 1, "--cache-tokens", 0)
        return [*map(str, (surefoot_path, "search", file, "-p", folder, "-o", out, *further))]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(tmp_path / "whole.jsonl"), check=True, env=env, capture_output=True)
    out = tmp_path / "out.jsonl"
    for wait in (0.0, 0.02, 0.1):
        one = subprocess.Popen(command(out), env=env, stdout=-3, stderr=-3)
        until = time.monotonic() + 60
        while not Path(f"{out}.written.jsonl").exists() and time.monotonic() < until:
            if one.poll() is not None:
                break
            time.sleep(0.002)
        time.sleep(wait)
        one.send_signal(signal.SIGKILL)
        one.wait()
    subprocess.run(command(out), check=True, env=env, capture_output=True)
    assert lasting(out) == lasting(tmp_path / "whole.jsonl")


def test_a_server_that_dies_costs_nothing_that_was_done(capsys, file, tmp_path):
    out, asked = tmp_path / "o.jsonl", []

    def answer(request):
        if len(asked) == stop[0]:
            return Reply({"error": "out of order"}, 401)
        asked.append(json.dumps(request.body, sort_keys=True))
        choice = {"index": 0, "text": "The answer is 5.", "finish_reason": "stop"}
        return Reply({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 4}})

    with serve(answer) as server:
        more = ("-p", f"openai:{server.url}/v1#abc", "--method", "majority", "-n", 1)
        more = (*more, "--at-once", 1, "--connections", 1, "-o", out, "--world", "last-digit")
        stop = [5]
        code, said, err = run(capsys, file, *more)
        assert code == 1
        assert "error: " in err
        assert "status 401" in err
        assert "1 failed" in said
        assert "cut short, and not written: 1" in said
        assert [one.ended for one in read_results(out)] == ["done"] * 5
        stop = [10**9]
        code, said, err = run(capsys, file, *more)
        assert code == 0, err
        assert "5 problems of them done by an earlier run" in said
    assert [one.answer for one in read_results(out)] == ["5"] * 9
    assert len(asked) == 9, "nothing is asked for again"


def verdict(scorer, loses):
    return {"scorer": scorer, "loses": loses, "said": f"{scorer}:min loses: {loses}"}


def test_a_scorer_that_does_harm_is_left_out_loudly(capsys, file, folder, tmp_path):
    (tmp_path / "metrics.json").write_text(
        json.dumps({"verdicts": [verdict("length", True), verdict("random", False)]})
    )
    more = ("--unless-harmful", tmp_path, "--world", "last-digit", "-n", 4)
    out = tmp_path / "o.jsonl"
    code, said, err = run(capsys, file, "-p", folder, "-m", "length", *more, "-o", out, "--json")
    assert code == 0, err
    assert "length:min loses" in err
    assert "a majority vote of 4 instead" in err
    assert json.loads(said)["instead_of_harm"] == "length:min loses: True"
    assert {one.chosen_by for one in read_results(out)} == {"majority"}
    plain = tmp_path / "plain.jsonl"
    searched(capsys, file, folder, plain, "--method", "majority", "-n", 4, "--world", "last-digit")
    assert lasting(out) == lasting(plain)
    told = searched(capsys, file, folder, tmp_path / "r.jsonl", "-m", "random", *more)
    assert told["instead_of_harm"] is None
    code, _, err = run(capsys, file, "-p", folder, "-m", "arithmetic", *more)
    assert code == 2
    assert "says nothing of arithmetic; it measured length, random" in err
    code, _, err = run(capsys, file, "-p", folder, "-m", "length", "--unless-harmful", folder)
    assert code == 2
    assert "no finished run" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "beem"), "there is no search method 'beem'; choose one of best-of-n"),
        (("-m", "length", "--method", "beam", "--depth", 2), "beam has no option 'depth'"),
        (("-m", "length", "-n", 0), "n is 0; it must be a whole number, at least 1"),
        (("--method", "beam"), "name a scorer with --model"),
        (("--method", "majority", "--choose", "vote"), "goes by scores"),
        (("-m", "length", "--tokens", 0), "tokens is 0; it must be positive"),
        (("-m", "length", "--at-once", 0), "--at-once is 0"),
        (("-m", "length", "--aggregate", "medium"), "medium"),
        (("-m", "length", "--logprob-weight", -1), "logprob_weight is -1"),
        (("--method", "majority", "--unless-harmful", "x"), "--unless-harmful is about a scorer"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(
    capsys, file, tmp_path, arguments, said
):
    out = tmp_path / "out.jsonl"
    code, _, err = run(capsys, file, "-p", tmp_path / "none", "-o", out, *arguments)
    assert code == 2
    assert said in err
    assert not out.exists()


def test_log_probabilities_of_a_server_are_refused_before_it_is_asked(capsys, file):
    more = ("-p", "openai:http://127.0.0.1:9/v1#m", "-m", "length", "--logprob-weight", 1)
    code, _, err = run(capsys, file, *more)
    assert code == 2
    assert "only with --logprobs" in err


def test_a_budget_too_small_for_a_step_ends_and_says_why(capsys, file, folder, tmp_path):
    told = searched(capsys, file, folder, tmp_path / "o.jsonl", *BEAM, "--tokens", 5)
    assert told["ended"] == {"budget": 9}
    assert told["why"] == {"0 of 5 tokens are spent, too many for 6 more continuations": 9}
    assert told["accuracy"]["mean"] == 0


def test_problems_of_every_kind_are_read_and_bad_rows_told(
    capsys, folder, tmp_path, write_rows, surefoot
):
    rows = write_rows(
        "rows.jsonl",
        {"question": "How many?", "answer": 5},
        {"problem": " "},
        {"problem": "Why?", "reference": [1]},
        {"task": "x"},
        "{",
        {"surefoot": 1, "problem": "Who?", "steps": ["a"], "reference": "I"},
        {"problem": "How many?", "answer": "6"},
    )
    more = ("--method", "majority", "-n", 2)
    told = searched(capsys, rows, folder, tmp_path / "o.jsonl", *more)
    found = [(one.problem, one.reference) for one in read_results(tmp_path / "o.jsonl")]
    assert found == [("How many?", "5"), ("Who?", "I")]
    assert (told["repeated"], told["skipped"]["rows"]) == (1, 4)
    assert [one["line"] for one in told["skipped"]["first"]] == [2, 3, 4, 5]
    code, _, err = run(capsys, rows, "-p", folder, *more, "--strict")
    assert code == 1
    assert "rows.jsonl:2: field 'problem'" in err
    text = tmp_path / "p.txt"
    text.write_text("How many?\n\nWhy?\n")
    assert searched(capsys, text, folder, tmp_path / "t.jsonl", *more)["problems"] == 2
    text.write_text("\n")
    code, _, err = run(capsys, text, "-p", folder, *more)
    assert code == 1
    assert "it holds no problem" in err
    for stdin in ("How many?\nWhy?\n", '{"problem": "How many?"}\n{"problem": "Why?"}\n'):
        done = surefoot("search", "-", "-p", folder, *more, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["problems"] == 2


@pytest.mark.slow
def test_results_are_viewed_scored_evaluated_and_converted(
    capsys, file, folder, tmp_path, surefoot
):
    out = tmp_path / "out.jsonl"
    searched(capsys, file, folder, out, "-m", "length", "-n", 6, "--world", "last-digit")
    results = list(read_results(out))
    num = sum(len(one.solutions) for one in results)
    viewed = surefoot("view", out, "--limit", 1000)
    assert viewed.stdout.count("── ") == num, viewed.stderr
    converted = surefoot("convert", out, tmp_path / "traces.jsonl", "--to", "surefoot", "--json")
    assert json.loads(converted.stdout)["written"] == num, converted.stderr
    scored = surefoot("score", out, "-m", "random", "--json", "-o", tmp_path / "scored.jsonl")
    assert json.loads(scored.stdout)["traces"] == num, scored.stderr
    bon = surefoot("eval", "bon", out, "--json", "--num", 2, "-o", tmp_path / "run")
    assert bon.returncode == 0, bon.stderr
    assert json.loads(bon.stdout)["verdicts"][0]["scorer"] == "length"
    again = surefoot(
        *("search", file, "-p", folder, "-m", "length", "-n", 6, "--world", "last-digit"),
        *("--unless-harmful", tmp_path / "run", "--json"),
    )
    assert again.returncode == 0, again.stderr

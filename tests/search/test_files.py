"""Results of searches in files: what is written comes back, and a killed run is gone on with."""

import json
from dataclasses import replace
from functools import partial

import pytest

from abc_chains import abc_policy
from surefoot.errors import FormatError, RowError, UsageError
from surefoot.models.hub import load
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.files import ResultWriter, read_results
from surefoot.search.results import result_from_json, result_to_json
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Limits, Task
from surefoot.traces.convert import read_any
from surefoot.traces.formats.search_results import read

TASKS = [Task(f"{letter} ab", "5" if letter == "p" else None) for letter in "pqa"]


@pytest.fixture(scope="module")
def results(small_model):
    """Searches of every way to end: with a vote, with nothing finished, and without a scorer."""
    policy = abc_policy(small_model, a=2, b=2, five=2, six=1, end=1)
    lost = abc_policy(small_model, a=2, b=1)
    scorer = load("length")
    vote = Settings(choice="majority")
    tight, none = Settings(limits=Limits(tokens=40)), Settings(limits=Limits(tokens=3))
    found = [
        *search(TASKS, policy, scorer, partial(beam, width=2, children=3)),
        *search(TASKS, policy, scorer, partial(best_of_n, n=5), settings=vote),
        *search(TASKS[:1], lost, scorer, beam, settings=tight),
        *search(TASKS[:1], lost, scorer, beam, settings=none),
        *search(TASKS, policy, None, best_of_n, settings=vote),
    ]
    assert {one.ended for one in found} == {"done", "no solution", "budget"}
    assert {sol.finished for one in found for sol in one.solutions} == {True, False}
    first = found[0].solutions[0]
    scores = first.trace.scores[0]
    precise = replace(scores, log_odds=tuple(0.1 * i for i, _ in enumerate(scores.values)))
    judged = replace(first, trace=replace(first.trace, scores=(precise,), outcome=True))
    return [replace(found[0], solutions=(judged, *found[0].solutions[1:])), *found[1:]]


def test_a_result_survives_json_exactly(results):
    for one in results:
        assert result_from_json(json.loads(json.dumps(result_to_json(one)))) == one


def test_a_file_gives_back_what_was_written(results, tmp_path):
    with ResultWriter(tmp_path / "out.jsonl") as writer:
        for one in results:
            writer.write(one)
    assert list(read_results(tmp_path / "out.jsonl", strict=True)) == results


def test_a_killed_file_is_gone_on_with_behind_its_last_whole_row(results, tmp_path):
    file = tmp_path / "out.jsonl"
    with ResultWriter(file, resume=True) as writer:
        for one in results[:3]:
            writer.write(one)
        whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with ResultWriter(file, resume=True) as writer:
        assert writer.done == results[:2]
        assert writer.dropped == len(whole.splitlines()[2]) - 6
        writer.write(results[2])
    assert file.read_bytes() == whole


def test_what_cannot_be_written_or_gone_on_with_is_told(tmp_path):
    with pytest.raises(FormatError, match="name it so"):
        ResultWriter(tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="cannot be resumed"):
        ResultWriter("-", resume=True)
    (tmp_path / "traces.jsonl").write_text('{"surefoot": 1}\n')
    with pytest.raises(RowError, match=r"traces.jsonl.*surefoot_search"):
        ResultWriter(tmp_path / "traces.jsonl", resume=True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda row: row.update(surefoot_search=2), "surefoot_search"),
        (lambda row: row.update(problem=" "), "problem"),
        (lambda row: row["tree"][2].update(parent=2), "tree.2.parent"),
        (lambda row: row["tree"][0].update(parent=0), "tree.0.parent"),
        (lambda row: row["tree"][1].update(steps="a"), "tree.1.steps"),
        (lambda row: row["solutions"][0].update(node=10**6), "solutions.0.node"),
        (lambda row: row["solutions"][0].update(values=[0.5] * 99), "solutions.0"),
        (lambda row: row["solutions"][0].update(answer=3), "solutions.0"),
        (lambda row: row.update(scorer=None), "scorer"),
        (lambda row: row.pop("usage"), ""),
        (lambda row: row["usage"].update(more=1), ""),
    ],
)
def test_a_row_that_is_no_whole_result_says_where(results, change, field):
    row = json.loads(json.dumps(result_to_json(results[0])))
    change(row)
    with pytest.raises(RowError) as caught:
        result_from_json(row)
    assert caught.value.field == field


def test_bad_rows_of_a_file_are_told_and_the_others_read(results, tmp_path):
    rows = [json.dumps(result_to_json(one)) for one in results[:2]]
    (tmp_path / "out.jsonl").write_text("\n".join([rows[0], '{"a": 1}', rows[1], "{"]))
    told = []
    found = list(read_results(tmp_path / "out.jsonl", on_skip=told.append))
    assert found == results[:2]
    assert [one.line for one in told] == [2, 4]
    with pytest.raises(RowError, match=r"out.jsonl.*2"):
        list(read_results(tmp_path / "out.jsonl", strict=True))


def test_finished_solutions_are_read_as_traces_best_first(results, tmp_path):
    row = json.loads(json.dumps(result_to_json(results[0])))
    traces = read(row)
    own = [one for one in results[0].solutions if one.finished]
    assert [one.texts for one in traces] == [one.trace.texts for one in own]
    assert [one.scores for one in traces] == [one.trace.scores for one in own]
    assert [one.meta["search"]["rank"] for one in traces] == list(range(len(own)))
    assert traces[0].meta["search"]["reward"] == own[0].reward
    assert (traces[0].outcome, traces[0].reference, traces[0].source) == (True, "5", "search")
    with ResultWriter(tmp_path / "out.jsonl") as writer:
        for one in results:
            writer.write(one)
    told = []
    everything = list(read_any(tmp_path / "out.jsonl", on_skip=told.append))
    num = sum(sol.finished for one in results for sol in one.solutions)
    assert len(everything) == num
    assert [one.line for one in told] == [7, 8]
    assert all("found no solution" in one.reason for one in told)

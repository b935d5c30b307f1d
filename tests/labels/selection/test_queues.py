"""Chosen traces as tasks and tables: what people see, and what comes back to the trace."""

import csv
import json

from surefoot.labels.selection import for_people, write_csv, write_label_studio
from surefoot.traces.convert import read_any
from surefoot.traces.joining import joined
from surefoot.traces.types import Step, StepLabels, StepScores, Trace


def made(i):
    return Trace(
        f"=HYPERLINK({i})",
        ["one, two", Step("+ 3", {"seen": 1})],
        answer="4",
        reference="5",
        outcome=False,
        source="pool",
        labels=[StepLabels((1, -1), source="judge")],
        scores=[StepScores((0.9, 0.1), model="m")],
        meta={"selection": {"why": "convincing-wrong", "rank": i}, "judge": {"tokens": 3}},
    )


def test_people_see_nothing_that_others_said():
    traces = [made(i) for i in range(3)]
    seen = for_people(traces[0])
    assert (seen.problem, seen.steps, seen.id) == (traces[0].problem, traces[0].steps, traces[0].id)
    text = json.dumps([str(seen), dict(seen.meta)])
    for hidden in ("judge", "0.9", "convincing", "'4'", "'5'", "outcome=False"):
        assert hidden not in text
    assert for_people(traces[0], blind=False).labels == traces[0].labels


def test_tasks_come_back_and_join_the_traces(tmp_path):
    traces = [made(i) for i in range(3)]
    path = tmp_path / "tasks.json"
    assert write_label_studio(traces, str(path)) == 3
    tasks = json.loads(path.read_text())
    assert [task["data"]["meta"]["trace"] for task in tasks] == sorted(one.id for one in traces)
    for task in tasks:
        result = {
            "from_name": "label_0",
            "to_name": "step_0",
            "type": "choices",
            "value": {"choices": ["wrong"]},
        }
        task["annotations"] = [{"completed_by": "ann", "result": [result]}]
    path.write_text(json.dumps(tasks))
    back = {one.id: one for one in read_any(path)}
    whole, differing = joined([traces[0], back[traces[0].id]])
    assert [labels.source for labels in whole.labels] == ["judge", "human"]
    assert whole.labels[1].annotator == "ann"
    assert whole.labels[1].values == (-1, None)
    assert whole.outcome is False
    assert differing == ()


def test_labels_and_reasons_are_in_the_tasks_where_asked_for(tmp_path):
    path = tmp_path / "tasks.jsonl"
    write_label_studio([made(1), made(0)], str(path), blind=False)
    tasks = [json.loads(line) for line in path.open()]
    assert [task["data"]["meta"]["selection"]["rank"] for task in tasks] == [1, 0]
    assert tasks[0]["predictions"][0]["model_version"] == "judge"


def test_a_table_has_a_row_for_each_step_and_runs_nothing(tmp_path):
    path = tmp_path / "tasks.csv"
    traces = [made(0), made(1)]
    assert write_csv(traces, str(path)) == 2
    rows = list(csv.DictReader(path.open(newline="")))
    assert len(rows) == 4
    assert [row["step"] for row in rows] == ["0", "1", "0", "1"]
    assert rows[0]["trace"] == min(one.id for one in traces)
    assert rows[0]["problem"].startswith("'=HYPERLINK")
    assert rows[0]["text"] == "one, two"
    assert rows[1]["text"] == "'+ 3"
    assert rows[1]["label"] == ""
    assert "convincing" not in path.read_text()

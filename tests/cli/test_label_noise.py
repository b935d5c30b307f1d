"""`surefoot label noise` through the installed command."""

import json

import pytest


@pytest.fixture
def labelled(write_rows):
    """Forty traces by a person, and the same with a judge that misses every fourth error."""
    human, judge = [], []
    for i in range(40):
        truth = [1, -1, None] if i % 2 else [1, 1, 1]
        said = [1, 1, 1] if i % 8 == 3 else truth
        shared = {"surefoot": 1, "problem": f"Add {i}.", "steps": ["a", "b", "c"]}
        human.append(
            {**shared, "labels": [{"source": "human", "scale": "rating", "values": truth}]}
        )
        judged = {"source": "judge", "scale": "rating", "values": said, "annotator": "toy"}
        judge.append({**shared, "labels": [judged], "meta": {"judge": {"tokens": 12}}})
    return write_rows("human.jsonl", *human), write_rows("judge.jsonl", *judge[::-1])


def test_figures_of_joined_files(surefoot, labelled):
    result = surefoot("label", "noise", *labelled, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["joined"]["traces"] == told["num_traces"] == 40
    (judge,) = told["sources"]
    assert judge["name"] == "judge:toy"
    assert judge["steps"]["precision"]["mean"] == 1.0
    assert judge["steps"]["recall"]["mean"] == 0.75
    assert judge["first_errors"]["cleared"]["mean"] == 1.0
    assert judge["cost"]["tokens"] == 40 * 12
    assert told["agreement"]["alpha"]["nominal"]["mean"] < 1


def test_tables_and_markdown(surefoot, labelled, tmp_path):
    page = tmp_path / "noise.md"
    result = surefoot("label", "noise", *labelled, "--markdown", page, COLUMNS="140")
    assert result.returncode == 0, result.stderr
    for said in ("First errors", "By position", "judge:toy", "75.0 [", "Krippendorff's alpha"):
        assert said in result.stdout
    assert "| judge:toy | 40 |" in page.read_text()
    narrow = surefoot("label", "noise", *labelled, COLUMNS="80").stdout
    assert "judge:toy" in narrow
    assert "75.0" in narrow
    assert "…" not in narrow


def test_against_someone_else_and_what_cannot_be(surefoot, labelled, tmp_path):
    turned = surefoot("label", "noise", *labelled, "--against", "judge:toy", "--json")
    assert json.loads(turned.stdout)["sources"][0]["name"] == "human"
    for arguments, code, said in (
        ([labelled[0]], 1, "no trace has labels of human and of another source"),
        ([*labelled, "--markdown", tmp_path / "x.txt"], 2, "name it .md"),
        ([*labelled, "--threshold", "2"], 2, "threshold"),
    ):
        result = surefoot("label", "noise", *arguments)
        assert result.returncode == code, result.stderr
        assert said in result.stderr

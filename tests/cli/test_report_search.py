"""`surefoot report` of a file of search results."""

import json

import pytest

from made_results import made_result
from surefoot.search.files import ResultWriter


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "beam.jsonl"
    with ResultWriter(path) as writer:
        writer.write(made_result())
        writer.write(made_result(answer="3"))
    return path


def test_a_page_beside_the_file(surefoot, results):
    done = surefoot("report", str(results), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == "2"
    assert told["right answers"].startswith("50.0 %")
    assert told["report"] == str(results.with_suffix(".html"))
    assert "sf-tree" in results.with_suffix(".html").read_text(encoding="utf-8")


def test_the_tree_of_one_problem(surefoot, results, tmp_path):
    assert surefoot("report", str(results), "--problem", "1").stdout.count("◉") == 2
    out = tmp_path / "one.svg"
    assert surefoot("report", str(results), "--problem", "0", "-o", str(out)).returncode == 0
    assert out.read_text(encoding="utf-8").startswith("<svg ")
    none = surefoot("report", str(results), "--problem", "2")
    assert none.returncode == 2
    assert "holds 2 problems" in none.stderr

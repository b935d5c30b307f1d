"""`surefoot report` through the installed command."""

import csv
import io
import json

import pytest


@pytest.fixture(scope="module")
def runs(surefoot, tmp_path_factory):
    """Runs of two scorers on the same traces, and one on others."""
    folder = tmp_path_factory.mktemp("runs")
    for name, num in (("same", 40), ("other", 30)):
        rows = [
            {
                "surefoot": 1,
                "problem": f"Add {i}.",
                "steps": [f"{i} + 1 = {i + 1}.", f"{i} + 2 = {i + 2 + i % 2}."],
                "labels": [
                    {"values": [1, -1 if i % 2 else 1], "source": "human", "scale": "rating"}
                ],
                "meta": {"subset": ("x", "y")[i // 2 % 2]},
            }
            for i in range(num)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for run, file, model in (
        ("checker", "same", "arithmetic"),
        ("length", "same", "length"),
        ("other", "other", "length"),
    ):
        arguments = (folder / f"{file}.jsonl", "-m", model, "--resamples", 100)
        done = surefoot("eval", "processbench", *arguments, "-o", folder / run)
        assert done.returncode == 0, done.stderr
    return folder


def test_one_run_is_shown_and_its_report_written_anew(surefoot, runs):
    page = runs / "checker" / "report.html"
    before = page.read_bytes()
    page.unlink()
    shown = surefoot("report", runs / "checker", COLUMNS="150")
    assert shown.returncode == 0, shown.stderr
    assert page.read_bytes() == before
    assert "arithmetic 100.0 [100.0, 100.0]" in " ".join(shown.stdout.split())
    assert "step length" in shown.stdout
    assert "arithmetic, by part" in shown.stdout
    told = json.loads(surefoot("report", runs / "checker", "--json").stdout)
    assert told["rows"] == json.loads((runs / "checker" / "metrics.json").read_text())["rows"]


def test_two_runs_stand_side_by_side_with_differences(surefoot, runs):
    folders = (runs / "checker", runs / "length")
    told = json.loads(surefoot("report", *folders, "--json").stdout)
    gap = told["differences"]["length"]["f1"]
    means = [one["figures"]["f1"]["mean"] for one in told["runs"]]
    assert gap["mean"] == pytest.approx(means[1] - means[0])
    assert gap["high"] < 0
    shown = surefoot("report", *folders, COLUMNS="170").stdout
    assert "length less arithmetic" in shown
    assert "p = 0.0" in shown


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_tables_for_papers(surefoot, runs, form):
    one = surefoot("report", runs / "checker", "--table", form).stdout
    both = surefoot("report", runs / "checker", runs / "length", "--table", form).stdout
    assert "never flags" in one
    assert "length less arithmetic" in both
    assert "never flags" not in both
    if form == "csv":
        assert {len(row) for row in csv.reader(io.StringIO(both))} == {1 + 4 * 4}


def test_what_is_no_run_or_another_is_refused(surefoot, runs, tmp_path):
    other = surefoot("report", runs / "checker", runs / "other")
    assert other.returncode == 2
    assert "over 40 traces" in other.stderr
    assert "of which 30 are the same" in other.stderr
    assert surefoot("report", tmp_path).returncode == 2
    both = surefoot("report", runs / "length", "--table", "csv", "--json")
    assert both.returncode == 2
    assert surefoot("report", runs / "length", "--table", "nonsense").returncode == 2

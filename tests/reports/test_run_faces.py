"""What only some runs have on their page: a scorecard, curves of trust, pools and verdicts."""

from dataclasses import replace

import pytest

from made_runs import made_traces, make_run
from pools_by_hand import candidate, two_problems
from surefoot.evals.benchmark import Options
from surefoot.evals.bon.measuring import BonOptions, measure
from surefoot.evals.bon.metrics import metrics as bon_metrics
from surefoot.evals.bon.preparing import prepare
from surefoot.evals.trust import trust
from surefoot.labels.answers import AnswerCheck
from surefoot.reports.run_coverage import coverage_tables, paired_table, verdict_table
from surefoot.reports.run_page import render_run_page
from surefoot.reports.run_scorecard import scorecard
from surefoot.reports.run_tables import headline_table, number, tone_of, verdicts
from surefoot.reports.run_trust import group_pictures, sensitivity_picture, without_pictures
from surefoot.reports.tables import headline_table as paper_table


def at(mean, low, high):
    return {"mean": mean, "low": low, "high": high}


def probe(name, kind, verdict, **figures):
    coverage = {"num_traces": 90, "num_applied": 90, "num_measured": 80, "num_wrong": 40}
    coverage |= {"num_flagged_wrong": 30, "num_pairs": 0}
    names = ("came_to_pass", "preference_flips", "verdict_flipped")
    names += ("aggregate_change", "aggregate_moved")
    return {
        "probe": name,
        "kind": kind,
        "summary": f"what {name} does",
        "verdict": verdict,
        "coverage": coverage,
        "figures": dict.fromkeys(names) | figures,
    }


@pytest.fixture
def probed():
    return {
        "kind": "probes",
        "headline": {"came_to_pass": "passed by any attack"},
        "lower_is_better": ["came_to_pass"],
        "rows": [
            {"name": "prm", "is_baseline": False, "figures": {"came_to_pass": at(0.5, 0.4, 0.6)}},
            {
                "name": "random",
                "is_baseline": True,
                "figures": {"came_to_pass": at(0.7, 0.6, 0.8), "came_to_pass/split": at(0.2, 0, 1)},
            },
        ],
        "probes": {
            "split": probe("split", "attack", "hacked", came_to_pass=at(0.25, 0.1, 0.4)),
            "latex": probe("latex", "invariance", "steady", verdict_flipped=at(0.01, 0, 0.02)),
        },
    }


def test_a_scorecard_has_verdicts_shares_and_baselines(probed):
    card = scorecard(probed)
    attack, calm = card.parts
    assert attack.headings == ("flagged wrong ones come to pass",), "no probe has preferences"
    (row,) = attack.rows
    assert (row.sign, row.verdict, row.tone, row.num) == ("✗", "hacked", "bad", "80 of 90")
    (share,) = row.shares
    assert share.told == "25 % [10, 40]"
    assert (share.cases, share.beside) == ("of 30", "random 20")
    assert (calm.rows[0].tone, calm.rows[0].shares[0].cases) == ("good", "of 80")
    assert [(heading[:11], one.told) for heading, one in card.of_all] == [
        ("Some attack", "50 % [40, 60]")
    ]
    assert [(said, num) for _, said, num in card.counts] == [("✗ hacked", 1), ("✓ steady", 1)]
    assert card.tolerated == 5
    assert scorecard({"rows": probed["rows"]}) is None


def test_the_scorecard_is_on_the_page_in_words_and_on_a_scale(probed, tmp_path):
    run = make_run(tmp_path / "run", made_traces(20))
    page = render_run_page(replace(run, metrics=probed | {"title": "Probes"}), run.traces())
    assert '<span class="tone bad">✗ hacked</span>' in page
    assert '<i class="ends" style="left:10.0%;width:30.0%"></i>' in page
    assert '<i class="middle" style="left:25.0%"></i>' in page
    assert '<i class="mark" style="left:20.0%"></i>' in page
    assert "figures by group" not in page


def test_trust_has_its_curve_and_a_diagram_for_every_group(tmp_path):
    traces = made_traces(60)
    scores = [one.scores[0] for one in traces]
    details = trust(traces, scores, Options(num_resamples=20)).to_json()
    metrics = {"details": details}
    curve = sensitivity_picture(metrics)
    assert f"({details['sensitivity']['own']:.3g}, F1 {details['sensitivity']['own_f1']:.3f})" in (
        curve.caption
    )
    assert "F1 of first errors" in curve.svg
    groups = [name for name in details["reliability"] if name != "all"]
    assert [one.caption.partition(":")[0] for one in group_pictures(metrics)] == groups
    assert {"easy", "hard", "step 0", "step 2-3"} <= set(groups)
    assert sensitivity_picture({"details": {"sensitivity": None}}) is None
    assert group_pictures({}) == []
    left = without_pictures(details)
    assert "reliability" not in left
    assert "points" not in left["sensitivity"]
    run = make_run(tmp_path / "run", traces, details=details)
    page = render_run_page(run, traces)
    assert page.count('aria-label="Reliability, ') == len(groups)
    assert 'aria-label="F1 by threshold' in page


@pytest.fixture
def chosen():
    ready = prepare({"pool": two_problems()}, check=AnswerCheck(algebra=False))
    results = measure(ready.traces, ["prm"], BonOptions(options=Options(num_resamples=50)))
    joined = {"joined": 7, "missing": 1, "wrong_length": 0, "duplicate": 2, "extra": 3, "bad": 0}
    return bon_metrics(results, files={"a/b.jsonl": joined}, prepared=ready.to_json())


def test_pools_say_what_they_rest_on(chosen):
    tables = {one.title: one for one in coverage_tables(chosen)}

    def row(title, label):
        found = next(one for one in tables[title].rows if one.label == label)
        return [one.value for one in found.cells]

    assert row("problems and candidates", "candidates measured") == ["8"]
    assert row("rows of scores", "b.jsonl") == ["7", "1", "0", "2", "3", "0"]
    assert row("votes at N =", "majority") == ["exact"] * 3
    assert tables["votes at N ="].headings == ("1", "2", "4")
    unsure = "pairs of which it cannot be told, voted on apart"
    assert row("answers", unsure) == [str(chosen["prepared"]["answers"]["unknown"])]
    chosen["pools"][0]["left_out"] = {"fewer than 9 candidates": 4}
    chosen["pools"][0]["methods"]["prm:min"]["num_unscored"] = 6
    tables = {one.title: one for one in coverage_tables(chosen)}
    named = "problems left out: fewer than 9 candidates"
    assert row("problems and candidates", named) == ["4"]
    named = "candidates without a score of prm:min, never chosen by it"
    assert row("problems and candidates", named) == ["6"]


def test_score_rows_of_a_benchmark_are_told_too():
    (table,) = coverage_tables({"files": ["a.jsonl"], "score_rows": {"joined": 3, "missing": 2}})
    assert [one.value for one in table.rows[0].cells] == ["3", "2", "0", "0", "0", "0"]
    assert coverage_tables({"files": ["a.jsonl"]}) == []


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"skipped_rows": 2, "unscored": {"traces": 0}}, ["2"]),
        ({"skipped": {"rows": 3}, "unscored": {"traces": 4}}, ["3", "4"]),
    ],
)
def test_rows_that_could_not_be_read_are_on_the_page(metrics, told):
    (table,) = coverage_tables(metrics)
    assert [row.cells[0].value for row in table.rows] == told
    assert coverage_tables({"skipped_rows": 0}) == []


def test_verdicts_stand_in_a_table_against_majority(chosen):
    table = verdict_table(chosen)
    assert [one.label for one in table.rows] == ["prm:min", "prm:min_vote"]
    told = chosen["verdicts"][0]
    assert table.rows[0].cells[1].value == f"+{told['difference']['mean']:.3f}".replace("+-", "−")
    chosen["verdicts"][0] |= {"verdict": "does harm", "loses": True}
    chosen["verdicts"][1] |= {"verdict": "not shown to help", "loses": True}
    first, second = verdict_table(chosen).rows
    assert (first.kind, first.cells[0].value) == ("worse", "▼ does harm")
    assert (second.kind, second.cells[0].value) == ("same", "● behind here, not shown to help")
    assert verdict_table({}) is None
    assert "against majority" in verdicts(chosen)[0].text
    assert "step length" not in verdicts(chosen)[0].text
    pairs = [one.label for one in paired_table(chosen).rows]
    assert "prm:min less majority" in pairs
    assert paired_table({}) is None


def test_soundness_is_no_figure_where_no_label_says_it():
    bare = [candidate("p", i, str(i), i == 0, [0.9 - 0.1 * i, 0.5]) for i in range(3)]
    bare += [candidate("q", i, "1", False, [0.5, 0.5]) for i in range(3)]
    ready = prepare({"pool": bare}, check=AnswerCheck(algebra=False))
    (result,) = measure(ready.traces, ["prm"], BonOptions(options=Options(num_resamples=20)))
    assert result.estimate("majority", 2, "sound") is None
    assert result.estimate("majority", 2, "accuracy") is not None


def test_lower_is_better_where_it_is():
    metrics = {"lower_is_better": ["ece"], "undirected": ["drift"]}
    low, none, high = at(-0.2, -0.3, -0.1), at(0, -0.1, 0.1), at(0.2, 0.1, 0.3)
    assert [tone_of("f1", one, metrics) for one in (low, none, high)] == ["worse", "same", "better"]
    assert [tone_of("ece/x", one, metrics) for one in (low, none, high)] == [
        "better",
        "same",
        "worse",
    ]
    assert tone_of("drift", high, metrics) == "same"


def test_the_least_is_bold_where_lower_is_better(probed):
    probed |= {"title": "P"}
    table = paper_table(probed)
    assert [table.is_best(line, 0) for line in table.lines] == [True, False]
    del probed["lower_is_better"]
    table = paper_table(probed)
    assert [table.is_best(line, 0) for line in table.lines] == [False, True]
    assert headline_table(probed).rows[0].label == "prm"


def test_no_number_is_minus_nothing():
    assert [number(one) for one in (-0.0001, -0.5, 0.0, 1234.6)] == [
        "0.000",
        "−0.500",
        "0.000",
        "1,235",
    ]

"""The page of a study says what its report holds, and nothing it is told to be."""

import copy
import re
from xml.etree import ElementTree

import pytest

from surefoot.errors import StorageError
from surefoot.reports.tuning import bounds_of, headline, render_tuning, verdicts, write_tuning
from surefoot.reports.tuning_plots import at_hand, ranked


def trial(number, value, lr, loss, **rest):
    ends = (None, None) if value is None else (value - 0.05, value + 0.05)
    return {
        "number": number,
        "edition": 1,
        "state": "complete" if value is not None else "failed",
        "settings": {"loop.lr": lr, "loss": loss},
        "given": False,
        "again": None,
        "value": value,
        "low": ends[0],
        "high": ends[1],
        "halves": [value, value],
        "aggregate": "min",
        "threshold": 0.25,
        "reason": None,
        "measured": {"2": 0.2, "10": 0.3},
        "seconds": 3.4,
        **rest,
    }


@pytest.fixture
def report():
    trials = [
        trial(0, 0.9, 0.1, "joint", edition=0),
        trial(1, 0.5, 0.01, "joint", again=0),
        trial(2, 0.4, 0.001, "binomial", given=True),
        trial(3, None, 0.1, "binomial", reason="the loss is <b>nan</b>"),
        trial(4, None, 0.02, "joint", state="pruned"),
        trial(5, 0.7, 0.03, "binomial"),
    ]
    return {
        "goal": "step_auroc",
        "direction": "maximize",
        "watch": "step_auroc",
        "best": trials[5],
        "given": trials[2],
        "heldout": 0.65,
        "given_halves": 0.41,
        "note": "The best value was chosen among 3.",
        "importances": {"loop.lr": 0.8, "loss": 0.2},
        "baselines": {"step length": 0.6, "random": 0.5},
        "unbeaten": [],
        "exhausted": False,
        "counts": {"complete": 3, "pruned": 1, "failed": 1, "running": 0, "waiting": 0},
        "settings": {
            "config": {"loop": {"lr": 0.01}, "base": None},
            "space": {
                "loop.lr": {"low": 0.001, "high": 0.1, "log": True},
                "loss": ["joint", "binomial"],
            },
            "goal": "step_auroc",
            "pruner": "median",
            "seed": 3,
        },
        "data": [
            {
                "hash": "a" * 64,
                "traces": 9,
                "development": 4,
                "since": "2026-01-01",
                "at_hand": False,
            },
            {
                "hash": "b" * 64,
                "traces": 12,
                "development": 4,
                "since": "2026-02-01",
                "at_hand": True,
            },
        ],
        "trials": trials,
    }


def cells(page, number):
    """The text of each cell in a trial's row of the table."""
    row = re.search(rf'<tr[^>]*><th scope="row">{number}\b.*?</tr>', page, re.DOTALL)
    found = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row[0], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in found]


def test_every_trial_has_its_row_the_best_first(report):
    page = render_tuning(report)
    assert cells(page, 5) == [
        "5",
        "0.700 [0.650, 0.750]",
        "came to its end",
        "3",
        "0.03",
        "binomial",
    ]
    assert cells(page, 2)[:2] == ["2 as given", "0.400 [0.350, 0.450]"]
    assert cells(page, 1)[0] == "1 trial 0 again"
    assert cells(page, 4)[1:3] == ["–", "stopped early, at update 10"]
    assert cells(page, 3)[2] == "failed: the loss is &lt;b&gt;nan&lt;/b&gt;"
    places = [page.index(f'<th scope="row">{n}') for n in (5, 1, 2, 3, 4, 0)]
    assert places == sorted(places)
    assert page.index("1 trials on older data") < places[-1]
    assert '<tr class="prm"><th scope="row">5' in page


def test_what_is_chosen_after_training_has_its_column(report):
    report["settings"]["space"] |= {"aggregate": ["min", "last"]}
    report["trials"][4]["aggregate"] = None
    page = render_tuning(report)
    assert [cells(page, number)[-1] for number in (5, 4)] == ["min", "–"]


def test_what_is_said_of_the_best(report):
    assert headline(report) == "step_auroc 0.700 with trial 5 of 5 trials"
    page = render_tuning(report)
    for said in (
        "The settings that were given reach 0.400 [0.350, 0.450], the best 0.700 [0.650, 0.750].",
        "reaches 0.650 on average of both ways, the settings that were given 0.410 on",
        "The best value was chosen among 3.",
        "Without any of these models: step length 0.600, random 0.500.",
        "0.001 to 0.1, logarithmic",
        "aggregate min, threshold 0.25",
        "12 traces, 4 for development",
    ):
        assert said in page
    assert [tone for tone, _ in verdicts(report)] == ["better", "better"]
    down = {**report, "direction": "minimize"}
    assert [tone for tone, _ in verdicts(down)] == ["better", "worse"]
    for change, said in (
        ({"given": None}, "lie outside the space"),
        ({"given": report["best"]}, "No trial was better than the settings that were given"),
        (
            {"unbeaten": ["step length"]},
            "Does harm: the best trial does not beat step length (0.600)",
        ),
        ({"best": None}, "Every trial failed"),
    ):
        assert said in " ".join(text for _, text in verdicts({**report, **change}))


def test_pictures_show_what_was_done(report):
    page = render_tuning(report)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 3
    for picture in pictures:
        ElementTree.fromstring(picture)
    history, importances, parallel = pictures
    assert "trial 5" in history
    assert "as given" in history
    assert {"loop.lr", "loss", "80", "20"} <= {*re.findall(r">([^<>]+)</text>", importances)}
    for said in ("0.001", "0.1", "joint", "binomial", "0.4", "0.7"):
        assert f">{said}</text>" in parallel
    lines = re.findall(r'<path d="([^"]*)"[^>]*clip-path', parallel)
    whole = [one for one in lines if one.count("L") == 2]
    assert len(whole) == 3  # a line through three axes for each trial that came to its end


def test_with_little_to_show(report):
    bare = copy.deepcopy(report)
    bare["trials"] = [one for one in bare["trials"] if one["number"] in (3, 5)]
    bare |= {"given": None, "heldout": None, "given_halves": None, "importances": None}
    page = render_tuning(bare)
    assert len(re.findall("<svg", page)) == 1
    assert "older data" not in page
    bare["trials"] = [one for one in bare["trials"] if one["number"] == 3]
    bare["best"] = None
    page = render_tuning(bare)
    assert "None of 1 trial has come to its end" in page
    assert "<svg" not in page
    bare["trials"] = [trial(5, 0.7, 0.03, "joint"), trial(6, 0.7, 0.001, "joint")]
    bare["best"] = bare["trials"][0]
    assert len(re.findall("<svg", render_tuning(bare))) == 2


def test_a_smaller_figure_may_be_the_better_one(report):
    assert [one["number"] for one in ranked(report)] == [5, 1, 2]
    assert [one["number"] for one in ranked({**report, "direction": "minimize"})] == [2, 1, 5]
    assert [one["number"] for one in at_hand(report)] == [1, 2, 3, 4, 5]


def test_bounds():
    assert bounds_of({"low": 1, "high": 5, "step": 2}) == "1 to 5 in steps of 2"
    assert bounds_of([1, None, {"name": "joint"}]) == '1, null, {"name": "joint"}'


def test_a_page_that_cannot_be_written(report, tmp_path):
    write_tuning(tmp_path / "page.html", report)
    assert (tmp_path / "page.html").read_text() == render_tuning(report)
    with pytest.raises(StorageError):
        write_tuning(tmp_path / "absent" / "page.html", report)

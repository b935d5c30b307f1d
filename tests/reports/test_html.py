"""The report: whole, self-contained, escaped, and with every number of the summary."""

from html.parser import HTMLParser

import pytest

from surefoot.errors import StorageError
from surefoot.reports.html import render_report, write_report
from surefoot.reports.showcases import Showcase, step_rows, verdict
from surefoot.traces.types import Step, StepLabels, StepScores, Trace

HOSTILE = (
    "</style></title><script>alert(1)</script>\"'&amp;<img src=x onerror=alert(1)>"
    "\x00\u202e{{ 7*7 }}"
)
VOID = {"meta", "path", "use", "rect"}


class Page(HTMLParser):
    """The elements of a page, its text by element, and whether every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.cells, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data

    def count(self, tag):
        return sum(one == tag for one, _ in self.elements)

    def row(self, first):
        return next(row for row in self.cells if row and row[0] == first)


@pytest.fixture
def trace():
    return Trace(
        "What is 2 * 3 + 1?",
        ["2 * 3 = 5", "5 + 1 = 6", "The answer is 6."],
        answer="6",
        reference="7",
        outcome=False,
        labels=(StepLabels((-1, 1, 1), "checker"),),
        scores=(
            StepScores((0.9, 0.2, 0.8), "prm"),
            StepScores((0.7, None, 0.6), "orm", threshold=0.65),
        ),
    )


@pytest.fixture
def showcases(trace):
    return [Showcase("A miss", "Because.", trace), Showcase("None such", "not in the pool.", None)]


def test_the_page_is_well_formed_and_needs_nothing_else(summary, showcases):
    text = render_report(summary, showcases)
    page = Page(text)
    assert page.open == []
    assert text.startswith("<!doctype html>")
    for tag in ("script", "link", "img", "iframe", "object", "embed", "base", "form"):
        assert page.count(tag) == 0
    for _, attributes in page.elements:
        for name in ("src", "srcset", "action"):
            assert name not in attributes
        assert attributes.get("href", "#").startswith("#")
    assert "@import" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_dark_light_print_and_phone_are_provided_for(summary):
    text = render_report(summary, [])
    for need in ("prefers-color-scheme: dark", "@media print", "width=device-width", "overflow-x"):
        assert need in text


def test_every_method_has_its_row_with_intervals(summary):
    page = Page(render_report(summary, []))
    assert page.row("PRM vote") == [
        "PRM vote",
        "40.0 [35.0, 45.0]",
        "60.0 [55.0, 65.0]",
        "80.0 [75.0, 85.0]",
    ]
    labels = [row[0] for row in page.cells if row]
    for label in ("PRM product", "ORM", "majority", "random", "oracle", "log-prob", "step length"):
        assert labels.count(label) == 3  # right, sound, flawed
    assert page.row("PRM vote against ORM vote") == [
        "PRM vote against ORM vote",
        "right",
        "16",
        "+25.0 [−5.0, 55.0]",
        "0.400",
        "no difference shown",
    ]
    assert page.row("arithmetic checker")[1:] == [
        "40.0 [35.0, 45.0]",
        "30.0 [25.0, 35.0]",
        "50.0 [45.0, 55.0]",
        "45.0 [40.0, 50.0]",
    ]


def test_a_control_that_was_not_measured_keeps_an_empty_row(summary):
    del summary["best_of_n"]["majority"]
    summary["best_of_n"]["prm_vote"]["16"]["flawed_share"] = None
    page = Page(render_report(summary, []))
    assert page.row("majority") == ["majority", "–", "–", "–"]
    flawed = [row for row in page.cells if row and row[0] == "PRM vote"][2]
    assert flawed == ["PRM vote", "25.0 [20.0, 30.0]", "25.0 [20.0, 30.0]", "–"]


def test_the_control_arm_of_a_long_run_has_its_rows_and_is_explained(summary):
    assert "PRM control" not in render_report(summary, [])
    summary["prm-control"] = summary["prm"]
    summary["best_of_n"]["prm-control_vote"] = summary["best_of_n"]["prm_product"]
    page = Page(render_report(summary, []))
    labels = [row[0] for row in page.cells if row]
    assert labels.index("PRM product") + 1 == labels.index("PRM control vote")
    assert page.row("PRM control")[1] == "60.0 [55.0, 65.0]"
    assert "as many of the new chains drawn at random" in "".join(page.text)
    assert "".join(page.text).count("below majority") == 1  # its harm is not the PRM's


def test_harm_is_loud_and_absent_where_there_is_none(summary):
    assert "<strong>Does harm</strong>" in render_report(summary, [])
    del summary["best_of_n"]["prm_product"]
    text = render_report(summary, [])
    assert "Does harm" not in text
    assert "No choice by the PRM alone was measured." in text


def test_what_was_run_is_told(summary):
    page = Page(render_report(summary, []))
    assert page.row("test problems") == ["test problems", "12,345"]
    assert page.row("policy") == ["policy", "65.2"]
    assert page.row("peak memory") == ["peak memory", "1,312 MB"]
    assert page.row("policy.layers") == ["policy.layers", "3"]
    assert page.row("preset") == ["preset", "quick"]
    assert page.row("torch")[1].startswith("2.")
    text = "".join(page.text)
    assert "The authors are simulated" in text
    assert "What was not tried" in text
    summary["versions"] = {"torch": "1.0-of-the-run"}
    assert Page(render_report(summary, [])).row("torch") == ["torch", "1.0-of-the-run"]


def test_a_trace_shows_labels_scores_and_both_first_errors(trace):
    rows = step_rows(trace)
    assert [row.tone for row in rows] == ["wrong", "right", "right"]
    assert [row.number for row in rows] == [1, 2, 3]
    chips = [[(chip.tone, chip.text) for chip in row.chips] for row in rows]
    assert chips == [
        [("wrong", "✗ wrong"), ("right", "PRM ✓ 0.90"), ("right", "ORM ✓ 0.70"),
         ("mark", "← first error")],
        [("right", "✓ right"), ("wrong", "PRM ✗ 0.20"), ("unknown", "ORM –"),
         ("mark", "← first error by the PRM")],
        [("right", "✓ right"), ("right", "PRM ✓ 0.80"), ("wrong", "ORM ✗ 0.60"),
         ("mark", "← first error by the ORM")],
    ]  # fmt: skip
    assert [chip.text for chip in verdict(trace)] == [
        "answers 6: wrong",
        "the answer is 7",
        "✗ flawed",
    ]


def test_a_trace_without_labels_or_scores_says_so():
    bare = Trace("p", [Step("look", observation={"seen": 3}), "go"])
    rows = step_rows(bare)
    assert rows[0].text == 'look\n{"seen": 3}'
    assert [chip.text for chip in rows[1].chips] == ["· not labelled"]
    assert [chip.text for chip in verdict(bare)] == ["gives no answer: outcome not known"]


def test_neutral_and_partly_labelled_steps():
    partly = Trace("p", ["a", "b"], labels=(StepLabels((0, None)),))
    assert [row.tone for row in step_rows(partly)] == ["right", "unknown"]
    assert [chip.text for chip in verdict(partly)] == ["gives no answer: outcome not known"]


def test_missing_kinds_are_told_and_chains_can_be_opened(summary, showcases):
    page = Page(render_report(summary, showcases))
    assert page.count("details") == 1
    assert "None such: not in the pool." in "".join(page.text)


def test_hostile_text_is_only_text(summary):
    trace = Trace(
        HOSTILE,
        [HOSTILE, HOSTILE],
        answer=HOSTILE,
        reference=HOSTILE,
        outcome=False,
        scores=(StepScores((0.1, 0.2), HOSTILE),),
    )
    summary["config"] = {HOSTILE: HOSTILE}
    summary["sizes"] = {HOSTILE: 1}
    summary["seconds"] = {HOSTILE: 1.0}
    summary["versions"] = {HOSTILE: HOSTILE}
    summary["best_of_n"][HOSTILE] = summary["best_of_n"]["random"]
    text = render_report(summary, [Showcase(HOSTILE, HOSTILE, trace)])
    page = Page(text)
    assert page.open == []
    assert page.count("script") == page.count("img") == 0
    assert page.count("style") == page.count("title") - 4 == 1  # a title in each picture
    for hidden in ("\x00", "\u202e"):
        assert hidden not in text
    shown = HOSTILE.replace("\x00", "\\x00").replace("\u202e", "\\u202e")
    assert "".join(page.text).count(shown) >= 10


def test_a_report_replaces_an_older_one_whole(tmp_path, summary):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(path, summary, [])
    assert path.read_text(encoding="utf-8") == render_report(summary, [])
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path, summary):
    with pytest.raises(StorageError, match=r"report\.html: cannot write it: No such file"):
        write_report(tmp_path / "missing" / "report.html", summary, [])

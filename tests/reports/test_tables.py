"""Tables for papers: what is bold, what is escaped, and that they can be read back."""

import csv
import io
import re

import pytest

from surefoot.reports.tables import (
    Line,
    Table,
    as_csv,
    group_table,
    headline_table,
    latex,
    markdown,
    percent,
)
from surefoot.stats import Difference, Estimate

HOSTILE = r"a_b & 50% #1 $x$ {y} ~z ^w \v <b>|*`[k](u)"


@pytest.fixture
def table():
    return Table(
        "T",
        ("F1", "gap_%", "similarity"),
        (
            Line("one", (Estimate(0.5001, 0.4, 0.6), None, Estimate(0.1, 0.0, 0.2))),
            Line("two", (Estimate(0.4999, 0.4, 0.6), Estimate(0.2, 0.1, 0.3), Estimate(0.3, 0, 1))),
            Line("three", (Estimate(0.3, 0.2, 0.4), Estimate(0.1, 0.1, 0.1), None)),
            Line(
                "two less one",
                (Difference(-0.0002, -0.1, 0.1, 0.9), Difference(0.9, 0.8, 1.0, 0.002), None),
                ranked=False,
            ),
        ),
        frozenset({2}),
    )


def test_markdown(table):
    lines = markdown(table).splitlines()
    assert lines[0] == r"|  | F1 | gap\_% | similarity |"
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    # 50.0 both as printed, so both are best; nothing is best of a column without direction.
    assert lines[2] == "| one | **50.0** [40.0, 60.0] | – | 10.0 [0.0, 20.0] |"
    assert lines[3] == "| two | **50.0** [40.0, 60.0] | **20.0** [10.0, 30.0] | 30.0 [0.0, 100.0] |"
    assert lines[4].startswith("| three | 30.0 [20.0, 40.0] | 10.0")
    assert lines[5] == (
        "| two less one | 0.0 [\u221210.0, +10.0] p = 0.900 | +90.0 [+80.0, +100.0] p = 0.002 | – |"
    )


def test_latex(table):
    text = latex(table)
    assert "\\textbf{50.0} {\\scriptsize [40.0, 60.0]}" in text
    assert "gap\\_\\%" in text
    assert "[$-$10.0, +10.0] p = 0.900" in text
    assert "\u2212" not in text
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len(rows) == 5
    assert {row.count(" & ") for row in rows} == {3}


def test_csv_holds_every_number_as_it_is(table):
    header, *rows = csv.reader(io.StringIO(as_csv(table)))
    assert len(header) == 1 + 4 * 3
    assert {len(row) for row in rows} == {13}
    assert rows[0][:5] == ["one", "0.5001", "0.4", "0.6", ""]
    assert rows[0][5:9] == [""] * 4
    assert rows[3][:5] == ["two less one", "-0.0002", "-0.1", "0.1", "0.9"]


@pytest.mark.parametrize("name", [HOSTILE, "two\nlines", "=1+1", "\\", "\x1b[31m"])
def test_names_from_models_are_only_names(name):
    table = Table("T", (name,), (Line(name, (Estimate(0.5, 0.4, 0.6),)),))
    lines = markdown(table).splitlines()
    assert len(lines) == 3
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3, "no column more"
        assert "<b>" not in line
    text = latex(table)
    assert len(text.splitlines()) == 8
    body = re.sub(r"\\[\\&%$#_{}]", "", text.split("\\toprule")[1])
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0
    assert not set("#_%") & set(body)
    cell = next(csv.reader(io.StringIO(as_csv(table).split("\n", 1)[1])))[0]
    assert not cell.startswith(("=", "+", "-", "@"))


def test_percent_has_no_minus_where_it_rounds_to_zero():
    assert percent(-0.0004) == percent(-0.0004, sign=True) == "0.0"
    assert percent(0.1234) == "12.3"
    assert percent(0.1234, sign=True) == "+12.3"
    assert percent(-0.1, sign=True) == "\u221210.0"


def metrics():
    def row(name, **figures):
        return {"name": name, "figures": {k: v and at(v) for k, v in figures.items()}}

    def at(mean):
        return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}

    own = {"f1": 0.5, "gap": None, "f1/x": 0.4, "f1/y": None, "acc/y": 0.2, "other/z": 0.9}
    return {
        "title": "B",
        "headline": {"f1": "F1", "gap": "gap", "f1/x": "of x"},
        "by_group": {"f1": "F1", "acc": "accuracy"},
        "undirected": ["gap"],
        "rows": [row("m", **own), row("random", f1=0.3)],
    }


def test_the_headline_leaves_out_what_the_scorer_does_not_have():
    found = headline_table(metrics())
    assert found.headings == ("F1", "of x")
    assert [line.name for line in found.lines] == ["m", "random"]
    assert found.lines[1].figures == (Estimate(0.3, 0.3 - 0.1, 0.3 + 0.1), None)


def test_groups_are_rows_of_the_figures_that_are_shown_of_them():
    found = group_table(metrics())
    assert found.headings == ("F1", "accuracy")
    assert [line.name for line in found.lines] == ["x", "y"]
    assert [[one and one.mean for one in line.figures] for line in found.lines] == [
        [0.4, None],
        [None, 0.2],
    ]
    alone = metrics()
    del alone["rows"][0]["figures"]["acc/y"]
    assert group_table(alone) is None, "one group says what the headline says"

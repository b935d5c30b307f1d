"""docs/formats.md says what is so."""

import json
import re
from pathlib import Path

import pytest

from surefoot.traces.formats import FORMATS, labelling
from surefoot.traces.rows import trace_from_row, trace_to_row

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_table_lists_every_format_and_no_other(page):
    table = page.split("## Which formats")[1].split("##")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE) == list(FORMATS)


def test_the_losses_are_called_what_the_writers_call_them(page):
    table = page.split("## What gets lost")[1].split("##")[0]
    listed = re.findall(r"^\| ([a-z][^|]*) \|", table, re.MULTILINE)
    names = {name for cell in listed for name in cell.split(", ")}
    sources = Path(labelling.__file__).parent.glob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert len(names) > 20
    assert all(f'"{name}"' in code for name in names)


def test_the_example_row_is_one_and_loses_nothing(page):
    row = json.loads(page.split("```json")[1].split("```")[0])
    trace = trace_from_row(row)
    assert trace.labels[1].counts == ((7, 8), (0, 8))
    again = trace_to_row(trace)
    assert again.pop("id") == trace.id
    assert again["labels"][0]["values"] == row["labels"][0]["values"]
    assert set(row) == set(again)

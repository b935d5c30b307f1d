"""The pictures show the numbers, take the colours of the page and do not disturb each other."""

import re
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.reports import plots
from surefoot.reports.plots import curve, first_error_bars


@pytest.fixture
def pictures(summary):
    figures = ("accuracy", "sound", "flawed_share")
    return [
        *(curve(summary, figure, prefix=figure, title=f"{figure} & N") for figure in figures),
        first_error_bars(summary, prefix="bars", title="F1"),
    ]


def paths(svg, css):
    """The corner points of each path drawn in a colour, by the attribute `css`."""
    found = []
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        if css in element.get("style", ""):
            numbers = re.findall(r"[ML] (\S+) (\S+)", element.get("d"))
            found.append(([(float(x), float(y)) for x, y in numbers], element.get("style")))
    return found


def test_each_picture_is_one_svg_without_prolog_or_foreign_address(pictures):
    for svg in pictures:
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert set(re.findall(r"https?://[^\"]*", svg)) == {"http://www.w3.org/2000/svg"}
        assert "<style" not in svg
        assert "<metadata" not in svg


def test_ids_are_unique_on_a_page_and_every_reference_has_its_target(pictures):
    ids = [one for svg in pictures for one in re.findall(r'\bid="([^"]*)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in pictures:
        own = set(re.findall(r'\bid="([^"]*)"', svg))
        wanted = set(re.findall(r'(?:url\(#|href="#)([^")]*)', svg))
        assert wanted
        assert wanted <= own


def test_colours_come_from_the_page(pictures):
    for svg in pictures:
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]*)", svg))
        assert colours <= {"none", *plots_css()}
        assert "var(--prm, #2f7fd6)" in colours


def plots_css():
    from surefoot.reports.svg import _CSS

    return _CSS.values()


def test_the_same_summary_gives_the_same_bytes(summary):
    first, second = (curve(summary, "accuracy", prefix="a", title="t") for _ in range(2))
    assert first == second


def test_every_drawn_method_is_named_and_the_title_is_escaped(summary):
    svg = curve(summary, "sound", prefix="a", title="<&>")
    texts = ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter()]
    for label in ("PRM vote", "PRM product", "ORM vote", "majority", "random", "oracle", "16"):
        assert label in texts
    assert "<title>&lt;&amp;&gt;</title>" in svg


def test_a_curve_goes_through_the_means_inside_its_band(summary):
    summary["best_of_n"]["prm_vote"]["4"]["accuracy"].update(low=0.3, high=0.65)
    svg = curve(summary, "accuracy", prefix="a", title="t")
    lines = [
        line
        for line, style in paths(svg, "stroke: var(--prm")
        if "fill: none" in style and len(line) == 3
    ]
    vote = lines[0]
    left, middle, right = vote
    assert (middle[0] - left[0]) == pytest.approx(right[0] - middle[0], abs=1e-3)  # log2: 1, 4, 16
    rise = (left[1] - middle[1]) / (left[1] - right[1])
    assert rise == pytest.approx((0.60 - 0.40) / (0.80 - 0.40), abs=1e-4)
    point = (left[1] - right[1]) / (0.80 - 0.40)
    bands = svg[svg.index('id="a-FillBetweenPolyCollection_1"') :]
    corners = re.findall(r"[ML] (\S+) (\S+)", bands[: bands.index("</defs>")])
    shift = float(re.search(r'<use [^>]*y="([^"]*)"', bands)[1])
    ends = [
        (left[1] - float(y) - shift) / point + 0.40
        for x, y in corners
        if float(x) == pytest.approx(middle[0])
    ]
    assert (min(ends), max(ends)) == pytest.approx((0.3, 0.65), abs=1e-4)


def test_bars_are_as_long_as_the_figures(summary):
    svg = first_error_bars(summary, prefix="b", title="t")
    widths = {}
    for family in ("prm", "orm"):
        ((corners, _),) = paths(svg, f"fill: var(--{family}")
        widths[family] = max(x for x, _ in corners) - min(x for x, _ in corners)
    assert widths["prm"] / widths["orm"] == pytest.approx(0.6 / 0.2, rel=1e-4)
    for text in ("60.0", "20.0", "40.0", "arithmetic checker"):
        assert f">{text}</text>" in svg


def test_what_was_not_measured_is_left_out(summary):
    summary["orm"]["first_error_f1"] = None
    del summary["arithmetic"]
    svg = first_error_bars(summary, prefix="b", title="t")
    assert "arithmetic" not in svg
    assert paths(svg, "fill: var(--orm") == []
    for row in summary["best_of_n"]["oracle"].values():
        row["flawed_share"] = None
    assert ">oracle</text>" not in curve(summary, "flawed_share", prefix="a", title="t")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).map(sorted))
def test_names_are_moved_apart_as_little_as_can_be(heights):
    places = plots._spread(heights)
    gaps = [b - a for a, b in pairwise(places)]
    assert all(gap >= plots._LABEL_GAP - 1e-9 for gap in gaps)
    assert sum(places) == pytest.approx(sum(heights))
    apart = [b - a >= plots._LABEL_GAP for a, b in pairwise(heights)]
    if all(apart):
        assert places == pytest.approx(heights)


def test_reports_load_nothing_heavy_until_they_draw():
    code = (
        "import sys, surefoot.reports.html, surefoot.reports.terminal, surefoot.demo.showcase; "
        "print([m for m in ('torch', 'transformers', 'matplotlib', 'jinja2', 'numpy', 'pyarrow') "
        "if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr

"""The report of search results, opened in a real Chromium from disk."""

import shutil
from dataclasses import replace
from io import StringIO

import pytest

from made_results import made_result
from surefoot.reports.search_page import write_search_page
from surefoot.reports.search_rows import rows_of, worth_opening
from surefoot.reports.search_terminal import text_tree

HOSTILE = "</script></style></title><img src=http://example.org/x onerror=hacked()>\"'\x00\u202e"


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium is installed, so no page can be opened")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def some():
    return [
        made_result(),
        made_result(answer="3"),
        made_result(answer="3", reference="5", ended="budget"),
        made_result(HOSTILE, answer=HOSTILE, problem=HOSTILE),
        replace(made_result(), solutions=(), ended="no solution", why="nothing is left"),
    ]


def opened(browser, path, **settings):
    page = browser.new_context(**settings).new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    for one in page.locator("details.trace").all():
        one.evaluate("it => it.open = true")
    assert said == []
    assert asked == [path.as_uri()]
    return page


def test_rows_are_of_the_kinds_they_are(some):
    rows = rows_of(some)
    assert [row.outcome for row in rows] == [True, False, False, None, False]
    assert [row.kinds for row in rows] == [
        ("right",),
        ("wrong",),
        ("missed", "wrong", "early"),
        ("unknown",),
        ("wrong", "early"),
    ]
    assert worth_opening(rows, each=1) == [2, 1, 0, 3]
    better = replace(some[1].solutions[0], reward=0.9)
    high = rows_of([some[0], replace(some[1], solutions=(better,))])
    assert high[1].kinds == ("convincing", "wrong")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_opens_without_a_word_and_fits(browser, tmp_path, some, scheme, width):
    path = tmp_path / "page.html"
    write_search_page(path, some)
    page = opened(browser, path, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for tag in ("script", "img", "iframe"):
        assert page.locator(tag).count() == 0
    assert page.locator(".sf-tree svg[role=img]").count() == 5
    tip = page.locator(".sf-tip").nth(2)
    assert not tip.is_visible()
    page.locator(".sf-tree button").nth(2).focus()
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert "given up for better ones" in tip.inner_text()
    page.emulate_media(media="print")
    assert not tip.is_visible()


def test_the_filters_need_no_script(browser, tmp_path, some):
    path = tmp_path / "page.html"
    write_search_page(path, some)
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator("tr.item:visible").count() == 5
    page.locator("#show-early").check()
    assert page.locator("tr.item:visible").count() == 2
    assert page.locator("details.item:visible").count() == 2


def test_a_text_tree_has_a_line_for_each_step(some):
    from rich.console import Console

    console = Console(width=100, record=True, file=StringIO())
    console.print(text_tree(some[0]))
    lines = console.export_text().splitlines()
    assert len(lines) == 8
    assert sum("━" in line for line in lines) == 3
    assert sum("◉" in line for line in lines) == 2
    assert sum("×  step f" in line or "× step f" in line for line in lines) == 1


@pytest.mark.slow
def test_two_hundred_problems_open_at_once(browser, tmp_path):
    big = made_result("Adding the two numbers gives four, as we have seen before")
    wide = replace(big, tree=big.tree + big.tree[2:3] * 150)
    path = tmp_path / "page.html"
    write_search_page(path, [wide] * 200)
    assert path.stat().st_size < 5_000_000
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert took < 3_000
    print(path.stat().st_size, took)

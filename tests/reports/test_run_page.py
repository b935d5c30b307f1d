"""The report of a run, opened in a real Chromium from disk."""

import shutil
from dataclasses import replace

import pytest

from made_runs import SCORER, made_traces, make_run
from surefoot.reports.run_page import render_run_page, write_run_page
from surefoot.traces.types import StepLabels, StepScores, Trace

HOSTILE = (
    "</style></title></script><script>window.hacked=1</script>\"'"
    "<img src=http://example.org/x onerror=window.hacked=1>\x00\u202e"
    "$\\href{javascript:window.hacked=1}{x}$ $\\text{</mtext><script>window.hacked=1</script>}$ "
    "$\\style{background:url(http://example.org/)}{x}$ {{ 7*7 }}"
)


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


class Opened:
    """A page opened from disk, with what it said and asked for."""

    def __init__(self, browser, path, **settings):
        context = browser.new_context(**settings)
        self.page = context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def assert_quiet(self, path):
        assert self.said == []
        assert self.asked == [path.as_uri()]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "algebra"
    line = [{"n": n, "mean": 0.4 + n / 100, "low": 0.3, "high": 0.7} for n in (1, 4, 16)]
    run = make_run(
        folder,
        made_traces(120),
        warnings=["majority voting is right more often: this scorer does harm"],
        left_out={"first error not known": 3},
        curves={"x": "N", "lines": {"prm_vote": line, "majority": line}},
    )
    return write_run_page(run)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_opens_without_a_word_or_a_request_and_fits(browser, report, scheme, width):
    opened = Opened(browser, report, color_scheme=scheme, viewport={"width": width, "height": 800})
    opened.assert_quiet(report)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script").count() == 0
    assert "Does harm" in page.locator(".harm").inner_text()
    assert page.get_by_role("rowheader", name="first error not known").is_visible()
    assert page.locator("svg[role=img][aria-label]:visible").count() == 4
    assert page.locator("figure.narrow").is_visible() == (width == 390)
    assert page.locator("figure.wide").is_visible() == (width == 1200)
    box = page.locator("math mfrac").first
    assert box.count() == 1
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_filters_work_by_keyboard_and_need_no_script(browser, report):
    page = Opened(browser, report, java_script_enabled=False).page
    alarms = page.locator("details.trace:visible").count()
    assert alarms == page.locator("details.is-alarm").count() > 0
    page.locator("#show-alarm").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#show-convincing").is_checked()
    shown = page.locator("details.trace:visible")
    assert shown.count() == page.locator("details.is-convincing").count() == 20
    assert page.locator("details.trace:visible:not(.is-convincing)").count() == 0
    for line in shown.locator("summary").all_inner_texts():
        assert "✗ wrong answer" in line


def test_on_paper_stand_only_open_traces(browser, report):
    page = Opened(browser, report).page
    page.emulate_media(media="print")
    assert page.locator("details.trace:visible").count() == 1
    assert not page.locator("fieldset").is_visible()
    assert page.locator(".paper").is_visible()


def test_the_matrix_counts_every_labelled_trace(browser, tmp_path):
    def one(i, labels, values):
        return Trace(
            f"p{i}",
            ["a", "b"],
            labels=(StepLabels(labels),),
            scores=(StepScores(values, SCORER),),
        )

    traces = [
        one(0, (1, 1), (0.9, 0.9)),
        one(1, (1, -1), (0.9, 0.1)),
        one(2, (1, -1), (0.2, 0.1)),
        one(3, (-1, None), (0.7, 0.9)),
    ]
    report = write_run_page(make_run(tmp_path / "run", traces))
    page = Opened(browser, report).page
    rows = [row.split() for row in page.locator(".matrix tbody tr").all_inner_texts()]
    assert rows == [
        ["0", "·", "·", "1"],
        ["1", "1", "1", "·"],
        ["none", "·", "·", "1"],
    ]
    alarm = page.locator("details.is-alarm summary").all_inner_texts()
    assert len(alarm) == 1
    assert "right step 0 scores 0.20" in alarm[0]
    miss = page.locator("details.is-miss summary").all_text_contents()
    assert len(miss) == 1
    assert "wrong step 0 scores 0.70" in miss[0]


def test_hostile_text_is_inert(browser, tmp_path):
    plain = made_traces(8)
    bad = [
        replace(
            one,
            problem=f"{HOSTILE} {i}",
            steps=tuple(replace(step, text=HOSTILE + "x" * 100_000) for step in one.steps),
            answer=HOSTILE,
            reference=HOSTILE,
        )
        for i, one in enumerate(made_traces(8, seed=1))
    ]
    run = make_run(
        tmp_path / "run",
        plain + bad,
        warnings=[HOSTILE],
        left_out={HOSTILE: 1},
        details={HOSTILE: {HOSTILE: HOSTILE}},
        verdict=HOSTILE,
        curves={"x": HOSTILE, "lines": {HOSTILE: [{"n": 1, "mean": 0, "low": 0, "high": 1}]}},
        more={HOSTILE: HOSTILE},
    )
    report = write_run_page(run)
    opened = Opened(browser, report)
    for one in opened.page.locator("details").all():
        one.evaluate("it => it.open = true")
    opened.page.wait_for_timeout(100)
    opened.assert_quiet(report)
    assert opened.page.evaluate("window.hacked") is None
    for tag in ("script", "img", "a", "iframe"):
        assert opened.page.locator(tag).count() == 0
    assert opened.page.locator("[href^=java], math [style], math [href]").count() == 0
    text = report.read_text(encoding="utf-8")
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "more characters" in text
    assert len(text) < 2_000_000


def test_what_a_run_lacks_is_not_there(tmp_path):
    bare = [
        Trace(f"p{i}", ["a"], outcome=i > 1, scores=(StepScores((i - 5.0,), SCORER, "reward"),))
        for i in range(4)
    ]
    run = make_run(tmp_path / "run", made_traces(20))
    text = render_run_page(replace(run, metrics={"kind": "bon", "title": "pools"}), bare)
    for absent in ("Where is the first error?", "Reliability", "Left out", "Does harm"):
        assert absent not in text
    assert "high score, wrong answer" in text


@pytest.mark.slow
def test_ten_thousand_traces_open_at_once(browser, tmp_path):
    traces = made_traces(10_000)
    report = write_run_page(make_run(tmp_path / "run", traces, num_resamples=20), traces)
    assert report.stat().st_size < 5_000_000
    page = Opened(browser, report).page
    took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert took < 3_000
    print(report.stat().st_size, took)

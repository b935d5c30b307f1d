"""Runs side by side: tables, and the page opened in a real Chromium."""

import shutil
from dataclasses import replace

import pytest

from made_runs import made_traces
from surefoot.evals.benchmark import Options, evaluate
from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.evals.compare import compare
from surefoot.evals.run import RunConfig, begin_run, finish_run, read_run
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.reports.comparison import comparison_table, group_tables, write_comparison
from surefoot.traces.store import write_traces

HOSTILE = "</style><script>window.hacked=1</script><img src=http://example.org/x>"


def run_of(folder, model, name):
    traces = [replace(one, scores=(), meta={"subset": one.source}) for one in made_traces(60)]
    scores = [replace(model.score(one), model=name) for one in traces]
    benchmark, options = BENCHMARKS["processbench"], Options(num_resamples=100)
    config = RunConfig(kind="processbench", scorer=name, files=("f",), options=options)
    begin_run(folder, config)
    write_traces(
        folder / "scores.jsonl",
        [replace(one, scores=(own,)) for one, own in zip(traces, scores, strict=True)],
    )
    about = {
        "kind": "processbench",
        "title": benchmark.title,
        "headline": dict(benchmark.headline),
        "by_group": dict(benchmark.by_group),
    }
    finish_run(folder, {**about, **evaluate(benchmark, traces, scores, options).to_json()})
    return read_run(folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    length = run_of(folder / "a", StepLength(), "length")
    return compare([length, run_of(folder / "b", RandomScores(), f"random {HOSTILE}")])


def test_tables_have_the_runs_and_their_difference(found):
    first, second, gap = comparison_table(found).lines
    assert gap.name.endswith("less length")
    assert gap.figures[0] == found.gaps[0]["f1"]
    means = [line.figures[0].mean for line in (first, second)]
    assert gap.figures[0].mean == pytest.approx(means[1] - means[0])
    groups = group_tables(found)
    assert [line.name for line in groups["f1"].lines] == ["easy", "hard"]
    own, other, less = groups["f1"].lines[0].figures
    assert less == found.gaps[0]["f1/easy"]
    assert less.mean == pytest.approx(other.mean - own.mean)


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_quiet_fits_and_escapes(found, tmp_path, width):
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium is installed, so no page can be opened")
    from playwright.sync_api import sync_playwright

    place = write_comparison(found, tmp_path / "compared.html")
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(place.as_uri())
        assert (said, asked) == ([], [place.as_uri()])
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("script, img").count() == 0
        rows = page.locator("table").first.locator("tbody tr").all_inner_texts()
        assert len(rows) == 3
        pictures = page.locator("svg[role=img]").all()
        assert len(pictures) == 1 + len(group_tables(found))
        assert pictures[0].get_attribute("aria-label").startswith("Differences: F1 ")
        tones = page.locator(".verdicts li").evaluate_all("all => all.map(one => one.className)")
        gap = found.gaps[0]["f1"]
        wanted = "better" if gap.low > 0 else "worse" if gap.high < 0 else "same"
        assert tones[0] == wanted
        browser.close()

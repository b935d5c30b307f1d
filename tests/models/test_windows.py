"""Every step of a long trace is scored once, in a window that is scored as any text is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from published_tokenizers import llama3, qwen
from surefoot.errors import UnscorableError
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import Renderer, Text, text_of
from surefoot.models.template import Template
from surefoot.models.windows import windows
from surefoot.traces.types import Trace

TAGS = Template(
    prompt="{user}{problem}{assistant}", step="{n}: {step}<extra_0>{slot}", between=" ", end="{end}"
)
PREFIXES = Template(
    prompt="{user}{problem}{assistant}", past="{n}: {step} ", step="{n}: {step}{end}{slot}"
)
NO_CUTS = Template(prompt="{problem}\n", step="{numbered} ки{slot}", between="\n")
TEMPLATES = [TAGS, PREFIXES, NO_CUTS]
words = st.text(st.sampled_from("ab 1\n数"), min_size=1, max_size=25).map(lambda one: f"x{one}x")


def windows_of(template, problem, steps, room):
    renderer = Renderer(template, qwen())
    text = Text(problem, tuple(steps))
    (rows,) = renderer([text])
    return windows(text, rows, renderer, room)


@settings(max_examples=60, deadline=None)
@given(
    template=st.sampled_from(TEMPLATES),
    steps=st.lists(words, min_size=1, max_size=12),
    room=st.integers(75, 150),
)
def test_every_step_is_read_once_and_in_order(template, steps, room):
    found = windows_of(template, "problem", steps, room)
    read = []
    for window, rows in found:
        begin = window.first
        assert window.problem == "problem"
        assert window.steps == tuple(steps[begin : begin + len(window.steps)])
        assert rows == Renderer(template, qwen())([window])[0]
        assert max(len(row.ids) for row in rows) <= room
        read += [begin + step for row in rows for step in row.steps]
        assert sum(len(row.slots) for row in rows) == len(window.steps) - window.read_from
    assert read == list(range(len(steps)))


@pytest.mark.parametrize("template", TEMPLATES)
def test_numbers_go_on(template):
    steps = [f"is {i} of them" for i in range(30)]
    found = windows_of(template, "p", steps, 120)
    assert len(found) > 2
    for window, rows in found:
        for row in rows:
            shown = qwen().decode(row.ids)
            last = window.first + row.steps[-1]
            number = f"Step {last + 1}: " if template is NO_CUTS else f"{last + 1}: "
            assert f"{number}is {last} of them" in shown
            assert f"is {last + 1} of them" not in shown


@pytest.mark.parametrize("template", [TAGS, NO_CUTS])
def test_a_window_begins_with_steps_before_it_for_about_half_the_room(template):
    found = windows_of(template, "p", ["ten of them"] * 60, 150)
    behind = [len(qwen().encode("ten of them")) * window.read_from for window, _ in found[1:]]
    assert min(behind) > 15
    assert max(behind) <= 75
    assert len(found) < 30


def test_a_row_for_each_step_has_all_the_steps_before_it_that_fit():
    steps = [f"is {i} of them" for i in range(30)]
    renderer = Renderer(PREFIXES, qwen())
    text = Text("p", tuple(steps))
    (whole,) = renderer([text])
    found = windows_of(PREFIXES, "p", steps, 150)
    assert [len(rows) for _, rows in found] == [1] * 30
    for k, (window, (row,)) in enumerate(found):
        if len(whole[k].ids) <= 150:
            assert row == whole[k]
        else:
            more = window._replace(
                steps=tuple(steps[window.first - 1 : k + 1]),
                first=window.first - 1,
                read_from=window.read_from + 1,
            )
            assert len(renderer([more])[0][0].ids) > 150 - 15


def test_a_slot_that_a_windows_end_runs_into_is_refused():
    """A full stop and the line ends behind the last step are one token in qwen's tokenizer."""
    template = Template(prompt="{problem}\n", step="{step}{slot}", between=" ", end="\n\n")
    steps = ["so 3."] * 40 + ["so 3"]
    with pytest.raises(UnscorableError, match="reaches into what follows"):
        windows_of(template, "p", steps, 60)


@pytest.mark.parametrize("template", [TAGS, NO_CUTS])
def test_what_fits_is_one_window(template):
    steps = [f"step {i}" for i in range(5)]
    renderer = Renderer(template, qwen())
    text = Text("p", tuple(steps))
    (rows,) = renderer([text])
    room = max(len(row.ids) for row in rows)
    assert windows(text, rows, renderer, room) == [(text, rows)]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_step_that_no_window_holds_is_named(template):
    steps = ["short", "long " * 50, "short"]
    with pytest.raises(UnscorableError, match=r"the problem and step 1 alone have \d+ tokens"):
        windows_of(template, "p", steps, 60)


READINGS = {
    "tags": (qwen, TAGS, Reading()),
    "before the tags": (qwen, TAGS, Reading(shift=-1)),
    "prefixes": (llama3, PREFIXES, Reading(link="sigmoid", classes=1)),
}


@pytest.fixture
def scorer(small_model, request):
    make, template, reading = READINGS[request.param]
    model = small_model(task="scorer", tokenizer=make(), vocab_size=600, num_labels=reading.classes)
    contract = Contract(template=template, reading=reading, max_tokens=110)
    return DiscriminativeModel(model, make(), contract, name="w", long="windows")


@torch.no_grad()
def plainly(scorer, window):
    """The scores that the model gives the rows of a window, by itself and step by step."""
    (rows,) = scorer.renderer([window])
    found = []
    for row in rows:
        logits = scorer.model(input_ids=torch.tensor([row.ids])).logits[0].double()
        for slot in row.slots:
            z = logits[slot + scorer.contract.reading.shift]
            odds = z[1] - z[0] if len(z) == 2 else z[0]
            found.append(float(torch.sigmoid(odds)))
    return found


@pytest.mark.parametrize("scorer", READINGS, indirect=True)
def test_scores_are_those_of_the_windows(scorer):
    long = Trace("p <extra_0>", [f"step {i} so {i}<extra_0>" for i in range(40)])
    short = Trace("p <extra_0>", ["a", "b"])
    scores = scorer.score([short, long, short, long])
    text = text_of(long)
    (rows,) = scorer.renderer([text])
    wanted = []
    for window, _ in windows(text, rows, scorer.renderer, 110):
        wanted += plainly(scorer, window)
    assert len(wanted) == 40
    assert scores[1].values == pytest.approx(wanted, abs=1e-5)
    assert scores[3] == scores[1]
    assert scores[0].values == pytest.approx(plainly(scorer, text_of(short)), abs=1e-5)
    assert scores[2] == scores[0]
    assert scorer.windowed == 2
    assert max(wanted) - min(wanted) > 0.1


@pytest.mark.parametrize("scorer", READINGS, indirect=True)
def test_without_windows_a_long_trace_is_an_error(scorer):
    scorer.long = "error"
    with pytest.raises(UnscorableError, match=r"in 40 steps, the contract allows 110; .* windows"):
        scorer.score(Trace("p", [f"step {i} so {i}" for i in range(40)]))
    assert scorer.windowed == 0


@pytest.mark.parametrize("scorer", ["tags"], indirect=True)
def test_a_long_trace_may_be_spread_over_groups(scorer, monkeypatch):
    long = Trace("p", [f"step {i} so {i}" for i in range(40)])
    others = [Trace("p", [f"{i}"] * 3) for i in range(10)]
    whole = scorer.score([*others, long, *others[::-1]])
    monkeypatch.setattr("surefoot.models.discriminative.GROUP_TOKENS", 150)
    spread = scorer.score([*others, long, *others[::-1]])
    for one, other in zip(whole, spread, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-5)

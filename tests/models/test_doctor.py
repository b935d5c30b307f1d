"""Every fault that is put into the traces is found, named and counted, and nothing else is."""

import gc
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import published_tokenizers
import surefoot
from made_up import traces as made_up_traces
from surefoot.errors import AlignmentError, UnscorableError
from surefoot.models import data_findings
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.doctor import examine
from surefoot.models.log_ratio import LogRatioModel
from surefoot.models.profiles import profiles
from surefoot.models.render import Rendered, Renderer, text_of
from surefoot.models.template import Template
from surefoot.traces.layout import Layout
from surefoot.traces.types import Step, StepLabels, Trace

PROBLEM = "Keep only the last digit. Start with 5. Step 1: add 8."


def labelled(steps, *values, problem=PROBLEM, source="human", **rest):
    return Trace(problem, steps, labels=[StepLabels(values, source, **rest)])


CLEAN = [
    labelled(["5 + 8 = 13.", "The answer is 3."], 1, 1),
    labelled(["5 + 8 = 14.", "The answer is 4."], -1, None),
]


@pytest.fixture
def make(small_model, small_tokenizer, tmp_path):
    """A scorer with a template, saved and loaded back."""

    def made(template=None, *, long="error", tokenizer=small_tokenizer, name="prm", **contract):
        layout = Contract.for_layout(tokenizer, Layout("\n\n", " ки\n"))
        agreed = Contract(
            template=template or layout.template, **{"max_tokens": 128, "pinned": {}, **contract}
        )
        task = "scorer" if agreed.reading.head == "layers" else "causal"
        model = small_model(task=task, tokenizer=tokenizer)
        DiscriminativeModel(model, tokenizer, agreed, name=name).save(tmp_path / name)
        return surefoot.load(tmp_path / name, long=long)

    return made


@pytest.fixture
def prm(make):
    return make()


def found(findings):
    """Kinds and counts of errors, and of warnings."""
    return (
        {one.kind: one.count for one in findings.errors},
        {one.kind: one.count for one in findings.warnings},
    )


def one(findings, kind):
    (finding,) = [f for f in (*findings.errors, *findings.warnings) if f.kind == kind]
    return finding


def test_a_clean_set_is_clean(prm):
    findings = examine(CLEAN, prm, samples=1)
    assert found(findings) == ({}, {})
    assert (findings.model, findings.traces, findings.steps) == ("prm", 2, 4)
    tokens = findings.tokens
    assert (tokens.rows, tokens.steps, tokens.slots, tokens.slots_per_step) == (2, 4, 4, 1)
    assert (tokens.max_tokens, tokens.behind) == (128, 0)
    (sample,) = findings.samples
    (row,) = sample.rows
    assert (sample.row, sample.trace) == (1, CLEAN[0].id)
    assert tokens.longest == len(row.ids)
    assert tokens.tokens == 2 * len(row.ids)
    (slot,) = tokens.slot_tokens
    assert (slot.id, slot.token, slot.count) == (row.ids[row.slots[0]], "\n", 4)
    findings.raise_errors()


def test_a_sample_says_what_stands_where(prm):
    (sample,) = examine(CLEAN, prm, samples=1).samples
    (row,) = sample.rows
    pieces = [(span.kind, span.text, span.step) for span in row.spans]
    assert pieces == [
        ("problem", PROBLEM, None),
        ("template", "\n\n", None),
        ("step", "5 + 8 = 13.", 0),
        ("template", " ки\n", 0),
        ("step", "The answer is 3.", 1),
        ("template", " ки\n", 1),
    ]
    for span in row.spans:
        assert "".join(row.texts[span.begin : span.end]) == span.text
    assert [span.begin for span in row.spans[1:]] == [span.end for span in row.spans[:-1]]
    assert row.slots == [row.spans[3].end - 1, row.spans[5].end - 1]


def test_a_sign_of_several_tokens_is_shown_at_the_last(prm):
    (sample,) = examine([labelled(["数a"], 1)], prm, samples=1).samples
    (row,) = sample.rows
    (span,) = [span for span in row.spans if span.kind == "step"]
    assert row.texts[span.begin : span.end] == ("", "", "数", "a")


def test_what_is_lost_to_length_is_counted(make):
    long = labelled(["5 + 8 = 13."] * 40, *[1] * 38, None, -1)
    model = make()
    findings = examine([*CLEAN, long], model)
    assert found(findings) == ({"too-long": 1}, {})
    error = one(findings, "too-long")
    ((row,),) = model.renderer([text_of(long)])
    beyond = [k for k, slot in enumerate(row.slots) if slot >= 128]
    assert f"beyond it: {len(beyond)} steps with {len(beyond) - 1} labels" in error.what
    (place,) = error.places
    assert (place.row, place.trace, place.step) == (3, long.id, beyond[0])
    with pytest.raises(AlignmentError, match="not fit for prm: longer than the contract's 128"):
        findings.raise_errors()


def test_one_token_too_many_loses_one_step(make):
    (length,) = {len(row.ids) for row in make().renderer([text_of(CLEAN[0])])[0]}
    assert found(examine(CLEAN, make(max_tokens=length, name="exact"))) == ({}, {})
    error = one(examine(CLEAN[:1], make(max_tokens=length - 1, name="short")), "too-long")
    assert "beyond it: 1 steps with 1 labels" in error.what
    assert error.places[0].step == 1


def test_in_windows_only_what_no_window_holds_is_an_error(make):
    long = labelled(["5 + 8 = 13."] * 40, *[1] * 40)
    hopeless = labelled(["5" * 200], 1)
    findings = examine([*CLEAN, long, hopeless], make(long="windows"))
    assert found(findings) == ({"too-long": 1}, {"windowed": 1})
    assert one(findings, "too-long").places[0].row == 4
    assert one(findings, "windowed").places[0].row == 3


def test_a_slot_whose_token_reaches_on_is_an_error(make):
    model = make(Template(prompt="{problem}\n", step="{step}{slot}t is{cut}"))
    merging = labelled(["It is 3", "It is gi"], 1, -1)
    findings = examine([*CLEAN, merging], model)
    assert found(findings)[0] == {"merged-slot": 1}
    assert (one(findings, "merged-slot").places[0].row) == 3
    assert (one(findings, "merged-slot").places[0].step) == 1
    assert findings.tokens.behind == 2
    with pytest.raises(UnscorableError):
        model.score(merging)


def test_to_a_sum_over_tokens_a_merged_slot_is_a_warning(small_model, small_tokenizer):
    contract = Contract(
        template=Template(prompt="{problem}\n", step="{step}{slot}t is{cut}"),
        reading=Reading(head="token-log-ratio", link="log-ratio"),
        aggregate="last",
        max_tokens=128,
    )
    ours, theirs = small_model(seed=0), small_model(seed=1)
    model = LogRatioModel(ours, theirs, small_tokenizer, contract, name="ratio")
    findings = examine([*CLEAN, labelled(["It is gi"], 1)], model)
    assert found(findings) == ({}, {"merged-slot": 1})


def test_a_tag_that_is_no_token_of_its_own_any_more_is_an_error(make):
    model = make(Template(prompt="{problem}\n", step="{step}t is{slot}{cut}"))
    findings = examine([*CLEAN, labelled(["It is gi"], 1)], model)
    assert found(findings)[0] == {"lost-tag": 1}
    assert one(findings, "lost-tag").places[0].row == 3
    assert {token.token for token in findings.tokens.slot_tokens} == {"t is", "git is"}


def test_a_tag_that_merges_with_usual_ends_is_how_the_model_learnt_it(make):
    tokenizer = published_tokenizers.qwen()
    model = make(Template(prompt="{problem}\n", step="{step}\n\n{slot}{cut}"), tokenizer=tokenizer)
    findings = examine(CLEAN, model)
    assert found(findings) == ({}, {"lost-tag": 4})


def test_a_token_of_step_and_template_is_told(make):
    model = make(Template(prompt="{problem}\n", step="Step {n}:{step}{cut}\n{slot}{cut}"))
    findings = examine([*CLEAN, labelled([" add 8."], 1)], model)
    assert found(findings) == ({}, {"merged-text": 1})
    assert one(findings, "merged-text").places[0].row == 3


@pytest.mark.parametrize("step", ["{step}{slot}{cut}", "{step}{cut}\n{slot}{cut}"])
def test_a_step_without_a_token_is_an_error(make, step):
    model = make(Template(prompt="{problem}\n{cut}", step=step, replace=(("ки", ""),)))
    findings = examine([*CLEAN, labelled(["3", "ки", "киa", "ки"], 1, 1, 1, -1)], model, samples=3)
    assert found(findings) == ({"no-token": 2}, {})
    assert (one(findings, "no-token").places[0].row) == 3
    assert (one(findings, "no-token").places[0].step) == 1
    assert len(findings.samples) == 3


def test_a_step_within_the_last_token_of_the_prompt_is_an_error(make):
    model = make(Template(prompt="{problem}\nt", step="{step}{slot}{cut}"))
    findings = examine([*CLEAN, labelled([" is", " is"], 1, 1)], model)
    assert found(findings)[0] == {"no-token": 1}
    assert one(findings, "no-token").places[0].step == 0


def test_slots_are_held_against_steps(prm):
    class Forgetful(Renderer):
        def __call__(self, texts, **options):
            written = super().__call__(texts, **options)
            for rows in written:
                for row in rows:
                    if len(row.slots) == 2:
                        row.slots.pop()
            return [[forget(row) for row in rows] for rows in written]

    def forget(row):
        return replace(row, steps=row.steps[: len(row.slots)])

    prm.renderer = Forgetful(prm.contract.template, prm.tokenizer)
    findings = examine([*CLEAN, labelled(["3"], 1)], prm)
    assert found(findings) == ({"slot-count": 2}, {})
    assert (findings.tokens.slots, findings.tokens.steps) == (3, 5)


def test_an_observation_that_is_not_written_is_an_error(prm):
    seen = Trace("?", ["look", Step("", observation="a door"), Step("go", observation=1)])
    findings = examine([*CLEAN, seen], prm, samples=3)
    errors, warnings = found(findings)
    assert errors == {"observation": 2}
    assert warnings == {"blank": 1, "unlabelled": 1}
    assert "step 1" in findings.samples[2].refusal
    assert findings.tokens.steps == 4


def test_labels_that_are_all_missing_are_an_error(prm):
    masked = labelled(["a", "b"], None, None)
    other = masked.with_labels(StepLabels((1, None), "judge"))
    findings = examine([*CLEAN, masked, other], prm)
    assert found(findings) == ({"all-masked": 1}, {"duplicate": 1})
    assert one(findings, "all-masked").places[0].row == 3
    human, judge = findings.labels
    assert (human.source, human.masked_traces, judge.masked_traces) == ("human", 2, 0)


def test_no_labels_at_all_are_no_fault(prm):
    findings = examine([Trace(PROBLEM, ["a"]), Trace(PROBLEM, ["b"])], prm)
    assert found(findings) == ({}, {})
    assert findings.labels == ()


def test_traces_without_labels_among_others_are_told(prm):
    findings = examine([*CLEAN, Trace("?", ["a"])], prm)
    assert found(findings) == ({}, {"unlabelled": 1})


def test_no_trace_is_an_error(prm):
    assert found(examine([], prm)) == ({"nothing": 0}, {})


def test_the_balance_of_labels(prm):
    traces = [
        labelled(["a", "b", "c"], 1, 0, -1),
        labelled(["d", "e"], 1, 1),
        labelled(["f", "g"], None, -1),
        labelled(["h", "i", "j"], 0.75, 0.5, 0.25, source="rollout", scale="value"),
    ]
    human, rollout = examine(traces, prm).labels
    assert (human.source, human.traces, human.masked_traces) == ("human", 3, 0)
    assert (human.right, human.neutral, human.wrong, human.unlabelled) == (3, 1, 2, 1)
    assert human.majority == 0.5
    assert (dict(human.first_errors), human.no_error, human.unknown) == ({2: 1}, 1, 1)
    assert (rollout.source, rollout.right, rollout.wrong) == ("rollout", 2, 1)
    assert dict(rollout.first_errors) == {2: 1}


def test_labels_of_one_kind_only_are_told(prm):
    findings = examine([labelled(["a", "b"], 1, 1), labelled(["c"], 1)], prm)
    assert found(findings) == ({}, {"one-class": 3})
    assert "source human says right" in one(findings, "one-class").what


def test_contradictions_about_the_same_step_are_told(prm):
    traces = [
        labelled(["a", "b", "c"], 1, 1, 1),
        labelled(["a", "b", "d"], 1, -1, 1),
        labelled(["a", "b", "e"], 1, -1, -1),
        labelled(["b"], -1),
        labelled(["a", "b", "f"], -1, 1, 1, source="judge"),
        labelled(["a", "b", "g"], 0, None, 1),
        labelled(["a"], -1, problem="other"),
    ]
    findings = examine(traces, prm)
    assert found(findings) == ({}, {"conflict": 1})
    (place,) = one(findings, "conflict").places
    assert (place.row, place.step, place.other, place.trace) == (2, 1, 1, traces[1].id)
    both = labelled(["a"], 1).with_labels(StepLabels((-1,), annotator="other"))
    assert found(examine([both], prm))[1] == {"conflict": 1}


def test_repeated_traces_are_told(prm):
    findings = examine([*CLEAN, CLEAN[1], CLEAN[0], CLEAN[1]], prm)
    assert found(findings) == ({}, {"duplicate": 3})
    places = one(findings, "duplicate").places
    assert [(place.row, place.other) for place in places] == [(3, 2), (4, 1), (5, 2)]


def test_what_memory_does_not_reach_is_told(prm, monkeypatch):
    monkeypatch.setattr(data_findings, "MOST_REMEMBERED", 2)
    findings = examine([*CLEAN, labelled(["c"], 1), labelled(["c"], 1), CLEAN[0]], prm)
    assert found(findings) == ({}, {"duplicate": 1, "not-remembered": 5})
    assert "first 2 different" in one(findings, "not-remembered").what


def test_blank_steps_are_told(prm):
    findings = examine([labelled(["\u200b", "a", "\ufeff \u00ad"], 1, -1, 1)], prm)
    assert found(findings) == ({}, {"blank": 2})
    assert one(findings, "blank").places[0].step == 0


def test_tags_and_special_tokens_in_text_are_told(make):
    model = make(Template(prompt="{problem}<|im_end|>", step="{step}{cut} ки{slot}{cut}"))
    traces = [
        labelled(["a ки b", "c"], 1, -1),
        labelled(["d", "e ки <end>"], 1, -1),
        labelled(["f"], 1, problem="Is <pad> or <|im_end|> a word?"),
        labelled(["<end"], 1),
    ]
    findings = examine(traces, model)
    assert found(findings) == ({}, {"marker": 3, "special": 2})
    assert "'ки', '<|im_end|>'" in one(findings, "marker").what
    assert [(p.row, p.step) for p in one(findings, "marker").places] == [(1, 0), (2, 1), (3, None)]
    assert "('<end>', '<pad>')" in one(findings, "special").what
    assert all(
        len(scores.values) == len(t.steps)
        for scores, t in zip(model.score(traces), traces, strict=True)
    )


def test_a_row_for_each_step(make):
    model = make(
        Template(prompt="{problem}\n{cut}", past="{step}\n{cut}", step="{step}{cut}\n{slot}{cut}")
    )
    long = labelled(["5"] * 60, *[1] * 60)
    findings = examine([*CLEAN, long], model, samples=1)
    assert found(findings) == ({"too-long": 1}, {})
    assert findings.tokens.rows == findings.tokens.slots == findings.tokens.steps == 64
    assert [row.steps for row in findings.samples[0].rows] == [(0,), (1,)]
    (rows,) = model.renderer([text_of(long)])
    beyond = sum(len(row.ids) > 128 for row in rows)
    assert 1 < beyond < 60
    assert f"beyond it: {beyond} steps with {beyond} labels" in one(findings, "too-long").what


def test_both_passes_are_looked_at(make):
    known = profiles()["pathfinder-prm"].contract
    tokenizer = published_tokenizers.qwen()
    model = make(known.template, reading=known.reading, tokenizer=tokenizer, max_tokens=320)
    findings = examine(CLEAN, model, samples=1)
    assert found(findings) == ({}, {})
    tokens = findings.tokens
    assert (tokens.rows, tokens.slots, tokens.slots_per_step) == (4, 8, 2)
    (sample,) = findings.samples
    assert [len(row.slots) for row in sample.rows] == [2, 2]
    assert [len(row.slots) for row in sample.second] == [1, 1]
    longest = max(len(row.ids) for row in sample.second)
    assert longest > tokens.longest
    short = make(
        known.template,
        reading=known.reading,
        tokenizer=tokenizer,
        max_tokens=tokens.longest,
        name="short",
    )
    assert found(examine(CLEAN, short))[0] == {"too-long": 2}


@pytest.mark.parametrize("name", ["arithmetic", "length", "random"])
def test_without_a_contract_the_data_alone_is_examined(name):
    seen = Trace("?", [Step("look", observation=1)])
    findings = examine([*CLEAN, CLEAN[0], labelled(["a"], None), seen], surefoot.load(name))
    assert found(findings) == ({"all-masked": 1}, {"duplicate": 1, "unlabelled": 1})
    assert findings.tokens is None
    assert findings.labels[0].right == 4


def test_the_json_holds_everything(prm):
    long = labelled(["5 + 8 = 13."] * 40, *[1] * 40)
    told = json.loads(json.dumps(examine([*CLEAN, long], prm, samples=1).to_json()))
    assert set(told) == {
        *("model", "traces", "steps", "errors", "warnings", "labels", "tokens", "samples")
    }
    (error,) = told["errors"]
    assert set(error) == {"kind", "count", "places", "what", "mend"}
    assert error["places"] == [{"row": 3, "trace": long.id, "step": 7, "other": None}]
    assert told["labels"][0]["majority"] == pytest.approx(42 / 43)
    assert told["labels"][0]["first_errors"] == {"0": 1}
    (row,) = told["samples"][0]["rows"]
    assert row["spans"][2]["text"] == "5 + 8 = 13."
    assert len(row["texts"]) == len(row["ids"])


def test_traces_are_not_kept(prm):
    def alive():
        return sum(isinstance(one, (Trace, Rendered)) for one in gc.get_objects())

    def stream():
        before = alive()
        for i in range(5000):
            yield labelled([f"{i} + {k} = {i + k}." for k in range(2)], 1, -1)
            if i % 1000 == 999:
                assert alive() - before < 200

    findings = examine(stream(), prm, samples=2)
    assert found(findings) == ({}, {})
    assert (findings.traces, findings.steps) == (5000, 10_000)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(made_up_traces(), max_size=3))
def test_whatever_cannot_be_scored_has_an_error(some_models, traces):
    for model in some_models:
        findings = examine(traces, model, samples=3)
        assert findings.traces == len(traces)
        for trace in traces:
            try:
                model.score(trace)
            except UnscorableError:
                assert examine([trace], model).errors
        findings.to_json()


@pytest.fixture
def some_models(make):
    past = Template(prompt="{problem}\n", past="{step}\n", step="{step}{slot}\n")
    tag = Template(prompt="{problem} ", step="{numbered} ки{slot}\n", strip=True)
    return [make(), make(past, name="past", max_tokens=40), make(tag, name="tag", max_tokens=60)]

"""What must not start does not, and the error says what and how to mend it."""

import pytest

import surefoot
from surefoot.errors import AlignmentError, DataError, SurefootError, UnscorableError
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import text_of
from surefoot.models.template import Template
from surefoot.traces.layout import Layout
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.guards import fits_contract, measure, refuse, refuse_misaligned
from surefoot.training.targets import LabelRule


def labelled(steps, *values):
    return Trace("Start with 5. Step 1: add 8.", steps, labels=[StepLabels(values)])


GOOD = [labelled(["5 + 8 = 13.", "The answer is 3."], 1, 1), labelled(["5 + 8 = 14."], -1)]
BARE = Trace("?", ["a"])
MASKED = labelled(["a", "b"], None, None)
NEUTRAL = labelled(["a", "b"], 0, 0)


@pytest.fixture
def make(small_model, small_tokenizer, tmp_path):
    """A scorer with a template, saved and loaded back."""

    def made(template=None, *, max_tokens=128):
        layout = Contract.for_layout(small_tokenizer, Layout("\n\n", " ки\n"))
        contract = Contract(template=template or layout.template, max_tokens=max_tokens, pinned={})
        model = small_model(task="scorer", tokenizer=small_tokenizer)
        DiscriminativeModel(model, small_tokenizer, contract, name="prm").save(tmp_path / "prm")
        return surefoot.load(tmp_path / "prm")

    return made


@pytest.mark.parametrize(
    ("traces", "rule", "said"),
    [
        ([], LabelRule(), "there is no trace to learn from; name files"),
        (
            [BARE, BARE],
            LabelRule(),
            "none of 2 traces can be learned from: 2 have no label of the kind that is learned "
            r"\(label them",
        ),
        (
            [BARE, MASKED],
            LabelRule(),
            r"none of 2 traces.*1 have no label.*1 have labels of which none says anything \(label",
        ),
        ([NEUTRAL], LabelRule(neutral="masked"), "none of 1 traces.*do not mask neutral"),
        (GOOD, LabelRule(target="outcome"), "none of 2 traces.*another source or target"),
        (GOOD, LabelRule(sources={"judge": 1.0}), "none of 2 traces.*another source or target"),
        (GOOD[:1], LabelRule(), "all 2 labels say right, so there is nothing to tell apart; add"),
        ([NEUTRAL], LabelRule(neutral="own"), "all 2 labels say neutral"),
        (GOOD[1:], LabelRule(), "all 1 labels say wrong"),
    ],
)
def test_data_from_which_nothing_can_be_learned(traces, rule, said):
    report = measure(traces, rule)
    with pytest.raises(DataError, match=said):
        refuse(report)


def test_it_is_an_error_that_others_catch_too():
    with pytest.raises(ValueError, match="no trace") as caught:
        refuse(measure([], LabelRule()))
    assert isinstance(caught.value, SurefootError)


def test_one_class_may_be_meant():
    refuse(measure(GOOD[:1], LabelRule()), one_class=True)
    with pytest.raises(DataError):
        refuse(measure([MASKED], LabelRule()), one_class=True)


def test_good_data_go_on_with_what_is_left_out():
    refuse(measure([*GOOD, BARE, MASKED], LabelRule()))


def test_traces_that_are_too_long_are_left_out_or_refused():
    report = measure(GOOD, LabelRule(), fits=[False, True])
    with pytest.raises(DataError, match="all 1 labels say wrong"):
        refuse(report)
    refuse(report, one_class=True)
    with pytest.raises(
        DataError,
        match=rf"1 of 2 traces are longer.*none is ever cut \(first: {GOOD[0].id}\); with them go "
        r"2 of 2 right labels \(100.0%\), 0 of 1 wrong labels \(0.0%\); allow more tokens",
    ):
        refuse(report, one_class=True, too_long=False)
    refuse(measure(GOOD, LabelRule(), fits=[True, True]), too_long=False)
    with pytest.raises(DataError, match=r"none of 2 traces.*2 are longer than the model"):
        refuse(measure(GOOD, LabelRule(), fits=[False, False]))


def test_too_long_is_what_the_model_cannot_score(make):
    traces = [labelled(["5 + 8 = 13."] * k, *[1] * k) for k in range(1, 12)]
    ((row,),) = make().renderer([text_of(traces[4])])
    model = make(max_tokens=len(row.ids))
    fits = fits_contract(model.contract, model.renderer)
    flags = [fits(trace) for trace in traces]
    assert flags == [True] * 5 + [False] * 6
    for trace, flag in zip(traces, flags, strict=True):
        if flag:
            model.score(trace)
        else:
            with pytest.raises(UnscorableError):
                model.score(trace)
    shorter = make(max_tokens=len(row.ids) - 1)
    assert not fits_contract(shorter.contract, shorter.renderer)(traces[4])
    lost = measure(traces, LabelRule(), fits=fits).too_long
    assert lost.traces == flags.count(False)
    assert lost.right == sum(k for k, flag in enumerate(flags, 1) if not flag)


def test_a_model_that_reads_what_is_there_goes_on(make):
    long = labelled(["5 + 8 = 13."] * 40, *[1] * 40)
    findings = refuse_misaligned([*GOOD, MASKED, long], make())
    assert {one.kind for one in findings.errors} == {"too-long", "all-masked"}
    assert findings.traces == 4
    assert refuse_misaligned([], make()).traces == 0


def test_steps_that_reach_into_the_next_are_refused(make):
    model = make(Template(prompt="{problem}\n", step="{step}{slot}t is{cut}"))
    merging = labelled(["It is 3", "It is gi"], 1, -1)
    with pytest.raises(
        AlignmentError,
        match=rf"prm would learn something wrong.*3 of 3 were examined.*reaches into what follows: "
        rf"1 of 5 steps \(first: trace {merging.id}, step 1\): set a {{cut}}",
    ):
        refuse_misaligned([*GOOD, merging], model)


def test_steps_without_a_token_and_with_an_observation_are_refused(make):
    model = make(
        Template(prompt="{problem}\n{cut}", step="{step}{slot}{cut}", replace=(("ки", ""),))
    )
    seen = Trace("?", [Step("look", {"door": "open"})], labels=[StepLabels((1,))])
    with pytest.raises(AlignmentError, match=r"no token is left.*; observations, which the templ"):
        refuse_misaligned([*GOOD, labelled(["ки"], 1), seen], model)


def test_a_part_of_many_traces_is_spread_over_all(make):
    model = make()
    seen = Trace("?", [Step("look", "a door")], labels=[StepLabels((1,))])
    many = [labelled([f"{k} + 8 = {k + 8}."], 1) for k in range(40)]
    assert refuse_misaligned([*many, seen], model, most=20).traces == 14
    with pytest.raises(AlignmentError, match="14 of 42 were examined"):
        refuse_misaligned([*many[:39], seen, *many[:2]], model, most=20)
    with pytest.raises(AlignmentError, match="41 of 41 were examined"):
        refuse_misaligned([*many, seen], model, most=None)

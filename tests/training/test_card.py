"""The model card says what happened, in the hub's own form, and nothing of the machine."""

import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

import surefoot as sf
from surefoot.models.hub import HUB_ID
from surefoot.policies.local import LocalPolicy
from surefoot.scores.development import compare, measure
from surefoot.stats import Difference, Estimate
from surefoot.traces.types import Step, StepLabels, StepScores, Trace
from surefoot.training.card import CARD_FILE, content_hash, model_card
from surefoot.training.comparison import Comparison
from surefoot.training.config import Lora, RewardConfig, TrainConfig
from surefoot.training.losses import QRanking
from surefoot.training.scratch import fresh_model, fresh_tokenizer
from surefoot.training.targets import LabelRule

FEW = TrainConfig(num_updates=3, batch_size=8, optimizer="adamw", lr=1e-3)


@pytest.fixture(scope="module")
def trained(world_traces, tmp_path_factory):
    """A small PRM with development traces: its folder, what was trained, the traces."""
    from surefoot.training.scratch import Shape

    folder = tmp_path_factory.mktemp("card") / "small prm"
    shape = Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=256)
    loop = replace(FEW, num_updates=40, lr=0.01)
    config = RewardConfig(shape=shape, loop=loop, max_tokens=256, calibrate="temperature")
    traces, development = world_traces(30), world_traces(20, seed=7)
    result = sf.train(traces, folder, config, development=development)
    return folder, result, config, traces, development


def card_of(trained, **changes):
    _, result, config, traces, development = trained
    given = {"traces": traces, "development": development, **changes}
    config = given.pop("config", config)
    result = replace(result, **given.pop("result", {}))
    return model_card("m", result, config, **given)


def test_the_card_lies_with_the_weights_and_has_the_hubs_front_matter(trained):
    folder, result, _, traces, development = trained
    text = (folder / CARD_FILE).read_text()
    data = ModelCard(text).data
    assert (data.library_name, data.pipeline_tag) == ("surefoot", "token-classification")
    assert data.tags == ["process-reward-model", "reward-model", "surefoot"]
    assert data.base_model is None
    assert data.license is None
    assert text.count("\n# ") == 1
    assert "# small prm\n" in text
    for one in (folder.parent, folder.parent.parent):
        assert str(one) not in text
    assert content_hash(traces) in text
    assert content_hash(development) in text
    assert f"{result.num_steps:,} labelled steps, {result.share_right:.1%} of them right" in text
    assert f"checker {result.num_steps}" in text
    assert f"A step below {result.contract.threshold:.4g} counts as wrong" in text
    assert "the probability, from 0 to 1, that this step is right" in text
    assert "calibrated on the development traces (`temperature`)" in text
    assert f"the Brier score is {result.fit.calibration.heldout.brier:.3f} and" in text
    assert "Loss: cross-entropy" in text
    for finding in result.data.warnings:
        assert finding.what in text


def test_its_program_runs(trained):
    folder = trained[0]
    (program,) = re.findall(r"```python\n(.*?)```", (folder / CARD_FILE).read_text(), re.DOTALL)
    exec(program.replace(f"path/to/{folder.name}", str(folder)), {})


def test_figures_stand_beside_those_of_scorers_that_know_nothing(trained):
    folder, result, _, _, development = trained
    text = (folder / CARD_FILE).read_text()
    header = "| figure | this model | step length | random | no error |"
    assert header in text
    rows = dict(re.findall(r"^\| ([^|]+?) \| (.*) \|$", text, re.MULTILINE))
    cells = rows["AUROC of wrong steps"].split(" | ")
    own = result.development.intervals["step_auroc"]
    assert cells[0] == f"{own.mean:.3f} [{own.low:.3f}, {own.high:.3f}]"
    length = measure(development, sf.load("length").score(development), num_resamples=1000)
    assert cells[1].startswith(f"{length.overall.step_auroc:.3f} [")
    assert cells[3] == "0.500 [0.500, 0.500]"
    assert rows["F1 of first errors"].split(" | ")[3] == "0.000 [0.000, 0.000]"


def test_it_warns_where_step_length_is_not_beaten(trained):
    result = trained[1]
    gap = {"step_auroc": Difference(-0.1, -0.2, 0.1, 0.5)}
    text = card_of(trained, result={"comparison": replace(result.comparison, over_length=gap)})
    assert (
        "**Warning: it does not beat the length of a step in AUROC of wrong steps: the difference "
        "is -0.100 [-0.200, +0.100].**" in text
    )
    gap = {
        "step_auroc": Difference(0.1, -0.1, 0.2, 0.5),
        "f1_heldout": Difference(0.2, 0.1, 0.3, 0),
    }
    text = card_of(trained, result={"comparison": replace(result.comparison, over_length=gap)})
    assert text.count("Warning") == 1
    assert "it is not shown to beat the length of a step in AUROC" in text


def test_without_development_traces_it_says_that_nothing_was_measured(trained):
    text = card_of(
        trained, development=[], result={"comparison": None, "development": None, "fit": None}
    )
    assert "**Nothing was measured**" in text
    assert "not tuned: it is the default" in text
    assert "| figure |" not in text
    notes = ("one half of the questions has too little",)
    text = card_of(trained, result={"fit": replace(trained[1].fit, notes=notes)})
    assert f"Note: {notes[0]}." in text


def test_the_base_is_named_by_its_hub_id_and_a_folder_by_its_last_name(trained, tmp_path):
    config = trained[2]
    data = ModelCard(card_of(trained, config=replace(config, base="org/base-1B"))).data
    assert (data.base_model, data.base_model_relation) == ("org/base-1B", "finetune")
    lora = replace(config, base="org/base-1B", lora=Lora())
    assert ModelCard(card_of(trained, config=lora)).data.base_model_relation == "adapter"
    merged = replace(lora, lora=Lora(merge=True))
    assert ModelCard(card_of(trained, config=merged)).data.base_model_relation == "finetune"
    local = tmp_path / "my base"
    local.mkdir()
    text = card_of(trained, config=replace(config, base=str(local)))
    assert ModelCard(text).data.base_model is None
    assert "from `my base`" in text
    assert str(tmp_path) not in text
    assert "the terms of `my base` and of the data" in text
    assert HUB_ID.fullmatch("org/base-1B")


def test_losses_rules_and_what_was_left_out_are_told(trained):
    config = replace(
        trained[2], loss=QRanking(), labels=LabelRule(neutral="wrong", after_error="masked")
    )
    text = card_of(trained, config=config)
    assert re.search(r"Loss: q-ranking \(\w+ [\d.]+", text)
    assert (
        "A neutral label counts as wrong; steps behind the first wrong one are not learned" in text
    )
    outcome = replace(config, labels=LabelRule(target="outcome"))
    text = card_of(trained, config=outcome)
    assert "An outcome reward model" in text
    assert "outcome-reward-model" in ModelCard(text).data.tags
    assert "What is taught at every step is whether the answer is right." in text


def test_what_was_left_out_is_counted(world_traces, small_shape, tmp_path):
    bare = [replace(one, labels=()) for one in world_traces(3, seed=5)]
    long = world_traces(1)[0]
    long = replace(long, problem=long.problem * 30)
    config = RewardConfig(shape=small_shape, loop=FEW, max_tokens=256)
    sf.train([*world_traces(20), *bare, long], tmp_path / "prm", config)
    assert (
        "Left out, whole: 3 without a label, 1 too long."
        in (tmp_path / "prm" / CARD_FILE).read_text()
    )


def test_an_implicit_prm_says_that_its_scores_are_no_probabilities(
    world_traces, small_shape, tmp_path
):
    from surefoot.training.losses import Outcome

    tokenizer = fresh_tokenizer(["What is 1 + 2?"], small_shape.vocab_size)
    LocalPolicy(fresh_model(tokenizer, small_shape, seed=0), tokenizer).save(tmp_path / "base")
    config = RewardConfig(
        base=str(tmp_path / "base"), read="log-ratio", loss=Outcome(), loop=FEW, max_tokens=256
    )
    sf.train(world_traces(20), tmp_path / "prm", config)
    text = (tmp_path / "prm" / CARD_FILE).read_text()
    assert "no probability: the higher, the likelier that the trace will end at the right" in text
    assert ModelCard(text).data.pipeline_tag == "text-generation"


def test_the_hash_is_of_what_is_learned_and_of_nothing_else():
    one = Trace("p", ["a", Step("b", "o")], outcome=True, labels=[StepLabels((1, -1))])
    two = Trace("q", ["a"])
    known = content_hash([one, two])
    assert re.fullmatch("[0-9a-f]{64}", known)
    assert content_hash([two, one]) == known
    scored = replace(one.with_scores(StepScores((0.5, 0.5), "m")), meta={"logprob": -3})
    assert content_hash([scored, two]) == known
    for other in (
        [one],
        [one, one, two],
        [replace(one, outcome=False), two],
        [replace(one, labels=[StepLabels((1, 1))]), two],
        [replace(one, problem="P"), two],
        [replace(one, steps=("a", "b")), two],
    ):
        assert content_hash(other) != known


def test_warnings_are_of_headlines_alone():
    none = Comparison({}, {"brier": Difference(-1.0, -2.0, 0.0, 0.1)})
    assert none.warnings == ()
    assert none.to_json() == {
        "baselines": {},
        "over_length": {"brier": {"mean": -1.0, "low": -2.0, "high": 0.0, "p_value": 0.1}},
        "warnings": [],
    }


def test_differences_are_paired(world_traces):
    traces = world_traces(40)
    length, random = (sf.load(name).score(traces) for name in ("length", "random"))
    same = compare(traces, length, length, num_resamples=50)
    assert {(one.mean, one.low, one.high) for one in same.values()} == {(0.0, 0.0, 0.0)}
    gaps = compare(traces, length, random, num_resamples=200)
    ours, theirs = (measure(traces, one, num_resamples=200) for one in (length, random))
    for name in ("step_auroc", "f1_heldout", "outcome_auroc"):
        a, b = (getattr(one.overall, name) for one in (ours, theirs))
        assert gaps[name].mean == pytest.approx(a - b)
        assert gaps[name].low < a - b < gaps[name].high
    back = compare(traces, random, length, num_resamples=200)
    assert back["step_auroc"].low == pytest.approx(-gaps["step_auroc"].high)
    assert isinstance(ours.intervals["step_auroc"], Estimate)

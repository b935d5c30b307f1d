"""From labelled traces to a saved model: every way to begin, to read and to learn, and into a new
process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import surefoot as sf
from surefoot.errors import AlignmentError, ContractError, DataError, ModelError, UsageError
from surefoot.models import engine
from surefoot.models.contract import Contract
from surefoot.policies.local import LocalPolicy
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.config import Lora, RewardConfig, TrainConfig
from surefoot.training.losses import (
    Binomial,
    CrossEntropy,
    Joint,
    Outcome,
    Pairwise,
    QRanking,
    SquaredError,
    TemporalDifference,
)
from surefoot.training.scratch import fresh_model, fresh_tokenizer
from surefoot.training.targets import LabelRule

FEW = TrainConfig(num_updates=3, batch_size=8, optimizer="adamw", lr=1e-3)


@pytest.fixture
def config(small_shape):
    return RewardConfig(shape=small_shape, loop=FEW, max_tokens=256)


@pytest.fixture
def base(tmp_path, small_shape):
    """A saved policy to start from."""
    tokenizer = fresh_tokenizer(["What is 1 + 2? Start with 3.\n"] * 20, small_shape.vocab_size)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_0>"]})
    folder = tmp_path / "policy"
    LocalPolicy(fresh_model(tokenizer, small_shape, seed=3), tokenizer).save(folder)
    return folder


def weights(folder, name="model.safetensors"):
    return load_file(folder / name)


def farthest(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


PROGRAM = """
import json, sys, surefoot as sf
traces = [sf.Trace(p, s) for p, s in json.loads(sys.stdin.read())]
print(json.dumps([one.values for one in sf.load(sys.argv[1]).score(traces)]))
"""


def elsewhere(folder, traces):
    """The scores of a saved model in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder],
        input=json.dumps([(t.problem, t.texts) for t in traces]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout)


WAYS = {
    "classes": {},
    "outcome": {"labels": LabelRule(target="outcome")},
    "three classes": {"labels": LabelRule(neutral="own")},
    "reward": {"read": "reward"},
    "tokens": {"read": "tokens"},
    "joint": {"loss": Joint()},
    "on a base": {"base": ""},
    "tokens of a base": {"base": "", "read": "tokens"},
    "log-ratio": {"base": "", "read": "log-ratio", "loss": Outcome()},
    "two layers": {"base": "", "profile": "fin-prm"},
    "adapter": {"base": "", "lora": Lora(rank=2)},
    "merged adapter": {"base": "", "lora": Lora(rank=2, merge=True)},
    "adapter, tokens": {"base": "", "read": "tokens", "lora": Lora(rank=2)},
    "adapter, log-ratio": {
        "base": "",
        "read": "log-ratio",
        "loss": Outcome(),
        "lora": Lora(rank=2, merge=True),
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_the_saved_model_scores_as_it_did_in_training(
    config, base, world_traces, tmp_path, monkeypatch, way
):
    from surefoot.training.watch import Watch

    in_training = []
    plain = Watch.scores

    def keep(self, model):
        scores = plain(self, model)
        in_training.append(scores)
        return scores

    monkeypatch.setattr(Watch, "scores", keep)
    settings = {**WAYS[way], **({"base": str(base)} if "base" in WAYS[way] else {})}
    traces, development = world_traces(20), world_traces(5, seed=9)
    development.append(Trace("\0 <end>", ["<pad>\n", "é 12"], labels=[StepLabels((1, -1))]))
    trained = sf.train(
        traces, tmp_path / "model", replace(config, **settings), development=development
    )
    if way in ("classes", "log-ratio"):
        loaded = elsewhere(tmp_path / "model", development)
    else:
        loaded = [one.values for one in sf.load(tmp_path / "model").score(development)]
    for here, there in zip(in_training[-1], loaded, strict=True):
        assert there == pytest.approx(here.values, abs=1e-5)
    contract = Contract.load(tmp_path / "model")
    assert contract == trained.contract
    assert contract.meaning == {"outcome": "value"}.get(way, contract.meaning)
    assert trained.development.overall.num_steps > 10


def test_the_outcome_head_of_a_joint_model_is_read_by_its_own_contract(
    config, world_traces, tmp_path
):
    traces = world_traces(20)
    sf.train(traces, tmp_path / "model", replace(config, loss=Joint()))
    steps, outcome = (
        sf.load(tmp_path / "model", contract=contract).score(traces[0])
        for contract in (None, tmp_path / "model" / "outcome")
    )
    assert (steps.kind, outcome.kind) == ("probability", "value")
    assert outcome.default_aggregate == "last"
    assert max(abs(a - b) for a, b in zip(steps.values, outcome.values, strict=True)) > 1e-6


@pytest.mark.parametrize("narrow", [0, 1000], ids=["tree", "padded"])
@pytest.mark.parametrize("loss", [CrossEntropy(), QRanking(), TemporalDifference(), Joint()])
def test_passes_change_nothing(config, world_traces, tmp_path, monkeypatch, narrow, loss):
    monkeypatch.setattr(engine, "NARROW", narrow)
    traces = [replace(t, problem=f"Problem {i % 3}") for i, t in enumerate(world_traces(20))]
    losses = []
    for passes in (1, 4):
        loop = replace(FEW, passes=passes)
        trained = sf.train(traces, tmp_path / f"{passes}", replace(config, loop=loop, loss=loss))
        losses.append(trained.final_loss)
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert farthest(*(weights(tmp_path / name) for name in "14")) < 1e-5


def test_passes_change_nothing_for_pairs(config, world_traces, tmp_path):
    traces = [
        replace(t, problem=f"Problem {i % 3}", outcome=i % 2 == 0)
        for i, t in enumerate(world_traces(20))
    ]
    losses = []
    for passes in (1, 4):
        loop = replace(FEW, passes=passes)
        settings = replace(config, loop=loop, loss=Pairwise(), pairs="outcomes")
        trained = sf.train(traces, tmp_path / f"{passes}", settings)
        losses.append(trained.final_loss)
        assert trained.num_pairs > 3
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    # Adam's first updates are as large where a gradient is all rounding.
    assert farthest(*(weights(tmp_path / name) for name in "14")) < 5e-4


def test_the_traces_of_a_question_side_by_side_or_not(config, world_traces, tmp_path):
    """Another order, so other weights; the same settings give the same weights."""
    traces = [replace(t, problem=f"Problem {i % 3}") for i, t in enumerate(world_traces(20))]
    for name, number in (("a", 8), ("b", 8), ("c", 1)):
        sf.train(traces, tmp_path / name, replace(config, side_by_side=number))
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert farthest(a, b) == 0 < farthest(a, c)


def test_checkpointing_and_bf16(config, world_traces, tmp_path):
    for name, change in (
        ("plain", {}),
        ("again", {"checkpointing": True}),
        ("bf16", {"bf16": True}),
    ):
        loop = replace(FEW, **change)
        sf.train(world_traces(20), tmp_path / name, replace(config, loop=loop))
    plain, again, bf16 = (weights(tmp_path / name) for name in ("plain", "again", "bf16"))
    assert farthest(plain, again) < 1e-6
    assert 0 < farthest(plain, bf16) < 1e-2


def test_the_head_alone_learns_first(config, base, world_traces, tmp_path):
    start = weights(base)
    for name, updates in (("head", 3), ("both", 2)):
        loop = replace(FEW, head_first=updates)
        sf.train(world_traces(20), tmp_path / name, replace(config, base=str(base), loop=loop))
    head, both = (weights(tmp_path / name) for name in ("head", "both"))
    assert all(torch.equal(head[name], start[name]) for name in head.keys() & start.keys())
    assert any(not torch.equal(both[name], start[name]) for name in both.keys() & start.keys())


def test_a_rate_of_its_own_for_the_head(config, base, world_traces, tmp_path):
    moved = {}
    for rate in (1e-5, 1e-2):
        loop = replace(FEW, head_lr=rate, lr=1e-9, weight_decay=0.0, num_updates=1)
        settings = replace(config, base=str(base), loop=loop)
        sf.train(world_traces(20), tmp_path / f"{rate}", settings)
        moved[rate] = weights(tmp_path / f"{rate}")["score.weight"]
    # An update of Adam is about its rate, the first at 2 % of it; both begin with the same head.
    assert float((moved[1e-2] - moved[1e-5]).abs().max()) == pytest.approx(2e-4, rel=0.05)


def test_an_adapter_leaves_the_base_as_it_is(config, base, world_traces, tmp_path):
    before = weights(base)
    lora = Lora(rank=2, targets=("q_proj",))
    sf.train(world_traces(20), tmp_path / "m", replace(config, base=str(base), lora=lora))
    names = list(weights(tmp_path / "m", "adapter_model.safetensors"))
    assert sum("lora_A" in name for name in names) == 1
    assert any("score" in name for name in names)
    assert farthest(before, weights(base)) == 0
    other = replace(config, base=str(base), lora=Lora(targets=("nowhere",)))
    with pytest.raises(UsageError, match="nowhere"):
        sf.train(world_traces(20), tmp_path / "n", other)


def test_development_traces_choose_the_weights_and_the_threshold(config, world_traces, tmp_path):
    loop = replace(FEW, num_updates=12, eval_every=2, metric="brier", lr=0.05)
    trained = sf.train(
        world_traces(40),
        tmp_path / "m",
        replace(config, loop=loop),
        development=world_traces(20, seed=5),
    )
    log = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").open()]
    measured = {entry["step"]: entry["eval_brier"] for entry in log if "eval_brier" in entry}
    assert list(measured) == [2, 4, 6, 8, 10, 12]
    assert trained.kept_update == min(measured, key=measured.get)
    assert trained.development.overall.brier == pytest.approx(min(measured.values()), abs=1e-6)
    assert trained.contract.threshold == trained.fit.threshold.value != 0.5
    assert Contract.load(tmp_path / "m").threshold == trained.contract.threshold


def test_training_stops_when_nothing_gets_better(config, world_traces, tmp_path):
    loop = replace(FEW, num_updates=100, eval_every=1, metric="brier", lr=0.5, patience=2)
    sf.train(
        world_traces(40),
        tmp_path / "m",
        replace(config, loop=loop),
        development=world_traces(20, seed=5),
    )
    log = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").open()]
    assert max(entry["step"] for entry in log) < 100


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_a_calibration_is_fitted_and_kept(config, world_traces, tmp_path, kind):
    traces = world_traces(60)
    settings = replace(config, calibrate=kind, loop=replace(FEW, num_updates=20, lr=0.01))
    trained = sf.train(traces, tmp_path / "m", settings, development=traces)
    found = trained.fit.calibration
    assert trained.contract.calibration.kind == kind
    assert found.after.cross_entropy <= found.before.cross_entropy
    assert Contract.load(tmp_path / "m").calibration == trained.contract.calibration


def test_what_was_used_is_counted(config, tmp_path):
    traces = [
        Trace("a", ["1", "2", "3"], labels=[StepLabels((1, 0, -1))]),
        Trace("b", ["1", "2"], labels=[StepLabels((None, 1))]),
        Trace("c", ["1" * 300, "2"], labels=[StepLabels((1, -1))]),
        Trace("d", ["1"]),
    ]
    used = sf.train(traces, tmp_path / "m", replace(config, labels=LabelRule(neutral="masked")))
    assert (used.num_traces, used.num_steps, used.num_too_long) == (2, 3, 1)
    assert used.share_right == pytest.approx(2 / 3)
    assert used.max_tokens == 256
    assert 0 < used.final_loss < 10
    assert (used.data.too_long.right, used.data.too_long.wrong) == (1, 1)
    assert used.data.unlabelled.count == 1
    assert json.loads(json.dumps(used.to_json()))["too_long"] == 1


def test_soft_labels_pull_to_their_value_and_counts_weigh(config, tmp_path):
    """A step seen with 1 of 2 and with 16 of 16: the ratio's mean is 3/4, all trials say 17/18."""
    traces = [
        Trace("a", ["x"], labels=[StepLabels((k / n,), "rollout", "value", counts=((k, n),))])
        for k, n in ((1, 2), (16, 16))
    ]
    loop = TrainConfig(num_updates=150, batch_size=2, optimizer="adamw", lr=0.03, weight_decay=0)
    found = {}
    for name, loss in (("ratio", CrossEntropy()), ("counts", Binomial()), ("sq", SquaredError())):
        sf.train(traces, tmp_path / name, replace(config, loss=loss, loop=loop, one_class=True))
        found[name] = sf.load(tmp_path / name).score(traces[0]).values[0]
    assert found["ratio"] == pytest.approx(3 / 4, abs=0.01)
    assert found["sq"] == pytest.approx(3 / 4, abs=0.01)
    assert found["counts"] == pytest.approx(17 / 18, abs=0.01)


def test_a_base_limits_the_length(config, base, world_traces, tmp_path):
    sf.train(world_traces(8), tmp_path / "m", replace(config, base=str(base), max_tokens=10_000))
    assert Contract.load(tmp_path / "m").max_tokens == 256


def test_a_reward_model_is_gone_on_with(config, world_traces, tmp_path):
    traces = world_traces(20)
    sf.train(traces, tmp_path / "prm", config)
    still = replace(config, base=str(tmp_path / "prm"), loop=replace(FEW, num_updates=1, lr=1e-9))
    sf.train(traces, tmp_path / "again", still)
    first, second = (sf.load(tmp_path / name).score(traces[0]) for name in ("prm", "again"))
    assert second.values == pytest.approx(first.values, abs=1e-5)
    outcome = replace(still, labels=LabelRule(target="outcome"))
    sf.train(traces, tmp_path / "orm", outcome)
    contract = Contract.load(tmp_path / "orm")
    assert (contract.meaning, contract.aggregate) == ("value", "last")
    with pytest.raises(UsageError, match="reads 2 classes"):
        sf.train(traces, tmp_path / "x", replace(still, labels=LabelRule(neutral="own")))


def broken(base, tmp_path, kind):
    folder = tmp_path / "broken"
    shutil.copytree(base, folder)
    if kind == "config":
        (folder / "config.json").unlink()
    elif kind == "weights":
        (folder / "model.safetensors").write_bytes(b"no")
    elif kind == "layer":
        kept = load_file(folder / "model.safetensors")
        del kept["model.layers.0.mlp.up_proj.weight"]
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    elif kind == "tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    elif kind == "vocabulary":
        texts = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" * 3 for i in range(300)]
        fresh_tokenizer(texts, 600).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("config", "no config.json"),
        ("weights", "cannot be loaded"),
        ("layer", "lacks weights, which would be made up: model.layers.0.mlp.up_proj.weight"),
        ("tokenizer", "tokenizer cannot be read"),
        ("vocabulary", "the tokenizer knows"),
    ],
)
@pytest.mark.parametrize("read", ["classes", "tokens", "log-ratio"])
def test_a_bad_base_is_refused_before_training(
    config, base, world_traces, tmp_path, read, kind, said
):
    settings = replace(config, base=str(broken(base, tmp_path, kind)), read=read)
    with pytest.raises(ModelError, match=said):
        sf.train(world_traces(8), tmp_path / "model", settings)
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / ".model.training").exists()


def test_nothing_to_learn(config, tmp_path):
    def refused(error, match, *traces, **settings):
        with pytest.raises(error, match=match):
            sf.train(traces, tmp_path / "m", replace(config, **settings))
        assert not list(tmp_path.iterdir())

    refused(DataError, "there is no trace")
    refused(DataError, "labels of which none says", Trace("a", ["1"], labels=[StepLabels((None,))]))
    right = Trace("a", ["1"], labels=[StepLabels((1,))])
    refused(DataError, "all 1 labels say right", right)
    refused(DataError, "longer", Trace("a", ["1" * 300], labels=[StepLabels((1,))]))
    refused(UsageError, "no pair", right, loss=Pairwise(), one_class=True)
    seen = Trace("a", [Step("look", observation=1)], labels=[StepLabels((1,))])
    refused(AlignmentError, "observation", seen)
    refused(ContractError, "one token", right, read="tokens", tokens=("no", "yes"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lora": Lora()}, "for a base"),
        ({"profile": "trl"}, "for a base"),
        ({"read": "log-ratio"}, "against a base"),
        ({"separator": "\n"}, "for the profile trl"),
        ({"read": "guess"}, "read is 'guess'"),
        ({"calibrate": "much"}, "calibrate is 'much'"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"loss": "pqm"}, "is no loss"),
        ({"loss": Joint(Pairwise())}, "by themselves"),
        ({"loss": SquaredError(raw=True)}, "needs read = 'reward'"),
        ({"labels": LabelRule(neutral="own"), "read": "tokens"}, "a class of their own"),
    ],
)
def test_settings_that_do_not_fit(settings, said):
    with pytest.raises(UsageError, match=said):
        RewardConfig(**settings)


def test_the_settings_are_kept_beside_the_weights(config, world_traces, tmp_path):
    settings = replace(config, loss=Joint(QRanking(zeta=2.0)), labels=LabelRule(wrong_weight=2))
    sf.train(world_traces(20), tmp_path / "m", settings)
    assert RewardConfig.load(tmp_path / "m" / "training.json") == settings
    changed = settings.changed({"loss": "binomial", "loop.lr": 0.5, "lora.rank": 3, "base": "x"})
    assert (changed.loss, changed.loop.lr, changed.lora.rank) == (Binomial(), 0.5, 3)
    for name in ("loop.speed", "speed", "loss.zeta"):
        with pytest.raises(UsageError, match="unknown settings"):
            changed.changed({name: 1})

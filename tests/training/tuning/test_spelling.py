"""How spaces are written, and what is refused before anything is trained."""

import json

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import StorageError, UsageError
from surefoot.training.config import Lora, RewardConfig, TrainConfig
from surefoot.training.losses import Pairwise, QRanking
from surefoot.training.tuning.space import Choices, Range
from surefoot.training.tuning.spelling import (
    default_space,
    read_options,
    read_space,
    space_of,
)

PLAIN = RewardConfig()
RATE = {"loop.lr": "log:1e-5:1e-2"}


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("loop.lr", "log:1e-5:1e-2", Range(low=1e-5, high=1e-2, log=True)),
        ("labels.wrong_weight", "1:5", Range(low=1, high=5)),
        ("loop.num_updates", "100:500", Range(low=100, high=500, whole=True)),
        ("loop.num_updates", "log:1:64", Range(low=1, high=64, whole=True, log=True)),
        ("shape.hidden_size", "64:256:64", Range(low=64, high=256, step=64, whole=True)),
        ("loop.warmup", "0:0.5:0.1", Range(low=0, high=0.5, step=0.1)),
        ("labels.sources.human", "0.5:2", Range(low=0.5, high=2)),
        ("lora.rank", "4,8", Choices((4, 8))),
        ("loop.batch_size", "8,16, 32", Choices((8, 16, 32))),
        ("loop.head_lr", "null,0.001", Choices((None, 0.001))),
        ("loop.bf16", "true,false", Choices((True, False))),
        ("loss", "cross-entropy,binomial", Choices(("cross-entropy", "binomial"))),
        ("loss", '["joint", {"name": "q-ranking", "zeta": 2}]', None),
        ("loop.lr", [0.1, 0.2], Choices((0.1, 0.2))),
        ("loop.lr", {"low": 1, "high": 2, "log": False}, Range(low=1, high=2)),
    ],
)
def test_what_is_written_is_meant(name, text, meant):
    base = PLAIN if name != "lora.rank" else RewardConfig(base="b", lora=Lora())
    found = space_of(base, {name: text}).trained[name]
    assert found == (meant or Choices(("joint", {"name": "q-ranking", "zeta": 2})))
    again = space_of(base, {name: found.to_json()})
    assert again.trained[name] == found
    assert again.given == {name: json.loads(json.dumps(found.to_json()))}


@pytest.mark.parametrize(
    ("given_space", "said"),
    [
        ({}, "nothing is tuned"),
        ({"aggregate": "min,last"}, "aggregate and threshold are chosen after"),
        ({"loop.speed": "1:2"}, "no setting loop.speed; of this kind there are: loop.num_updates"),
        ({"speed": "1:2"}, "there is no setting speed"),
        ({"loss.zeta": "1:2"}, "there is no setting loss.zeta; of this kind there are: none"),
        ({"loop.lr.x": "1:2"}, "loop.lr has no parts"),
        ({"loop.lr": "0.1"}, "fix with --set what has one value"),
        ({"loop.lr": "fast"}, "give several values"),
        ({"loop.lr": [0.1]}, "at least two values, all different"),
        ({"loop.lr": "0.1,0.2,0.1"}, "all different"),
        ({"loop.lr": "2:1"}, "goes from 2 to 1"),
        ({"loop.lr": "log:0:1"}, "its bounds are positive"),
        ({"loop.lr": "log:1:2:0.1"}, "has no step"),
        ({"loop.lr": "a:b"}, "has low 'a'; it must be a number"),
        ({"loop.lr": "1:inf"}, "'inf'"),
        ({"loop.lr": {"low": 1}}, "has no high"),
        ({"loop.lr": {"low": 1, "height": 2}}, "height; bounds are low, high, log, step"),
        ({"loop.lr": {"low": 1, "high": 2, "log": "yes"}}, "it must be true or false"),
        ({"loop.lr": 3}, "give a list, or bounds"),
        ({"loop.lr": "[1,"}, "not JSON"),
        ({"loop.lr": "-1:1"}, "loop.lr cannot be -1: lr is -1; it must be positive"),
        ({"loop.lr": "0.1,none"}, "loop.lr is 'none'; it must be a number"),
        ({"loop.batch_size": "8,16.5"}, "16.5; it must be a whole number"),
        ({"loop.batch_size": "0.5:2"}, "has low 0.5; it must be a whole number"),
        ({"loop.batch_size": "true,16"}, "True; it must be a whole number"),
        ({"loop.batch_size": "0:16"}, "batch_size is 0"),
        ({"loop.num_updates": "10:25:10"}, "do not meet 25"),
        ({"loop.optimizer": "muon,sgd"}, "must be one of muon, adamw"),
        ({"loop.optimizer": "1:2"}, "is text, which has no bounds"),
        ({"loop.bf16": "yes,no"}, "it must be true or false"),
        ({"loop.warmup": "0:0.9"}, "not be more than 1 together"),
        ({"loss": "cross-entropy,squared"}, "name one of cross-entropy"),
        ({"loss": "pairwise,joint", "loss.beta": "1:2"}, "no setting loss.beta"),
        ({"shape.hidden_size": "30,64"}, "hidden_size is 30"),
        ({"loop.metric": "brier,ece"}, "must be the same in every trial"),
        ({"loop.eval_every": "5,10"}, "must be the same in every trial"),
        ({**RATE, "aggregate": "min,sum of"}, "no aggregate 'sum of'"),
        ({**RATE, "aggregate": "0:1"}, "has no bounds"),
        ({**RATE, "threshold": "low,high"}, "threshold is 'low'; it must be a number"),
    ],
)
def test_what_cannot_work_is_said(given_space, said):
    with pytest.raises(UsageError) as error:
        space_of(PLAIN, given_space)
    assert said in str(error.value)


def test_a_setting_and_a_part_of_it_are_not_tuned_together():
    base = RewardConfig(loss=QRanking())
    assert space_of(base, {"loss.zeta": "1:8"}).trained["loss.zeta"] == Range(low=1, high=8)
    with pytest.raises(UsageError, match=r"loss and loss\.zeta overlap"):
        space_of(base, {"loss": "q-ranking,joint", "loss.zeta": "1:8"})


def test_what_is_chosen_after_training():
    space = space_of(PLAIN, {**RATE, "aggregate": "min,last", "threshold": "0.9,0.2"})
    assert [*space.trained] == ["loop.lr"]
    assert space.aggregates == ("min", "last")
    assert space.thresholds == (0.2, 0.9)
    steps = space_of(PLAIN, {**RATE, "threshold": "0.2:0.8:0.2"}).thresholds
    assert steps == pytest.approx((0.2, 0.4, 0.6, 0.8))
    even = space_of(PLAIN, {**RATE, "threshold": "0.2:0.7"}).thresholds
    assert len(even) == 101
    assert even[::50] == pytest.approx((0.2, 0.45, 0.7))
    logs = space_of(PLAIN, {**RATE, "threshold": "log:0.01:1"}).thresholds
    assert logs[::50] == pytest.approx((0.01, 0.1, 1))


def test_files_of_json_and_toml(tmp_path):
    (tmp_path / "space.json").write_text(
        '{"loop": {"lr": {"low": 0.1, "high": 1}, "batch_size": [8, 16]}, "loss": "joint,binomial"}'
    )
    (tmp_path / "space.toml").write_text(
        'loss = "joint,binomial"\n[loop]\nlr = {low = 0.1, high = 1}\nbatch_size = [8, 16]\n'
    )
    read = [read_space(tmp_path / f"space.{kind}") for kind in ("json", "toml")]
    wanted = {
        "loop.lr": {"low": 0.1, "high": 1},
        "loop.batch_size": [8, 16],
        "loss": "joint,binomial",
    }
    assert read == [wanted, wanted]
    for name, text, said in (
        ("bad.json", "{", "is not JSON"),
        ("bad.toml", "a = ", "is not TOML"),
        ("list.json", "[]", "holds no object"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match=said):
            read_space(tmp_path / name)
    with pytest.raises(StorageError, match=r"absent.json cannot be read"):
        read_space(tmp_path / "absent.json")


def test_options():
    assert read_options(["loop.lr=1:2", "loss=a=b,c"]) == {"loop.lr": "1:2", "loss": "a=b,c"}
    for options, said in ((["loop.lr"], "says no bounds"), (["a=1:2", "a=1:3"], "given twice")):
        with pytest.raises(UsageError, match=said):
            read_options(options)


@pytest.mark.parametrize(
    ("base", "names"),
    [
        (PLAIN, {"loop.lr", "loop.other_lr", "loop.batch_size", "labels.wrong_weight"}),
        (
            RewardConfig(
                loss=Pairwise(), loop=TrainConfig(optimizer="adamw", lr=1e-5, head_lr=1e-4)
            ),
            {"loop.lr", "loop.head_lr", "loop.batch_size"},
        ),
    ],
)
def test_the_space_that_needs_no_words_holds_the_settings_themselves(base, names):
    space = space_of(base, default_space(base))
    assert {*space.trained} == names
    params = space.params_of(base)
    assert base.changed(space.changes(params)) == base
    assert params["loop.lr"] == base.loop.lr


def test_the_default_batch_can_be_shared_among_passes():
    base = RewardConfig(loop=TrainConfig(batch_size=12, passes=4))
    assert default_space(base)["loop.batch_size"] == [12, 24]


@given(seed=st.integers(0, 2**32 - 1))
def test_every_point_is_a_training(seed):
    wide = {
        "loop.lr": "log:1e-5:1e-2",
        "loop.num_updates": "10:1000:10",
        "loop.head_lr": "null,0.1",
        "loss": ["cross-entropy", {"name": "q-ranking", "zeta": 2}],
        "labels.sources": [None, {"human": 1.0, "judge": 0.5}],
        "loop.warmup": "0:0.5:0.05",
    }
    space = space_of(PLAIN, wide)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    params = optuna.create_study(sampler=sampler).ask(space.distributions()).params
    config = PLAIN.changed(space.changes(params))
    assert space.params_of(config) == params

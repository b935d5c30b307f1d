"""Whole studies: the best is found and kept, the hopeless stopped, the killed taken up again."""

import json
from dataclasses import replace

import pytest

import surefoot as sf
from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.models.contract import Contract
from surefoot.scores.development import measure
from surefoot.training.config import RewardConfig
from surefoot.training.tuning import runner
from surefoot.training.tuning.shelf import Shelf
from surefoot.training.tuning.study import tune

RATES = {"loop.lr": "log:1e-5:0.1", "loop.other_lr": "log:1e-5:0.1"}
TRIALS = 6


def go(data, out, config, space=RATES, num_trials=TRIALS, **options):
    traces, development = data
    return tune(
        traces, out, config, development=development, space=space, num_trials=num_trials, **options
    )


def same(records):
    """What must not depend on how often a study was interrupted."""
    return [replace(one, seconds=0.0) for one in records]


def folders(out):
    return {int(one.name): {file.name for file in one.iterdir()} for one in out.glob("trials/*")}


def test_the_planted_optimum_beats_the_settings_that_were_given(finished, data, weak):
    out, tuned, _ = finished
    assert [one.number for one in tuned.trials] == [*range(TRIALS)]
    assert [one.given for one in tuned.trials] == [True] + [False] * (TRIALS - 1)
    assert tuned.given == tuned.trials[0]
    assert tuned.given.settings == {"loop.lr": 1e-4, "loop.other_lr": 1e-4}
    values = [one.value for one in tuned.trials if one.value is not None]
    assert tuned.best.value == max(values) > tuned.given.value + 0.1
    scores = sf.load(out / "best").score(data[1])
    assert measure(data[1], scores).overall.step_auroc == pytest.approx(tuned.best.value)
    assert RewardConfig.load(out / "best" / "training.json") == weak.changed(tuned.best.settings)
    assert Contract.load(out / "best").threshold == tuned.best.threshold
    assert json.loads((out / "best" / "trial.json").read_text()) == json.loads(
        json.dumps(tuned.best.to_json())
    )
    assert tuned.best.low <= tuned.best.value <= tuned.best.high


def test_a_choice_is_judged_on_the_other_half(finished):
    _, tuned, _ = finished
    done = [one.halves for one in tuned.trials if one.value is not None]
    first, second = (max(done, key=lambda halves, h=h: halves[h]) for h in (0, 1))
    assert tuned.heldout == pytest.approx((first[1] + second[0]) / 2)
    assert tuned.given_halves == pytest.approx(sum(tuned.given.halves) / 2)
    number = len(done)
    assert f"chosen among {number} on the traces that it is measured on" in tuned.note


def test_what_is_kept(finished):
    out, tuned, _ = finished
    done = [one for one in tuned.trials if one.value is not None]
    best = sorted(done, key=lambda one: (-one.value, one.number))[:3]
    held = folders(out)
    assert {number for number, files in held.items() if "model" in files} == {
        one.number for one in best
    }
    for one in tuned.trials:
        assert held[one.number] - {"model"} >= {"trial.json"}
        assert "model" in held[one.number] or "metrics.jsonl" in held[one.number]
        assert not any(name.endswith(".training") for name in held[one.number])
    told = json.loads((out / "report.json").read_text())
    assert told == json.loads(json.dumps(tuned.to_json()))
    assert told["counts"]["complete"] + told["counts"]["pruned"] == TRIALS


def test_the_hopeless_are_stopped_early(finished):
    out, tuned, _ = finished
    pruned = [one for one in tuned.trials if one.state == "pruned"]
    assert pruned
    for one in pruned:
        last = max(one.measured)
        before = [
            other.measured[last]
            for other in tuned.trials[: one.number]
            if other.state == "complete"
        ]
        assert len(before) >= 4
        middle = sorted(before)[len(before) // 2 - (len(before) % 2 == 0) :][:2]
        assert max(one.measured.values()) < max(middle)
        assert last < 6
        log = (out / "trials" / f"{one.number:04}" / "metrics.jsonl").read_text().splitlines()
        assert max(json.loads(line)["step"] for line in log) == last
    complete = [one for one in tuned.trials if one.state == "complete"]
    assert all([*one.measured] == [2, 4, 6] for one in complete)


def test_every_trial_is_told_when_it_begins_and_when_it_ends(finished):
    _, tuned, heard = finished
    assert [(one.number, one.state) for one, _ in heard] == [
        pair for one in tuned.trials for pair in ((one.number, "running"), (one.number, one.state))
    ]
    assert [one for one, _ in heard[1::2]] == [*tuned.trials]
    bests = [best and best.value for _, best in heard]
    assert bests[0] is None
    assert bests[-1] == tuned.best.value
    assert bests[1:] == sorted(bests[1:])


class Killed(BaseException):
    """Stands for a kill at a moment of our choice."""


def until(update, seen=None):
    """A listener that is killed at an update."""

    def on_update(done, total, loss):
        if seen is not None:
            seen.append(done)
        if done == update:
            raise Killed

    return on_update


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_is_the_same(
    finished, data, weak, tmp_path, monkeypatch
):
    _, whole, _ = finished
    out, seen = tmp_path / "study", []

    with pytest.raises(Killed):
        go(data, out, weak, on_update=until(3))
    with pytest.raises(Killed):
        go(data, out, weak, on_update=until(5, seen))
    assert {*seen} == {3, 4, 5}  # goes on from the checkpoint of update 2
    assert (out / "trials" / "0000" / ".model.training").is_dir()

    settle, settled = runner.settle, []

    def killed_after_training(*arguments):
        settled.append(arguments)
        if len(settled) == 2:
            raise Killed
        return settle(*arguments)

    monkeypatch.setattr(runner, "settle", killed_after_training)
    with pytest.raises(Killed):
        go(data, out, weak)
    assert (out / "trials" / "0001" / "model").is_dir()
    assert json.loads((out / "report.json").read_text())["counts"]["complete"] == 1
    seen.clear()
    go(data, out, weak, num_trials=2, on_update=lambda done, total, loss: seen.append(done))
    assert seen == []  # what was trained is only measured

    with pytest.raises(Killed):
        go(data, out, weak, on_trial=lambda one, best: until(3)(one.number, 6, None))
    shelf = Shelf(out)
    with shelf.hold(3):  # as if another worker had it
        left = go(data, out, weak, num_trials=4)
        assert [one.state for one in left.trials][2:] == ["complete", "running"]
    assert same(go(data, out, weak).trials) == same(whole.trials)


def test_a_finished_study_does_nothing_more_and_goes_on_when_asked_for_more(
    study, finished, data, weak
):
    heard = []
    tuned = go(data, study, weak, on_trial=lambda one, best: heard.append(one.number))
    assert heard == []
    assert tuned == replace(finished[1], study=tuned.study)
    more = go(
        *(data, study, weak),
        num_trials=TRIALS + 1,
        keep=1,
        on_trial=lambda one, best: heard.append(one.number),
    )
    assert heard == [TRIALS, TRIALS]
    assert same(more.trials[:TRIALS]) == same(tuned.trials)
    kept = [number for number, files in folders(study).items() if "model" in files]
    assert kept == [more.best.number]


@pytest.mark.slow
def test_new_labels_make_the_best_begin_again(study, finished, data, weak, told):
    _, before, _ = finished
    traces, development = data
    with pytest.raises(Killed):
        go(data, study, weak, num_trials=TRIALS + 1, on_update=until(1))
    more = ([*traces, *told(30, seed=9, first=900)], development)
    tuned = go(more, study, weak, num_trials=5)
    old, new = tuned.trials[: TRIALS + 1], tuned.trials[TRIALS + 1 :]
    assert same(old[:TRIALS]) == same(before.trials)
    assert (old[-1].state, old[-1].reason) == (
        "failed",
        "the data changed before it came to its end",
    )
    assert {one.edition for one in old} == {0}
    assert [one.edition for one in new] == [1] * 5
    done = [one for one in before.trials if one.value is not None]
    best = sorted(done, key=lambda one: (-one.value, one.number))[:3]
    assert [one.again for one in new[:3]] == [one.number for one in best]
    assert [one.settings for one in new[:3]] == [one.settings for one in best]
    assert [one.given for one in new] == [False] * 3 + [True, False]
    assert new[4].settings not in [one.settings for one in old]
    assert tuned.best in new
    assert tuned.given == new[3]
    assert json.loads((study / "best" / "trial.json").read_text())["number"] == tuned.best.number
    held = {number for number, files in folders(study).items() if "model" in files}
    assert {number for number in held if number <= TRIALS} == {before.best.number}
    report = tuned.to_json()
    assert [one["at_hand"] for one in report["data"]] == [False, True]
    assert [one["traces"] for one in report["data"]] == [120, 150]
    back = go(data, study, weak, num_trials=TRIALS)  # the old data again: nothing is done anew
    assert back.study.current == 0
    assert back.best == before.best
    assert json.loads((study / "best" / "trial.json").read_text())["number"] == back.best.number
    assert len(back.trials) == len(tuned.trials)


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(data, weak, tmp_path):
    out = tmp_path / "study"
    space = {"loop.lr": [1e-4, 1e30], "labels.target": ["steps", "outcome"]}
    tuned = go(data, out, replace(weak, read="reward"), space, num_trials=9)
    assert len(tuned.trials) == 4
    assert tuned.is_exhausted
    assert len({str(one.settings) for one in tuned.trials}) == 4
    for one in tuned.trials:
        hot = one.settings["loop.lr"] > 1
        assert one.state == ("failed" if hot else "complete")
        assert bool(one.reason) == hot
        if hot:
            assert "lower the rate" in one.reason
            assert folders(out)[one.number] <= {"trial.json", "metrics.jsonl", ".lock"}


def test_where_everything_fails_the_fault_is_not_the_settings(data, weak, tmp_path):
    with pytest.raises(ModelError, match=r"5 trials one after the other failed.*nowhere"):
        go(data, tmp_path / "a", replace(weak, base="nowhere"))
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["counts"]["failed"] == 5
    with pytest.raises(ModelError, match=r"no trial came to its end: no model 'nowhere'"):
        go(data, tmp_path / "b", replace(weak, base="nowhere"), num_trials=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"space": {"loop.lr": "log:1e-5:0.2"}}, r"\(space.loop.lr.high, space.loop.other_lr\)"),
        ({"seed": 1}, r"other settings \(seed\)"),
        ({"pruner": "hyperband"}, r"other settings \(pruner\)"),
        ({"storage": "sqlite:///elsewhere.db"}, "are in study.db, not in sqlite:///elsewhere.db"),
    ],
)
def test_a_study_goes_on_with_its_own_settings_alone(study, data, weak, options, said, monkeypatch):
    monkeypatch.chdir(study.parent)
    before = (study / "study.json").read_bytes()
    with pytest.raises(UsageError, match=said):
        go(data, study, weak, **options)
    with pytest.raises(UsageError, match=r"config.loop.batch_size"):
        go(data, study, weak.changed({"loop.batch_size": 8}))
    assert (study / "study.json").read_bytes() == before


def test_folders_that_cannot_be_gone_on_with(study, data, weak, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"holds no study but thesis\.tex"):
        go(data, tmp_path / "full", weak)
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    best = json.loads((study / "best" / "trial.json").read_text())["number"]
    (study / "best" / "trial.json").unlink()
    go(data, study, weak)
    assert json.loads((study / "best" / "trial.json").read_text())["number"] == best
    sf.load(study / "best")
    for file in (study / "best", study / "trials" / f"{best:04}" / "model"):
        file.rename(tmp_path / file.name)
    with pytest.raises(StorageError, match="which holds the best model so far"):
        go(data, study, weak)
    whole = (study / "study.json").read_text()
    for text in ("{", "[]", '{"version": 1}', '{"version": 7}'):
        (study / "study.json").write_text(text)
        with pytest.raises(StorageError, match=r"study\.json"):
            go(data, study, weak)
    (study / "study.json").write_text(whole)
    (study / "study.db").unlink()
    with pytest.raises(StorageError, match="the database does not hold surefoot-"):
        go(data, study, weak)
    (study / "study.db").write_text("no database")
    with pytest.raises(StorageError, match=r"cannot be used: .*not a database"):
        go(data, study, weak)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_trials": 0}, "num_trials is 0"),
        ({"keep": 0}, "keep is 0"),
        ({"pruner": "best"}, "pruner is 'best'"),
        ({"space": {**RATES, "aggregate": "min,last"}}, "step_auroc does not depend on the aggreg"),
        ({"space": {"loop.lr": "1:0"}}, "goes from 1 to 0"),
        ({"storage": "somewhere"}, "no address of a database"),
        ({"storage": "mysql+pymysql://host/name"}, "needs a package that is missing"),
        ({"storage": "sqlite:////nowhere/study.db"}, "cannot be used: .*unable to open"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(data, weak, tmp_path, options, said):
    with pytest.raises((UsageError, StorageError), match=said):
        go(data, tmp_path / "study", weak, **options)
    assert not (tmp_path / "study" / "trials").exists()


def test_without_development_traces(data, weak, tmp_path, monkeypatch):
    for config, options, said in (
        (weak, {}, "measured on development traces; give some"),
        (weak.changed({"loop.metric": "f1_best"}), {}, "measured on development traces"),
    ):
        with pytest.raises(UsageError, match=said):
            go((data[0], []), tmp_path / "study", config, **options)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="instead of torchrun"):
        go(data, tmp_path / "study", weak)
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_successive_halving_stops_trials_too(data, weak, tmp_path):
    loop = replace(weak.loop, num_updates=9, eval_every=1)
    tuned = go(data, tmp_path / "a", replace(weak, loop=loop), pruner="hyperband", num_trials=9)
    states = {one.number: one.state for one in tuned.trials}
    assert {"pruned", "complete"} == {*states.values()}
    assert {max(one.measured) for one in tuned.trials if one.state == "pruned"} <= {1, 3, 9}

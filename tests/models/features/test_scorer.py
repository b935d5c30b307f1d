"""The scorer of features: its scores, its folder, and what it refuses."""

import json
import math

import pytest

from surefoot.errors import ModelError, UsageError
from surefoot.models.features import FEATURES_FILE
from surefoot.models.features.scorer import Description, FeatureScorer
from surefoot.models.features.vector import FEATURES, features_of
from surefoot.models.hub import load
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.features import Trees, train_feature_scorer

SMALL = Trees(rounds=12, steps_per_leaf=4, feature_share=1.0, folds=2)


def sums(number: int, start: int = 0) -> list[Trace]:
    """Two steps each, of which one in three is a false sum."""
    found = []
    for n in range(start, start + number):
        steps, labels = [], []
        for k in range(2):
            wrong = (n + k) % 3 == 0
            steps.append(f"{n} + {k} = {n + k + wrong}")
            labels.append(-1 if wrong else 1)
        found.append(Trace(f"Add to {n}.", steps, labels=[StepLabels(tuple(labels))]))
    return found


@pytest.fixture(scope="module")
def scorer() -> FeatureScorer:
    return train_feature_scorer(sums(60), trees=SMALL, name="sums")[0]


def test_scores_are_probabilities_with_log_odds(scorer: FeatureScorer) -> None:
    (scores,) = scorer.score(sums(1, 99))
    assert scores.kind == "probability"
    assert scores.model == "sums"
    assert scores.threshold == scorer.description.threshold
    assert scores.log_odds is not None
    for value, odds in zip(scores.values, scores.log_odds, strict=True):
        assert value is not None
        assert odds is not None
        assert value == pytest.approx(1 / (1 + math.exp(-odds)))
    assert scores.values[0] < scores.values[1], "99 + 0 = 100 is wrong, 99 + 1 = 100 is right"


def test_a_score_is_the_sum_of_the_trees(scorer: FeatureScorer) -> None:
    """Walk the trees of LightGBM's own dump by hand."""
    trace = sums(1, 77)[0]
    dump = scorer._trees.dump_model()
    row = features_of(trace)[1]
    total = scorer.description.intercept
    for tree in dump["tree_info"]:
        node = tree["tree_structure"]
        while "leaf_value" not in node:
            value = float(row[node["split_feature"]])
            left = node["default_left"] if math.isnan(value) else value <= node["threshold"]
            node = node["left_child" if left else "right_child"]
        total += node["leaf_value"]
    odds = scorer.score(trace).log_odds
    assert odds is not None
    assert odds[1] == pytest.approx(-total)


def test_a_batch_scores_as_one_by_one(scorer: FeatureScorer) -> None:
    some = [*sums(4, 200), Trace("?", ["one", "two", "three"])]
    assert scorer.score(some) == [scorer.score(one) for one in some]
    assert scorer.score([]) == []


def test_later_steps_change_no_earlier_score(scorer: FeatureScorer) -> None:
    steps = ["5 + 1 = 7", "so it is 7"]
    short = scorer.score(Trace("?", steps))
    long = scorer.score(Trace("?", [*steps, r"\(7 = 8\)", "Wait, that was wrong."]))
    assert long.values[:2] == short.values


def test_a_session_scores_as_the_whole(scorer: FeatureScorer) -> None:
    session = scorer.open("Add to 5.")
    (branch,) = session.extend([(session.root, ["5 + 1 = 7"])])
    (grown,) = session.extend([(branch, ["7 + 1 = 8"])])
    assert grown.scores == scorer.score(Trace("Add to 5.", ["5 + 1 = 7", "7 + 1 = 8"]))


def test_what_is_saved_scores_the_same(scorer: FeatureScorer, tmp_path) -> None:
    scorer.save(tmp_path / "model")
    assert sorted(one.name for one in (tmp_path / "model").iterdir()) == [
        "features.json",
        "trees.txt",
    ]
    again = load(tmp_path / "model")
    some = sums(30, 300)
    assert again.score(some) == scorer.score(some)
    assert isinstance(again, FeatureScorer)
    assert again.description == scorer.description
    again.save(tmp_path / "copy")
    for name in ("features.json", "trees.txt"):
        ours, theirs = (tmp_path / folder / name for folder in ("model", "copy"))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"version": 0}, "version"),
        ({"threshold": "0.5"}, "not of its kind"),
        ({"intercept": True, "name": 3}, "not of its kind"),
        ({"more": 1}, "fields must be"),
        ({"features": ["chars"]}, "not in it: .*position"),
        ({"features": [*FEATURES[1:], FEATURES[0]]}, "in another order"),
        ({"features": [*FEATURES, "smell"]}, "no longer read: smell"),
    ],
)
def test_a_description_that_does_not_fit(scorer: FeatureScorer, tmp_path, change, what) -> None:
    scorer.save(tmp_path)
    path = tmp_path / FEATURES_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=what):
        load(tmp_path)


def test_damaged_files(scorer: FeatureScorer, tmp_path) -> None:
    scorer.save(tmp_path)
    trees = tmp_path / "trees.txt"
    trees.write_bytes(trees.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path)
    trees.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / FEATURES_FILE).write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path)


def test_trees_of_other_features_are_refused(scorer: FeatureScorer) -> None:
    description = Description(name="x", intercept=0.0, features=FEATURES[:-1])
    with pytest.raises(ModelError, match="train it again"):
        FeatureScorer(scorer._trees, description)


@pytest.mark.parametrize("option", [{"long": "windows"}, {"device": "cpu"}, {"profile": "trl"}])
def test_options_that_mean_nothing_are_refused(scorer: FeatureScorer, tmp_path, option) -> None:
    scorer.save(tmp_path)
    with pytest.raises(UsageError, match="mean nothing"):
        load(tmp_path, **option)

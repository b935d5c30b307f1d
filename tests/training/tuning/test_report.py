"""What is said to have mattered did."""

import random

import optuna
import pytest

from surefoot.training.tuning.report import FEWEST, importances


@pytest.fixture
def planted():
    """A study whose value depends on one of three settings."""

    def make(number, *, direction="maximize", pruned=0):
        rng = random.Random(0)
        space = {
            "loop.lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
            "loop.batch_size": optuna.distributions.CategoricalDistribution([8, 16]),
            "labels.wrong_weight": optuna.distributions.FloatDistribution(1, 4),
        }
        study = optuna.create_study(direction=direction)
        for i in range(number):
            x = rng.random()
            params = {
                "loop.lr": 10 ** (4 * x - 5),
                "loop.batch_size": rng.choice([8, 16]),
                "labels.wrong_weight": 1 + 3 * rng.random(),
            }
            value = 1 - abs(x - 0.7)
            state = optuna.trial.TrialState.COMPLETE
            if i < pruned:
                state = optuna.trial.TrialState.PRUNED
            study.add_trial(
                optuna.trial.create_trial(
                    state=state,
                    params=params,
                    distributions=space,
                    value=(value if direction == "maximize" else -value),
                    intermediate_values={1: 1.0},
                )
            )
        return study

    return make


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_setting_that_matters(planted, direction):
    found = importances(planted(60, direction=direction))
    assert next(iter(found)) == "loop.lr"
    assert found["loop.lr"] > 0.7
    assert sum(found.values()) == pytest.approx(1)
    assert {*found} == {"loop.lr", "loop.batch_size", "labels.wrong_weight"}


def test_pruned_trials_stand_behind_all_others(planted):
    """However good what was measured last of them."""
    assert importances(planted(60, pruned=30))["loop.lr"] > 0.5
    assert importances(planted(FEWEST, pruned=FEWEST - 1)) is not None
    assert importances(planted(FEWEST - 1)) is None

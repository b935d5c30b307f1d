"""What training is for: models that start from nothing learn, within seconds."""

import random

import pytest

from surefoot.models.hub import load
from surefoot.policies.base import Prefix
from surefoot.scores.discrimination import auroc
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.policy import train_policy
from surefoot.training.reward import train
from surefoot.training.scratch import Shape
from surefoot.training.targets import LabelRule
from surefoot.worlds.last_digit import read_work


def test_a_policy_learns_how_the_world_writes(world_traces, tmp_path):
    traces = world_traces(600, longest=2)
    losses = []
    policy = train_policy(
        traces,
        tmp_path / "policy",
        shape=Shape(num_layers=2, max_positions=256),
        config=TrainConfig(num_updates=100, batch_size=8, lr=0.02, other_lr=0.012),
        on_update=lambda done, total, loss: losses.append(loss) if loss is not None else None,
    )
    assert losses[-1] < 1 < losses[0] < 4  # knowing nothing costs log 400 = 6
    prefixes = [Prefix(trace.problem) for trace in world_traces(20, seed=1)]
    chains = [one for row in policy.continue_prefixes(prefixes, 2, seed=0) for one in row]
    assert sum(one.finished for one in chains) > 30
    written = [step for one in chains for step in one.steps[:-1]]
    assert sum(read_work(step) is not None for step in written) > 0.6 * len(written)


def copies(number, seed):
    """Two digits to copy; a third of the copies are wrong."""
    rng = random.Random(seed)
    traces = []
    for _ in range(number):
        digits = [rng.randint(0, 9) for _ in range(2)]
        labels = tuple(rng.choice((1, 1, -1)) for _ in digits)
        written = [
            d if label > 0 else (d + rng.randint(1, 9)) % 10
            for d, label in zip(digits, labels, strict=True)
        ]
        steps = [f"{name}: {d}." for name, d in zip(("First", "Second"), written, strict=True)]
        traces.append(
            Trace(
                f"Copy {digits[0]} and {digits[1]}.",
                steps,
                outcome=written == digits,
                labels=[StepLabels(labels, "checker")],
            )
        )
    return traces


@pytest.mark.parametrize(("target", "least"), [("steps", 0.9), ("outcome", 0.65)])
def test_a_reward_model_tells_corrupted_digits(tmp_path, target, least):
    traces, heldout = copies(1500, seed=1), copies(200, seed=2)
    config = RewardConfig(
        labels=LabelRule(target=target, whole_steps=True),
        shape=Shape(num_layers=2, vocab_size=300, max_positions=128),
        max_tokens=128,
        loop=TrainConfig(num_updates=200, batch_size=48, lr=0.02, other_lr=0.012),
    )
    train(traces, tmp_path / "model", config)
    scores = load(tmp_path / "model").score(heldout)
    if target == "steps":
        truth = [label > 0 for trace in heldout for label in trace.labels[0].values]
        values = [value for one in scores for value in one.values]
    else:
        truth = [trace.outcome for trace in heldout]
        values = [one.values[-1] for one in scores]
    assert auroc(truth, values) > least

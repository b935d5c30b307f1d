"""Critics: the loss against transformers' own, a checkpoint that loads as one, and learning."""

import random
from dataclasses import replace

import pytest
import torch

import surefoot as sf
from surefoot.errors import ContractError, DataError, ModelError, UsageError
from surefoot.models.critic import CRITIC_FILE, Critic, Reading, Stage
from surefoot.models.generative import GenerativeModel
from surefoot.models.verdicts import VERDICTS, Verdict
from surefoot.policies.chat import ChatEncoder
from surefoot.scores.development import measure
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.config import Lora, TrainConfig
from surefoot.training.critic import CriticConfig, CriticTrainee, train_critic
from surefoot.training.scratch import Shape, fresh_model, fresh_tokenizer
from surefoot.training.verdict_rows import verdict_rows

STEP_CRITIC = Critic(
    ask="{problem}\n{solution}",
    unit="step",
    reading=Reading(kind="pattern", good="+", bad="-", pattern=r"([+-])"),
)
CHAT = "{% for one in messages %}{{ one.content }}\n{% endfor %}"
QUICK = TrainConfig(num_updates=2, batch_size=2)


def judged(trace, keep=lambda label: True):
    """A trace with the verdicts of a judge that knows the world."""
    labels = enumerate(trace.labels[0].values)
    written = [Verdict(k, 0, "+" if v > 0 else "-", {}) for k, v in labels if keep(v)]
    return replace(trace, meta={VERDICTS: [one.to_json() for one in written]})


@pytest.fixture(scope="module")
def base(world_traces, tmp_path_factory):
    """A language model with a chat template that has learned nothing."""
    texts = [text for one in world_traces(100) for text in (one.problem, *one.texts)]
    tokenizer = fresh_tokenizer(texts, 300)
    tokenizer.chat_template = CHAT
    folder = tmp_path_factory.mktemp("critic") / "base"
    shape = Shape(hidden_size=32, num_layers=2, vocab_size=300, max_positions=256)
    fresh_model(tokenizer, shape, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("hidden_size", [32, 192], ids=["padded rows", "a packed tree"])
def test_the_loss_is_that_of_transformers_on_each_row_by_itself(
    hidden_size, small_model, chat_tokenizer
):
    model = small_model(
        tokenizer=chat_tokenizer, hidden_size=hidden_size, initializer_range=0.05
    ).double()
    trace = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])
    given = [Verdict(k, j, text, {}) for k in (0, 1) for j, text in enumerate(("+ so", "no -"))]
    rows = verdict_rows(
        [replace(trace, meta={VERDICTS: [one.to_json() for one in given]})],
        STEP_CRITIC,
        ChatEncoder(chat_tokenizer),
        end=chat_tokenizer.eos_token_id,
        max_tokens=512,
    ).rows
    assert len(rows) == 4
    trainee = CriticTrainee(model)
    with trainee.engine.held():
        loss = -trainee(rows).sum()
        loss.backward()
    ours = model.model.layers[0].mlp.up_proj.weight.grad.clone()
    model.zero_grad()
    plain = torch.zeros(())
    for row in rows:
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[:, : row.first] = -100
        number = len(row.ids) - row.first
        plain = plain + model(input_ids=ids, labels=labels).loss * number
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    theirs = model.model.layers[0].mlp.up_proj.weight.grad
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_tiny_critic_learns_verdicts_that_can_be_read_and_are_right(base, world_traces, tmp_path):
    draw = random.Random(5)
    traces = [judged(t, lambda v: v < 0 or draw.random() < 0.15) for t in world_traces(800)]
    loop = TrainConfig(num_updates=100, batch_size=32, lr=0.02)
    config = CriticConfig(base=str(base), critic=STEP_CRITIC, loop=loop)
    assert not train_critic(traces, tmp_path / "critic", config).refused
    critic = sf.load(tmp_path / "critic")
    fresh = world_traces(200, seed=1)
    found = {1.0: [], 0.0: []}
    for trace, scores in zip(fresh, critic.score(fresh), strict=True):
        for label, score in zip(trace.labels[0].values, scores.values, strict=True):
            found[float(label > 0)].append(score)
    assert critic.tally.unreadable == 0
    cleared, caught = (own.count(kind) / len(own) for kind, own in found.items())
    assert (cleared + caught) / 2 > 0.7, "chance is .5"


def test_a_checkpoint_loads_as_the_critic_that_it_was_trained_to_be(base, world_traces, tmp_path):
    traces = [judged(one) for one in world_traces(6)]
    unreadable = replace(traces[0], meta={VERDICTS: [Verdict(0, 0, "?", {}).to_json()]})
    config = CriticConfig(base=str(base), critic=STEP_CRITIC, loop=QUICK)
    trained = train_critic([*traces, unreadable, *world_traces(2)], tmp_path / "critic", config)
    num_steps = sum(len(one.steps) for one in traces)
    assert (trained.num_traces, trained.num_verdicts) == (6, num_steps)
    assert trained.num_tokens == 2 * num_steps
    assert trained.refused == {"unreadable": 1}
    loaded = sf.load(tmp_path / "critic")
    assert isinstance(loaded, GenerativeModel)
    assert (loaded.name, loaded.critic) == ("critic", STEP_CRITIC)
    assert not (tmp_path / ".critic.training").exists()
    again = GenerativeModel(loaded.writer, STEP_CRITIC)
    assert loaded.score(traces[0]).values == again.score(traces[0]).values
    asked = sf.load(tmp_path / "critic", profile="judge-steps")
    assert asked.critic.unit == "trace", "a profile that is asked for comes first"
    with pytest.raises(UsageError, match="separator"):
        sf.load(tmp_path / "critic", separator="x")
    with pytest.raises(UsageError, match="long"):
        sf.load(tmp_path / "critic", long="windows")


def test_development_traces_are_written_about_in_the_end(base, world_traces, tmp_path):
    pytest.importorskip("peft")
    traces = [judged(one) for one in world_traces(6)]
    short = replace(STEP_CRITIC, stages=(Stage(max_new_tokens=4),))
    long = Trace("x" * 2_000, ["s"], labels=[StepLabels((1,))])
    development = [*world_traces(8, seed=3), long]
    config = CriticConfig(
        base=str(base),
        critic=short,
        lora=Lora(rank=2),
        loop=replace(QUICK, optimizer="adamw"),
    )
    seen = train_critic(traces, tmp_path / "seen", config, development=development)
    plain = train_critic(traces, tmp_path / "plain", config)
    files = [tmp_path / name / "model.safetensors" for name in ("seen", "plain")]
    assert files[0].read_bytes() == files[1].read_bytes(), "nothing is learned or chosen by them"
    critic = sf.load(tmp_path / "seen")
    scores = [*critic.score(development[:-1]), None]
    assert seen.development == measure(development, scores, num_resamples=1000)
    assert seen.unscorable == 1
    assert seen.answers == critic.tally.answers == sum(len(t.steps) for t in development[:-1])
    assert seen.unreadable == critic.tally.unreadable
    assert (plain.development, plain.answers, plain.unscorable) == (None, 0, 0)


def test_a_damaged_critic_is_an_error(base, world_traces, tmp_path):
    config = CriticConfig(base=str(base), critic=STEP_CRITIC, loop=QUICK)
    train_critic([judged(world_traces(1)[0])], tmp_path / "critic", config)
    for text in ("{", '{"ask": "{problem}"}', '{"answer": 1}'):
        (tmp_path / "critic" / CRITIC_FILE).write_text(text)
        with pytest.raises(ContractError, match=CRITIC_FILE):
            sf.load(tmp_path / "critic")


def test_lora_is_put_into_the_saved_weights(base, world_traces, tmp_path, same_weights):
    pytest.importorskip("peft")
    config = CriticConfig(
        base=str(base),
        critic=STEP_CRITIC,
        loop=replace(QUICK, optimizer="adamw", lr=0.1, warmup=0.0),
        lora=Lora(rank=2),
    )
    train_critic([judged(one) for one in world_traces(4)], tmp_path / "critic", config)
    whole, before = (
        sf.load(folder, profile="judge").writer.model for folder in (tmp_path / "critic", base)
    )
    assert whole.state_dict().keys() == before.state_dict().keys()
    assert not same_weights(whole, before)
    assert torch.equal(whole.lm_head.weight, before.lm_head.weight)


def test_nothing_to_learn_from_is_an_error_before_anything_is_written(base, world_traces, tmp_path):
    config = CriticConfig(base=str(base), critic=STEP_CRITIC, agree_with="human", loop=QUICK)
    with pytest.raises(DataError, match="annotate"):
        train_critic(world_traces(3), tmp_path / "critic", config)
    with pytest.raises(DataError, match="without labels"):
        train_critic([judged(world_traces(1)[0])], tmp_path / "critic", config)
    one = judged(world_traces(1)[0]).with_labels(StepLabels((-1,) * len(world_traces(1)[0].steps)))
    with pytest.raises(DataError, match="against the labels"):
        train_critic([one], tmp_path / "critic", config)
    with pytest.raises(ModelError):
        train_critic([judged(one)], tmp_path / "critic", replace(config, base=str(tmp_path)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [{"profile": "trl"}, {"profile": "nobody"}, {"max_tokens": 0}, {"agree_with": "me"}],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        CriticConfig(base="b", **wrong)


def test_a_published_critic_needs_no_more_than_its_name():
    config = CriticConfig(base="b")
    assert config.asked == Critic.from_json(config.asked.to_json())
    assert config.asked.reading.kind == "first-error"
    assert config.to_json()["profile"] == "judge"

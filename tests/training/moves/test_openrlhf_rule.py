"""In OpenRLHF's layout our loss is the one that it had, for one micro batch.

The rule (`ProcessRewardDataset` and `PRMLoss`, removed in commit 6a981c8c): the text of `input` is
tokenised as a whole and without special tokens; where its id is the placeholder's, the logits of
the reward tokens are compared with the label: an index for "+" and "-", shares for numbers; the
loss is the mean over these places. Without reward tokens the label's id is compared with the whole
vocabulary.
"""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import surefoot as sf
from surefoot.traces.convert import read_any
from surefoot.training.batches import batched
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.learning import learning
from surefoot.training.losses import CrossEntropy
from surefoot.training.start import start
from surefoot.training.trainee import Trainee


@pytest.fixture(params=["hard", "soft"])
def tagged(request, rows):
    """Rows of OpenRLHF's own layout, with signs or numbers."""
    found = []
    for i, row in enumerate(rows):
        steps = [f"Step {n}: {step}" for n, step in enumerate(row["completions"], start=1)]
        text = "\n".join(f"{step} ки" for step in steps)
        value = ["+" if label else "-" for label in row["labels"]]
        if request.param == "soft":
            value = [(i + n) % 5 / 4 for n in range(len(steps))]
        found.append({"input": f"{row['prompt']} {text}", "value": value})
    return found


def their_places(row, tokenizer):
    """Token ids, and where the placeholder is."""
    (placeholder,) = tokenizer.encode("ки", add_special_tokens=False)
    ids = tokenizer(row["input"], add_special_tokens=False)["input_ids"]
    return ids, [i for i, one in enumerate(ids) if one == placeholder]


def their_loss(model, rows, tokenizer):
    two = [tokenizer.encode(sign, add_special_tokens=False)[0] for sign in "+-"]
    logits, shares = [], []
    for row in rows:
        ids, places = their_places(row, tokenizer)
        logits.append(model(input_ids=torch.tensor([ids])).logits[0, places][:, two])
        good = [float(one == "+") if isinstance(one, str) else one for one in row["value"]]
        shares += [[one, 1 - one] for one in good]
    return cross_entropy(torch.cat(logits), torch.tensor(shares))


def config_of(folder, **loop):
    return RewardConfig(
        base=str(folder),
        profile="openrlhf",
        max_tokens=256,
        loop=TrainConfig(optimizer="adamw", **loop),
    )


def ours(folder, file):
    config = config_of(folder)
    learned = learning(list(read_any(file)), config)
    scorer = start(config, [], name="moved")
    learned = learned.written(scorer.contract, scorer.renderer)
    return Trainee(scorer), batched(learned.examples)


@pytest.mark.parametrize("begin", [False, True])
def test_the_loss_is_theirs(language_model, tagged, written, begin):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(language_model)
    if begin:
        tokenizer.bos_token = "<end>"
        tokenizer.save_pretrained(language_model)
    trainee, batch = ours(language_model, written("openrlhf.jsonl", tagged))
    for (ids, places), row in zip(batch.rows, tagged, strict=True):
        assert (list(ids), list(places)) == their_places(row, tokenizer)
    loss = CrossEntropy()
    with trainee.engine.held():
        found = loss(trainee(batch), batch.targets) / loss.units(batch.targets)
    model = AutoModelForCausalLM.from_pretrained(language_model).eval()
    expected = their_loss(model, tagged, tokenizer)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("tagged", ["hard"], indirect=True)
def test_what_it_compared_without_reward_tokens(language_model, tagged, written):
    """The whole vocabulary: our loss and what the two tokens together fall short of."""
    trainee, batch = ours(language_model, written("openrlhf.jsonl", tagged))
    loss = CrossEntropy()
    with trainee.engine.held():
        found = loss(trainee(batch), batch.targets) / loss.units(batch.targets)
    model = AutoModelForCausalLM.from_pretrained(language_model).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(language_model)
    id_of = {sign: tokenizer.encode(sign, add_special_tokens=False)[0] for sign in "+-"}
    whole, mass = [], []
    for row in tagged:
        ids, places = their_places(row, tokenizer)
        logs = model(input_ids=torch.tensor([ids])).logits[0, places].log_softmax(-1)
        whole += [-log[id_of[sign]] for log, sign in zip(logs, row["value"], strict=True)]
        mass += logs[:, list(id_of.values())].logsumexp(-1)
    expected = torch.stack(whole).mean() + torch.stack(mass).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.item() < 0.5 * torch.stack(whole).mean().item()


def test_the_weights_are_theirs(language_model, tagged, written, tmp_path):
    updates, rate = 5, 1e-3
    model = AutoModelForCausalLM.from_pretrained(language_model).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(language_model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    for _ in range(updates):
        optimizer.zero_grad()
        their_loss(model, tagged, tokenizer).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    config = config_of(
        language_model,
        num_updates=updates,
        batch_size=len(tagged),
        lr=rate,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
    )
    sf.train(list(read_any(written("openrlhf.jsonl", tagged))), tmp_path / "moved", config)
    moved = AutoModelForCausalLM.from_pretrained(tmp_path / "moved").state_dict()
    wanted = model.state_dict()
    assert max(float((moved[n] - wanted[n]).abs().max()) for n in wanted) < 1e-5
    begun = AutoModelForCausalLM.from_pretrained(language_model).state_dict()
    assert max(float((moved[n] - begun[n]).abs().max()) for n in wanted) > 1e-3

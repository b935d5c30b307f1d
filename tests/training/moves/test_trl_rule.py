"""In TRL's layout our loss is the one that TRL published, and so are the weights that it leads to.

The rule (trl/experimental/prm/prm_trainer.py of TRL 1.13): question and steps are tokenised each by
itself, the separator's ids are put behind every step, the begin token, if there is one, before the
question; the last id of each separator has the step's label, and the loss is the mean cross-entropy
of the labelled places.
"""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast

import surefoot as sf
from surefoot.models.contract import Contract
from surefoot.models.export import export_plain
from surefoot.traces.convert import read_any
from surefoot.training.batches import batched
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.learning import learning
from surefoot.training.losses import CrossEntropy
from surefoot.training.start import start
from surefoot.training.trainee import Trainee


def by_their_rule(row, tokenizer, separator):
    """Token ids and labels."""

    def ids_of(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = begin + ids_of(row["prompt"])
    labels = [-100] * len(ids)
    for step, label in zip(row["completions"], row["labels"], strict=True):
        own = ids_of(step) + ids_of(separator)
        ids += own
        labels += [-100] * (len(own) - 1) + [label]
    return ids, labels


def their_loss(model, rows, tokenizer, separator):
    """Of rows one by one: nothing is padded. A label may be a share of right."""
    logits, wanted = [], []
    for row in rows:
        ids, labels = by_their_rule(row, tokenizer, separator)
        places = [i for i, label in enumerate(labels) if label != -100]
        logits.append(model(input_ids=torch.tensor([ids])).logits[0, places])
        wanted += [[1 - float(labels[i]), float(labels[i])] for i in places]
    return cross_entropy(torch.cat(logits), torch.tensor(wanted))


def ours(folder, file, separator):
    config = RewardConfig(base=str(folder), profile="trl", separator=separator, max_tokens=256)
    learned = learning(list(read_any(file)), config)
    scorer = start(config, [], name="moved")
    learned = learned.written(scorer.contract, scorer.renderer)
    return Trainee(scorer), batched(learned.examples)


@pytest.mark.parametrize("separator", ["\n", "\n\n", " ки"])
@pytest.mark.parametrize("begin", [False, True])
def test_the_loss_is_theirs(classifier, rows, written, separator, begin):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(classifier)
    if begin:
        tokenizer.bos_token = "<end>"
        tokenizer.save_pretrained(classifier)
    trainee, batch = ours(classifier, written("trl.jsonl", rows), separator)
    for (ids, places), row in zip(batch.rows, rows, strict=True):
        wanted, labels = by_their_rule(row, tokenizer, separator)
        assert list(ids) == wanted
        assert list(places) == [i for i, label in enumerate(labels) if label != -100]
    loss = CrossEntropy()
    with trainee.engine.held():
        found = loss(trainee(batch), batch.targets) / loss.units(batch.targets)
    model = AutoModelForTokenClassification.from_pretrained(classifier).eval()
    expected = their_loss(model, rows, tokenizer, separator)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_soft_labels_stay_soft(classifier, rows, written):
    """TRL's trainer cut them to whole numbers, so that all but 1 were wrong."""
    soft = [{**row, "labels": [0.7 if all(row["labels"]) else 0.2] * 5} for row in rows]
    soft = [{**row, "labels": row["labels"][: len(row["completions"])]} for row in soft]
    trainee, batch = ours(classifier, written("soft.jsonl", soft), "\n")
    loss = CrossEntropy()
    with trainee.engine.held():
        found = loss(trainee(batch), batch.targets) / loss.units(batch.targets)
    model = AutoModelForTokenClassification.from_pretrained(classifier).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(classifier)
    assert found.item() == pytest.approx(their_loss(model, soft, tokenizer, "\n").item(), rel=1e-6)
    cut = [{**row, "labels": [int(one) for one in row["labels"]]} for row in soft]
    assert found.item() != pytest.approx(their_loss(model, cut, tokenizer, "\n").item(), rel=1e-2)


def test_training_goes_on_from_their_checkpoint_to_their_weights(
    classifier, rows, written, tmp_path
):
    updates, rate, separator = 5, 1e-3, "\n\n"
    model = AutoModelForTokenClassification.from_pretrained(classifier).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(classifier)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    for i in range(updates):
        optimizer.param_groups[0]["lr"] = rate * (1 - i / updates)
        optimizer.zero_grad()
        their_loss(model, rows, tokenizer, separator).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    config = RewardConfig(
        base=str(classifier),
        profile="trl",
        separator=separator,
        max_tokens=256,
        loop=TrainConfig(
            num_updates=updates,
            batch_size=len(rows),
            optimizer="adamw",
            lr=rate,
            weight_decay=0.0,
            schedule="linear",
            warmup=0.0,
        ),
    )
    sf.train(list(read_any(written("trl.jsonl", rows))), tmp_path / "moved", config)
    export_plain(sf.load(tmp_path / "moved"), tmp_path / "plain")
    moved = AutoModelForTokenClassification.from_pretrained(tmp_path / "plain").state_dict()
    start_of = AutoModelForTokenClassification.from_pretrained(classifier).state_dict()
    wanted = model.state_dict()
    assert max(float((moved[n] - start_of[n]).abs().max()) for n in wanted) > 1e-3
    assert max(float((moved[n] - wanted[n]).abs().max()) for n in wanted) < 1e-5
    assert Contract.load(tmp_path / "moved").template.step == "{step}{cut}\n\n{slot}{cut}"
    trace = next(iter(read_any(written("one.jsonl", rows[:1]))))
    ids, labels = by_their_rule(rows[0], tokenizer, separator)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    right = torch.softmax(logits, -1)[[i for i, one in enumerate(labels) if one != -100], 1]
    assert sf.load(tmp_path / "moved").score(trace).values == pytest.approx(
        right.tolist(), abs=1e-5
    )

"""Scores are those of the plain model, one trace at a time, here and in another process."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

import surefoot
from published_tokenizers import qwen
from surefoot.errors import ContractError, ModelError, StorageError
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Head
from surefoot.models.render import text_of
from surefoot.models.template import Template
from surefoot.policies import checkpoints
from surefoot.traces.layout import Layout
from surefoot.traces.types import Step, Trace

PROBLEM = "Keep only the last digit. Start with 5. Step 1: add 8."
TRACES = [
    Trace(PROBLEM, ["Step 1: add 8. 5 + 8 = 13, so the last digit is 3.", "The answer is 3."]),
    Trace("?", ["1"]),
    Trace("\0 <end> ки", ["<|im_end|>\n\n<pad>", "\n1", "Step 1:\n"]),
    Trace(PROBLEM, [f"{i} + {i} = {2 * i}." for i in range(12)]),
    Trace(PROBLEM, ["Step 1: add 8. 5 + 8 = 14, so the last digit is 4.", "The answer is 4."]),
]
LAYOUT = Layout("\n\n", " ки\n")


def make(small_model, tokenizer, family="qwen2", model_positions=512, **contract):
    model = small_model(family, "scorer", max_position_embeddings=model_positions)
    agreed = Contract.for_layout(tokenizer, LAYOUT, **{"max_tokens": 512, **contract})
    return DiscriminativeModel(model, tokenizer, agreed, name="small")


@pytest.fixture
def scorer(small_model, small_tokenizer):
    return make(small_model, small_tokenizer)


@pytest.fixture
def folder(scorer, tmp_path):
    scorer.save(tmp_path / "prm")
    return tmp_path / "prm"


def plain_scores(model, tokenizer, trace):
    """All logits of one trace alone, read where each step's pieces end."""
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True

    def ids_of(text):
        return backend.encode(text, add_special_tokens=False).ids

    ids, slots = ids_of(trace.problem) + ids_of(LAYOUT.problem_end), []
    for step in trace.steps:
        ids += ids_of(step.text) + ids_of(LAYOUT.step_end)
        slots.append(len(ids) - 1)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    return [1 / (1 + float(torch.exp(logits[s, 0] - logits[s, 1]))) for s in slots]


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("pack_tokens", [20, 60, 8192])
def test_a_batch_scores_as_one_trace_at_a_time(
    small_model, small_tokenizer, tmp_path, family, pack_tokens
):
    scorer = make(small_model, small_tokenizer, family)
    scorer.engine.pack_tokens = pack_tokens
    assert scorer.engine.reason is None
    scorer.save(tmp_path / "prm")
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "prm").eval()
    order = [3, 0, 4, 0, 2, 1, 3]
    scores = scorer.score([TRACES[i] for i in order])
    for i, one in zip(order, scores, strict=True):
        assert one.values == pytest.approx(
            plain_scores(plain, small_tokenizer, TRACES[i]), abs=1e-5
        )
    assert scores[0] == scores[6]
    everything = [value for one in scores for value in one.values]
    assert max(everything) - min(everything) > 0.2


def test_scores_are_signed_by_the_contract(small_model, small_tokenizer):
    scorer = make(small_model, small_tokenizer, meaning="value", aggregate="last", threshold=0.3)
    one = scorer.score(TRACES[0])
    assert (one.model, one.kind, one.default_aggregate, one.threshold) == (
        "small",
        "value",
        "last",
        0.3,
    )
    assert scorer.score([]) == []


def test_a_new_process_scores_the_same(scorer, tmp_path):
    scorer.save(tmp_path / "prm")
    program = (
        "import json, sys, surefoot\n"
        "traces = [surefoot.Trace(p, s) for p, s in json.loads(sys.stdin.read())]\n"
        "scores = surefoot.load(sys.argv[1]).score(traces)\n"
        "print(json.dumps([[s.values, s.model] for s in scores]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "prm")],
        input=json.dumps([(t.problem, t.texts) for t in TRACES]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    there = json.loads(done.stdout)
    for here, (values, name) in zip(scorer.score(TRACES), there, strict=True):
        assert values == pytest.approx(here.values, abs=1e-5)
        assert name == "prm"


def test_a_loaded_scorer_keeps_its_contract_and_its_tokenizer(scorer, folder):
    loaded = surefoot.load(folder)
    assert loaded.contract == scorer.contract
    text = "Step 12: so\n\n the   last, 5e\u0301"
    assert loaded.tokenizer(text)["input_ids"] == scorer.tokenizer(text)["input_ids"]


def test_a_trace_that_is_too_long_is_refused_not_cut(small_model, small_tokenizer):
    room = len(LAYOUT.encode([(PROBLEM, TRACES[0].texts)], small_tokenizer)[0].ids)
    assert len(make(small_model, small_tokenizer, max_tokens=room).score(TRACES[0]).values) == 2
    scorer = make(small_model, small_tokenizer, max_tokens=room - 1)
    reason = f"{TRACES[0].id} has {room} tokens in 2 steps, the contract allows {room - 1}"
    with pytest.raises(ModelError, match=reason):
        scorer.score(TRACES[:2])


def test_an_observation_is_refused_not_dropped(scorer):
    trace = Trace("?", ["1", Step("look", observation="a door")])
    with pytest.raises(ModelError, match=f"step 1 of trace {trace.id} has an observation"):
        scorer.score(trace)


def rewrite(folder, change):
    """Change the weights of a checkpoint."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def set_config(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_missing_weights_are_refused(folder):
    rewrite(folder, lambda weights: weights.pop("model.norm.weight"))
    with pytest.raises(ModelError, match=r"lacks weights .*made up: norm\.weight"):
        surefoot.load(folder)


def test_a_missing_head_is_refused(folder):
    rewrite(folder, lambda weights: weights.pop("score.weight"))
    with pytest.raises(ContractError, match=r"no score\.weight, which the score needs"):
        surefoot.load(folder)


def test_weights_without_a_place_are_refused(folder):
    rewrite(folder, lambda weights: weights.update({"other.weight": torch.ones(2)}))
    with pytest.raises(ModelError, match=r"a place for weights it holds: other\.weight"):
        surefoot.load(folder)


@pytest.mark.parametrize("name", ["score.weight", "model.norm.weight"])
def test_weights_of_another_shape_are_refused(folder, name):
    rewrite(folder, lambda weights: weights.update({name: torch.ones(3, 32)}))
    with pytest.raises(
        (ContractError, ModelError), match=r"the layer score gives 3 numbers|cannot be loaded"
    ):
        surefoot.load(folder)


def test_a_checkpoint_of_pickles_is_refused(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors"):
        surefoot.load(folder)


def test_cut_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        surefoot.load(folder)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"model_type": "none"}', '{"model_type": "qwen2", "hidden_size": "a"}'],
)
def test_a_damaged_config_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        surefoot.load(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_damaged_tokenizer_is_refused(folder, content):
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match="its tokenizer cannot be read"):
        surefoot.load(folder)


def test_a_missing_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises((ModelError, ContractError)):
        surefoot.load(folder)


def test_a_tokenizer_larger_than_its_model_is_refused(small_model, small_tokenizer, tmp_path):
    scorer = make(small_model, small_tokenizer)
    scorer.save(tmp_path / "prm")
    set_config(tmp_path / "prm", vocab_size=len(small_tokenizer) - 1)
    rewrite(
        tmp_path / "prm",
        lambda weights: weights.update(
            {"model.embed_tokens.weight": weights["model.embed_tokens.weight"][:-1].clone()}
        ),
    )
    with pytest.raises(ModelError, match=f"the tokenizer knows {len(small_tokenizer)} tokens"):
        surefoot.load(tmp_path / "prm")


def test_a_folder_without_a_contract_is_refused(folder):
    (folder / "contract.json").unlink()
    with pytest.raises(ContractError, match=r"has no contract\.json"):
        surefoot.load(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"not a model checkpoint: it has no config\.json"):
        surefoot.load(tmp_path)


def test_a_contract_for_another_tokenizer_is_refused(scorer, folder):
    contract = json.loads((folder / "contract.json").read_text())
    contract["pinned"][" ки\n"][0] += 1
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ContractError, match=r"the tokenizer writes ' ки.n' as .*the contract"):
        surefoot.load(folder)


def test_a_tokenizer_that_cuts_text_otherwise_is_refused(scorer, folder):
    contract = json.loads((folder / "contract.json").read_text())
    contract["probe"] = "0" * 16
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ContractError, match="cuts text otherwise"):
        surefoot.load(folder)


def test_a_contract_for_more_positions_is_refused(folder):
    set_config(folder, max_position_embeddings=511)
    with pytest.raises(ContractError, match="allows 512 tokens, the model has 511 positions"):
        surefoot.load(folder)


def test_a_head_of_three_classes_is_refused(small_model, small_tokenizer):
    model = small_model("qwen2", "scorer", num_labels=3)
    contract = Contract.for_layout(small_tokenizer, max_tokens=512)
    with pytest.raises(ContractError, match="the layer score gives 3 numbers, the contract says 2"):
        DiscriminativeModel(model, small_tokenizer, contract, name="three")


def test_a_model_that_sees_what_follows_is_refused(small_tokenizer):
    from transformers import BertConfig, BertForTokenClassification

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    bert = BertForTokenClassification(BertConfig(intermediate_size=8, num_labels=2, **sizes))
    contract = Contract.for_layout(small_tokenizer, max_tokens=512)
    with pytest.raises(ContractError, match=r"no score\.weight, which the score needs"):
        DiscriminativeModel(bert, small_tokenizer, contract, name="small")


def test_a_bidirectional_body_is_refused(small_tokenizer):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    bert = BertModel(BertConfig(intermediate_size=8, initializer_range=0.3, **sizes))
    head = Head(((torch.ones(2, 8), None),))
    contract = Contract.for_layout(small_tokenizer, max_tokens=512)
    with pytest.raises(ContractError, match="a BertModel lets a token see those behind it"):
        DiscriminativeModel(bert, small_tokenizer, contract, name="small", head=head)


def test_saving_over_an_older_checkpoint_leaves_none_of_it(small_model, small_tokenizer, folder):
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"old")
    (folder / "model.safetensors.index.json").write_text("{}")
    (folder / "notes.md").write_text("mine")
    newer = make(small_model, small_tokenizer, "llama", aggregate="last")
    newer.save(folder)
    loaded = surefoot.load(folder)
    assert loaded.contract.aggregate == "last"
    assert loaded.score(TRACES[0]).values == newer.score(TRACES[0]).values
    assert [one.name for one in folder.glob("*.safetensors*")] == ["model.safetensors"]
    assert (folder / "notes.md").read_text() == "mine"
    assert [one.name for one in folder.parent.iterdir()] == ["prm"]


def test_a_save_that_fails_while_writing_leaves_what_was_there(scorer, folder, monkeypatch):
    before = scorer.score(TRACES)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scorer.tokenizer, "save_pretrained", full)
    with pytest.raises(StorageError, match="cannot write it: No space left"):
        scorer.save(folder)
    with pytest.raises(StorageError):
        scorer.save(folder.parent / "new")
    assert [one.name for one in folder.parent.iterdir()] == ["prm"]
    assert [s.values for s in surefoot.load(folder).score(TRACES)] == [s.values for s in before]


def test_a_save_killed_between_two_files_leaves_no_checkpoint(scorer, folder, monkeypatch):
    """Every point at which files are put in place is tried."""
    replace = checkpoints.os.replace
    for survive in range(len(list(folder.iterdir()))):
        left = iter(range(survive))

        def killed(old, new, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            replace(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.os, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                scorer.save(folder)
        with pytest.raises(ContractError, match=r"no contract\.json"):
            surefoot.load(folder)
    stale = folder.parent / ".prm.partial"
    stale.mkdir()
    (stale / "model-00001-of-00002.safetensors").write_bytes(b"of a killed run")
    scorer.save(folder)
    assert surefoot.load(folder).score(TRACES[0]).values == scorer.score(TRACES[0]).values
    assert [one.name for one in folder.parent.iterdir()] == ["prm"]
    assert [one.name for one in folder.glob("*.safetensors*")] == ["model.safetensors"]


def test_an_empty_folder_is_filled(scorer, tmp_path):
    (tmp_path / "prm").mkdir()
    scorer.save(tmp_path / "prm")
    assert surefoot.load(tmp_path / "prm").name == "prm"


def test_a_place_that_cannot_be_written_is_said(scorer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write it"):
        scorer.save(tmp_path / "file" / "prm")
    with pytest.raises(StorageError, match="cannot write it"):
        scorer.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""


SECOND = Template(
    prompt="{user}{problem}{assistant}",
    past="{step}",
    between="\n\n",
    step="Now: {step} A: {slot}<extra>, B: {slot}<extra>",
    second="Now: {step} A: {sign}, B: {sign}, C: {slot}<extra>",
    end="{end}",
)


@pytest.mark.parametrize("link", ["softmax", "difference"])
@pytest.mark.parametrize("rejected", [None, -1.0])
def test_a_second_pass_is_shown_what_the_first_found(small_model, link, rejected):
    """On whole conversations of the chat template, with logits at the token before each tag."""
    tokenizer = qwen()
    reading = Reading(head="tokens", tokens=("<->", "<+>"), link=link, rejected=rejected)
    contract = Contract(template=SECOND, reading=reading, max_tokens=512)
    model = small_model(tokenizer=tokenizer, vocab_size=600)
    scorer = DiscriminativeModel(model, tokenizer, contract, name="two")
    tag, *pair = tokenizer.convert_tokens_to_ids(["<extra>", "<->", "<+>"])

    def shares(answer):
        messages = [{"role": "user", "content": "p"}, {"role": "assistant", "content": answer}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0]
        places = [i - 1 for i, one in enumerate(ids) if one == tag]
        return torch.softmax(logits[places][:, pair].double(), -1)[:, 1].tolist()

    steps = [f"{i} + {i} = {2 * i}" for i in range(1, 13)]
    wanted, met = [], set()
    for k, step in enumerate(steps):
        before = "\n\n".join([*steps[:k], f"Now: {step} A: "])
        first = shares(before + "<extra>, B: <extra>")
        signs = ["<+>" if one > 0.5 else "<->" for one in first]
        met.add(tuple(signs))
        (last,) = shares(before + f"{signs[0]}, B: {signs[1]}, C: <extra>")
        value = last if link == "softmax" else 2 * last - 1
        wanted.append(rejected if rejected is not None and "<->" in signs else value)
    scores = scorer.score(Trace("p", steps))
    assert scores.values == pytest.approx(wanted, abs=1e-5)
    assert len(met) > 1
    assert (scores.log_odds is None) == (link == "difference" or rejected is not None)
    alone = [one.values[0] for one in scorer.score([Trace("p", [step]) for step in steps])]
    assert alone[0] == pytest.approx(wanted[0], abs=1e-5)


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        ({"tokens": ("<->", "no way")}, r"writes 'no way' as \[.*\], the contract reads one token"),
        ({"tokens": ("<+>", "<+>")}, r"'<\+>' and '<\+>' begin with the same token"),
        ({"tokens": ("so 1", "so 2"), "first_token": True}, "begin with the same token"),
    ],
)
def test_tokens_that_cannot_be_read_are_refused(small_model, reading, reason):
    contract = Contract(reading=Reading(head="tokens", **reading), max_tokens=512)
    model = small_model(tokenizer=qwen(), vocab_size=600)
    with pytest.raises(ContractError, match=reason):
        DiscriminativeModel(model, qwen(), contract, name="x")


def test_the_first_token_of_an_answer_is_read_if_asked(small_model):
    tokenizer = qwen()
    template = Template(prompt="{problem}\n{cut}", step="{step}{cut}: {slot}{cut}{eos}")
    reading = Reading(head="tokens", tokens=("incorrect", "correct"), first_token=True)
    contract = Contract(template=template, reading=reading, max_tokens=512)
    model = small_model(tokenizer=tokenizer, vocab_size=600)
    scorer = DiscriminativeModel(model, tokenizer, contract, name="first")
    pair = [tokenizer.encode(word, add_special_tokens=False)[0] for word in reading.tokens]
    texts = ["p\n", "a", ": "]
    ids = [i for text in texts for i in tokenizer.encode(text, add_special_tokens=False)]
    with torch.no_grad():
        z = model(input_ids=torch.tensor([ids])).logits[0, -1, pair]
    assert scorer.score(Trace("p", ["a"])).log_odds == pytest.approx([float(z[1] - z[0])], abs=1e-4)


def test_a_mean_over_the_vocabulary_is_read_end_to_end(small_model, small_tokenizer):
    reading = Reading(head="vocabulary-mean", link="sigmoid", classes=1)
    model = small_model()
    contract = Contract(reading=reading, max_tokens=512)
    scorer = DiscriminativeModel(model, small_tokenizer, contract, name="mean")
    ids = [i for text in ("p", "\n", "abc", "\n") for i in small_tokenizer.encode(text)]
    with torch.no_grad():
        mean = model(input_ids=torch.tensor([ids])).logits[0, -1].mean()
    assert scorer.score(Trace("p", ["abc"])).values == pytest.approx([float(torch.sigmoid(mean))])


@pytest.mark.parametrize("head", ["tokens", "vocabulary-mean"])
def test_a_model_without_a_language_models_head_is_refused(small_model, small_tokenizer, head):
    more = {"tokens": ("1", "2")} if head == "tokens" else {"link": "raw", "classes": 1}
    contract = Contract(reading=Reading(head=head, **more), max_tokens=512)
    with pytest.raises(ContractError, match="a Qwen2Model without a language model's head"):
        DiscriminativeModel(small_model().base_model, small_tokenizer, contract, name="x")


def test_a_log_ratio_needs_a_reference(small_model, small_tokenizer):
    reading = Reading(head="token-log-ratio", link="log-ratio")
    contract = Contract(reading=reading, max_tokens=512)
    with pytest.raises(ContractError, match="a log-ratio needs a reference model"):
        DiscriminativeModel(small_model(), small_tokenizer, contract, name="x")


def test_a_head_of_its_own_is_saved_beside_the_model(small_model, small_tokenizer, tmp_path):
    """Two layers with biases, on a bare body."""
    chance = torch.Generator().manual_seed(0)
    layers = tuple(
        (torch.randn(rows, columns, generator=chance), torch.randn(rows, generator=chance))
        for rows, columns in ((8, 32), (3, 8))
    )
    reading = Reading(layers=("value.0", "value.2"), classes=3, good=(1, 2))
    contract = Contract.for_layout(small_tokenizer, LAYOUT, reading=reading, max_tokens=512)
    body = small_model().base_model
    scorer = DiscriminativeModel(body, small_tokenizer, contract, name="prm", head=Head(layers))
    scorer.save(tmp_path / "prm")
    assert sorted(load_file(tmp_path / "prm" / "head.safetensors")) == [
        *("value.0.bias", "value.0.weight", "value.2.bias", "value.2.weight"),
    ]
    for one, other in zip(
        surefoot.load(tmp_path / "prm").score(TRACES), scorer.score(TRACES), strict=True
    ):
        assert one.values == pytest.approx(other.values, abs=1e-5)
        assert len(one.values) == len(one.log_odds)


def test_what_candidates_share_is_computed_once(scorer, monkeypatch):
    """Also where they come in any order and are more than one group holds."""
    candidates = [Trace(PROBLEM, [f"{i} + 8 = {i + 8}.", "So."]) for i in range(12)]
    others = [Trace("Another problem", ["1", str(i)]) for i in range(12)]
    mixed = [one for pair in zip(candidates, others, strict=True) for one in pair]
    rows = [row for (row,) in scorer.renderer([text_of(trace) for trace in mixed])]
    different = {tuple(row.ids[: i + 1]) for row in rows for i in range(len(row.ids))}
    before = scorer.engine.usage.computed_tokens
    scores = scorer.score(mixed)
    assert scorer.engine.usage.computed_tokens - before == len(different)
    monkeypatch.setattr("surefoot.models.discriminative.GROUP_TOKENS", 200)
    for one, other in zip(scores, scorer.score(mixed), strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-5)


def test_two_hundred_steps_get_two_hundred_scores(small_model, small_tokenizer):
    scorer = make(small_model, small_tokenizer, max_tokens=4096, model_positions=4096)
    trace = Trace("数? \U0001f600", [f"é{i} <end>\n" for i in range(200)])
    scores = scorer.score(trace)
    assert scores.values == pytest.approx(
        plain_scores(scorer.model, small_tokenizer, trace), abs=1e-5
    )
    assert len(scores.values) == 200

"""`load` finds out what a checkpoint is: by hub id, files, contract or option; or says why not."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import published_rules as rules
import surefoot
from published_families import FAMILIES
from published_tokenizers import llama2, llama3, qwen
from surefoot import Trace
from surefoot.errors import ContractError, ModelError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.profiles import profiles

PROBLEM = "If x + 3 = 10, find x."
STEPS = ["Subtract 3: x = 10 - 3.", "So x = 7", "Check: 7 + 3 = 10."]
TRACE = Trace(PROBLEM, STEPS)


def assert_same(model, wanted):
    assert model.score(TRACE).values == pytest.approx(wanted, abs=1e-5)


def set_json(file, **values):
    old = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**old, **values}))


# By name


def put_into_cache(cache, hub_id, folder, branch="main"):
    """Lay a folder out as the hub's own cache does."""
    own = cache / f"models--{hub_id.replace('/', '--')}"
    commit = f"{len(hub_id):040x}"
    shutil.copytree(folder, own / "snapshots" / commit)
    (own / "refs").mkdir(exist_ok=True)
    (own / "refs" / branch).write_text(commit)


CACHED = ["qwen2.5-math-prm", "skywork-o1-open-prm", "medsss-prm", "eurusprm"]

PROGRAM = """
import json, sys, surefoot
from surefoot.errors import ModelError
trace = surefoot.Trace(sys.argv[1], json.loads(sys.argv[2]))
said = {}
for hub_id in sys.argv[3:]:
    try:
        scores = surefoot.load(hub_id).score(trace)
        said[hub_id] = [scores.model, scores.values]
    except ModelError as error:
        said[hub_id] = str(error)
print(json.dumps(said))
"""


@pytest.mark.slow
def test_a_hub_id_is_found_in_the_hubs_cache_without_a_network(published, tmp_path):
    """In a process of its own; bases and references are found there too. The base of MedSSS holds
    an adapter of its own, which must not be put on."""
    for name in CACHED:
        one = published(name)
        put_into_cache(tmp_path, one.family.folder, one.folder)
    put_into_cache(tmp_path, "pixas/MedSSS_Policy", published("medsss-prm").options["base"])
    put_into_cache(
        tmp_path, "Qwen/Qwen2.5-Math-7B-Instruct", published("eurusprm").options["reference"]
    )
    ids = [FAMILIES[name].folder for name in CACHED]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, PROBLEM, json.dumps(STEPS), *ids, "Qwen/none", "no name"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_CACHE": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        },
    )
    said = json.loads(done.stdout)
    for name, hub_id in zip(CACHED, ids, strict=True):
        signed, values = said[hub_id]
        assert signed == hub_id
        assert values == pytest.approx(published(name).wanted(PROBLEM, STEPS), abs=1e-5)
        assert not [*tmp_path.rglob("ran")]
    assert "no model 'Qwen/none': there is no such folder, and it cannot be" in said["Qwen/none"]
    assert "neither a folder, nor a hub id" in said["no name"]


def test_a_folder_of_the_hubs_cache_is_known_by_its_name(published, tmp_path):
    one = published("reasonflux-prm-7b")
    put_into_cache(tmp_path, one.family.folder, one.folder)
    (snapshot,) = tmp_path.glob("*/snapshots/*")
    assert_same(surefoot.load(snapshot), one.wanted(PROBLEM, STEPS))


# By its files


@pytest.mark.parametrize("name", ["qwen2.5-math-prm", "actprm", "fin-prm", "skywork-o1-open-prm"])
def test_a_folder_of_any_name_is_known_by_its_files(published, tmp_path, name):
    folder = published(name).copied(tmp_path / "mine")
    assert_same(surefoot.load(folder), published(name).wanted(PROBLEM, STEPS))
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("reasoneval-7b", "reasoneval-34b, reasoneval-7b,"),
        ("pure-prm", "hf-prm-0.2, pure-prm, trl,"),
        ("trl", "hf-prm-0.2, pure-prm, trl,"),
    ],
)
def test_files_that_may_be_of_several_families_are_refused(published, tmp_path, name, candidates):
    folder = published(name).copied(tmp_path / "mine")
    with pytest.raises(ContractError, match=f"may be those of {candidates}.* as its profile"):
        surefoot.load(folder)
    assert_same(surefoot.load(folder, profile=name), published(name).wanted(PROBLEM, STEPS))


@pytest.mark.parametrize("name", ["rlhflow-mistral-data", "openrlhf", "agentprm-alfworld"])
def test_files_that_tell_nothing_are_refused(published, tmp_path, name):
    folder = published(name).copied(tmp_path / "mine")
    with pytest.raises(ContractError, match="its files are those of no published family"):
        surefoot.load(folder)
    assert_same(surefoot.load(folder, profile=name), published(name).wanted(PROBLEM, STEPS))


def test_a_profile_that_does_not_exist_is_refused(published):
    with pytest.raises(UsageError, match=r"no profile 'qwen'; .* qwen2\.5-math-prm"):
        surefoot.load(published("trl").folder, profile="qwen")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("pqm", "qwen2.5-math-prm"),
        ("qwen2.5-math-prm", "pqm"),
        ("trl", "reasoneval-7b"),
        ("trl", "math-shepherd"),
        ("skywork-o1-open-prm", "universal-prm"),
    ],
)
def test_a_profile_of_another_family_is_refused(published, name, other):
    with pytest.raises((ModelError, ContractError)):
        surefoot.load(published(name).folder, profile=other)


@pytest.mark.parametrize("name", ["qwen2.5-math-prm", "trl", "math-shepherd", "reasoneval-34b"])
def test_safetensors_are_taken_where_there_are_some(published, tmp_path, name):
    """Of a family whose authors published PyTorch files, and where both are there."""
    one = published(name)
    folder = one.copied(tmp_path / one.family.folder)
    tensors = {}
    for file in folder.glob("*.bin"):
        tensors |= torch.load(file, weights_only=True)
        file.write_bytes(b"damaged")
    if tensors:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "pytorch_model.bin").write_bytes(b"damaged")
    assert_same(surefoot.load(folder), one.wanted(PROBLEM, STEPS))


def test_a_separate_head_goes_with_pytorch_files_too(published, tmp_path):
    one = published("reasonflux-prm-1.5b")
    folder = one.copied(tmp_path / one.family.folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert_same(surefoot.load(folder), one.wanted(PROBLEM, STEPS))


# The user's own


@pytest.mark.parametrize("make", [qwen, llama3, llama2])
def test_a_checkpoint_of_trl_is_read_with_the_separator_of_its_training(
    small_model, tmp_path, make
):
    tokenizer = make()
    family = {qwen: "qwen2"}.get(make, "llama")
    trained = small_model(family, "scorer", tokenizer=tokenizer)
    trained.save_pretrained(tmp_path / "prm")
    tokenizer.save_pretrained(tmp_path / "prm")
    with pytest.raises(ContractError, match=r"may be those of .*trl.* the separator is enough"):
        surefoot.load(tmp_path / "prm")
    authors = rules.Authors(tokenizer)
    found = []
    for separator in ("\n", "\n\n", " ки\n", "."):
        ((ids, positions),) = rules.trl(separator)(authors, PROBLEM, STEPS)
        with torch.no_grad():
            wanted = trained(torch.tensor([ids])).logits[0, positions].softmax(-1)[:, 1].tolist()
        model = surefoot.load(tmp_path / "prm", separator=separator)
        assert_same(model, wanted)
        found.append(model.score(TRACE).values)
    assert len({*found}) == 4


def test_a_separator_means_nothing_to_other_families(published):
    with pytest.raises(UsageError, match="a separator is for checkpoints of TRL"):
        surefoot.load(published("pqm").folder, profile="pqm", separator="\n")


def test_a_contract_beside_any_model_is_obeyed(small_model, tmp_path):
    """A language model, a published layout in words, and a place in the middle of it."""
    model, tokenizer = small_model("llama", "causal", tokenizer=llama3()), llama3()
    model.save_pretrained(tmp_path / "mine")
    tokenizer.save_pretrained(tmp_path / "mine")
    contract = Contract.from_json(
        {
            "template": {"prompt": "Problem: {problem}\n\n", "step": "{step} right?{slot} "},
            "reading": {"head": "tokens", "tokens": ["no", "correct"], "first_token": True},
            "meaning": "prefix-correct",
            "aggregate": "last",
            "max_tokens": 300,
        }
    )
    contract.save(tmp_path / "mine")
    authors = rules.Authors(tokenizer)
    text = f"Problem: {PROBLEM}\n\n" + "".join(f"{s} right?{rules.HERE} " for s in STEPS)
    ids, positions = authors.read(text)
    pair = [authors.ids("no")[0], authors.ids("correct")[0]]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0][positions][:, pair]
    wanted = logits.softmax(-1)[:, 1].tolist()
    loaded = surefoot.load(tmp_path / "mine")
    assert_same(loaded, wanted)
    scores = loaded.score(TRACE)
    assert (scores.model, scores.kind, scores.default_aggregate) == ("mine", "probability", "last")
    (tmp_path / "mine" / "contract.json").rename(tmp_path / "contract.json")
    for given in (contract, tmp_path, str(tmp_path)):
        assert_same(surefoot.load(tmp_path / "mine", contract=given), wanted)


def test_a_contract_goes_before_what_the_files_tell(published, tmp_path):
    """And a profile that is asked for goes before the contract beside the model."""
    one = published("qwen2.5-math-prm")
    folder = one.copied(tmp_path / one.family.folder)
    plain = profiles()["reasonflux-prm-7b"].contract
    plain.save(folder)
    with_contract = surefoot.load(folder)
    assert with_contract.contract == plain
    assert with_contract.score(TRACE).values != pytest.approx(one.wanted(PROBLEM, STEPS), abs=1e-3)
    assert_same(surefoot.load(folder, profile=one.name), one.wanted(PROBLEM, STEPS))
    assert surefoot.load(one.folder, contract=plain).score(TRACE).values == pytest.approx(
        with_contract.score(TRACE).values, abs=1e-5
    )


# Adapters


def test_an_adapter_with_a_contract_finds_the_base_that_it_names(published, tmp_path):
    """And a config.json beside the adapter changes nothing."""
    one = published("medsss-prm")
    folder = one.copied(tmp_path / "mine")
    set_json(folder / "adapter_config.json", base_model_name_or_path=str(one.options["base"]))
    profiles()["medsss-prm"].contract.save(folder)
    assert_same(surefoot.load(folder), one.wanted(PROBLEM, STEPS))
    shutil.copy(one.options["base"] / "config.json", folder)
    assert_same(surefoot.load(folder), one.wanted(PROBLEM, STEPS))


def test_an_adapter_beside_a_whole_model_is_not_put_on(published, tmp_path):
    """As transformers would, unasked."""
    one = published("math-minos")
    folder = one.copied(tmp_path / "mine")
    one.plain.save_other_adapter(folder)
    assert_same(surefoot.load(folder, profile=one.name), one.wanted(PROBLEM, STEPS))


def test_a_base_with_fewer_positions_sets_the_room(published, tmp_path):
    one = published("openr-math-psa")
    base = shutil.copytree(one.options["base"], tmp_path / "base")
    set_json(base / "config.json", max_position_embeddings=512)
    model = surefoot.load(one.folder, base=base)
    assert model.contract.max_tokens == 512
    assert_same(model, one.wanted(PROBLEM, STEPS))


def test_a_base_that_is_not_there_is_asked_for(published, tmp_path):
    folder = published("versaprm").copied(tmp_path / "mine")
    with pytest.raises(ModelError, match=r"mine is an adapter; its base: no model .*; give base"):
        surefoot.load(folder, profile="qwen-prm800k", base=tmp_path / "none")
    set_json(folder / "adapter_config.json", base_model_name_or_path=None)
    with pytest.raises(ModelError, match="an adapter that names no base model; give base"):
        surefoot.load(folder, profile="rlhflow-mistral-data")

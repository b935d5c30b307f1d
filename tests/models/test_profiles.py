"""Profiles are whole and strict, are found by name and by their files, and stand in the docs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from published_tokenizers import llama2
from surefoot.cli.models import mechanism
from surefoot.errors import ContractError
from surefoot.models import profiles as module
from surefoot.models.contract import Contract
from surefoot.models.profiles import candidates, parse_profile, profile_of, profiles, recognise
from surefoot.models.render import Renderer, Text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
SENTENCE = re.compile(r"[A-Z`].*[.?]", re.DOTALL)

STEPS = {
    "models": ["a/b"],
    "scorer": "steps",
    "contract": {"template": {"step": "{step} ки{slot}"}, "meaning": "value"},
    "licence": "mit",
    "sources": ["x.py@a/b"],
    "unverified": [],
}
RATIO = {
    **STEPS,
    "scorer": "log-ratio",
    "contract": {"reading": {"head": "token-log-ratio", "link": "log-ratio"}},
    "reference": "a/c",
}
WRITTEN = {**STEPS, "scorer": "generative", "critic": {"ask": "{step}?"}, "contract": None}


def parse(values):
    return parse_profile("x", json.dumps(values))


def test_every_family_of_the_fact_sheet_is_there():
    known = profiles()
    assert len(known) >= 40
    assert list(known) == sorted(known)
    models = [model for one in known.values() for model in one.models]
    assert len({*models}) == len(models) >= 60
    for model in ("Qwen/Qwen2.5-Math-PRM-72B", "peiyi9979/math-shepherd-mistral-7b-prm"):
        assert model in models


@pytest.mark.parametrize("name", profiles())
def test_it_says_where_it_comes_from_and_what_is_open(name):
    profile = profiles()[name]
    assert profile.licence.strip()
    assert all("@" in one or ":" in one or "Surefoot" in one for one in profile.sources)
    for sentence in (*profile.unverified, *profile.notes):
        assert SENTENCE.fullmatch(sentence), sentence
    if not profile.models:
        told = " ".join((*profile.unverified, *profile.notes))
        assert "hub id is not known" in told or re.search(r"\w+/\w+|any ", told)
    for model in (*profile.models, profile.base, profile.reference):
        assert model is None or re.fullmatch(r"[\w.-]+/[\w.-]+", model)


@pytest.mark.parametrize("name", [n for n, one in profiles().items() if one.contract])
def test_its_contract_survives_a_checkpoint(name, tmp_path):
    contract = profiles()[name].contract
    contract.save(tmp_path)
    assert Contract.load(tmp_path) == contract


def test_parsing_gives_what_stands_there():
    profile = parse(STEPS)
    assert (profile.name, profile.models, profile.licence) == ("x", ("a/b",), "mit")
    assert profile.contract == Contract.from_json(STEPS["contract"])
    assert parse(RATIO).reference == "a/c"
    assert parse(WRITTEN).critic == {"ask": "{step}?"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**STEPS, "license": "mit"}, r"x\.json: unknown fields: license"),
        ({**STEPS, "name": "x"}, r"x\.json: unknown fields: name"),
        *(
            ({k: v for k, v in STEPS.items() if k != gone}, rf"x\.json: missing fields: {gone}")
            for gone in ("models", "scorer", "licence", "sources", "unverified")
        ),
        ({**STEPS, "models": "a/b"}, r"x\.json: models: it is 'a/b'; it must be a list of texts"),
        ({**STEPS, "models": ["a/b", "a/b"]}, "models: one of them stands there twice"),
        ({**STEPS, "models": [""]}, "models: it is"),
        ({**STEPS, "sources": []}, "sources: it is empty"),
        ({**STEPS, "licence": ""}, "licence: it is ''"),
        ({**STEPS, "licence": None}, "licence: it is None"),
        ({**STEPS, "scorer": "magic"}, "scorer: it is 'magic'; it must be one of steps"),
        ({**STEPS, "weights": "gguf"}, "weights: it is 'gguf'"),
        ({**STEPS, "extra": 3}, "extra: it is 3"),
        ({**STEPS, "contract": None}, "contract: the scorer steps needs it"),
        ({**STEPS, "critic": {}}, "critic: it means nothing to the scorer steps"),
        ({**STEPS, "reference": "a/c"}, "reference: the scorer log-ratio needs it, and no other"),
        ({**STEPS, "scorer": "log-ratio", "reference": "a/c"}, "scorer: log-ratio belongs to"),
        ({**RATIO, "scorer": "steps", "reference": None}, "scorer: log-ratio belongs to"),
        ({**RATIO, "reference": None}, "reference: the scorer log-ratio needs it"),
        ({**WRITTEN, "critic": None}, "critic: the scorer generative needs it"),
        ({**WRITTEN, "contract": STEPS["contract"]}, "contract: it means nothing"),
        ({**STEPS, "contract": {"meaning": "good"}}, r"x\.json: contract: meaning is 'good'"),
        ({**STEPS, "contract": {"tag": "x"}}, r"x\.json: contract: unknown fields: tag"),
        ([], r"x\.json is not a profile"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_field(values, reason):
    with pytest.raises(ContractError, match=reason):
        parse(values)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_a_damaged_file_is_refused(text):
    with pytest.raises(ContractError, match=r"x\.json cannot be read"):
        parse_profile("x", text)


def test_two_files_cannot_claim_one_model(tmp_path, monkeypatch):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.json").write_text(json.dumps(STEPS))
    monkeypatch.setattr(module, "files", lambda _: tmp_path)
    with pytest.raises(ContractError, match=r"b\.json: models: a/b is also that of a\.json"):
        profiles.__wrapped__()
    (folder / "b.json").unlink()
    assert [*profiles.__wrapped__()] == ["a"]


@pytest.mark.parametrize(
    "source",
    [
        "qwen2.5-math-prm",
        "Qwen/Qwen2.5-Math-PRM-7B",
        "/models/Qwen/Qwen2.5-Math-PRM-7B",
        "models/Qwen/Qwen2.5-Math-PRM-7B/",
        "hub/models--Qwen--Qwen2.5-Math-PRM-7B/snapshots/0610740",
    ],
)
def test_a_profile_is_found_by_the_name_of_a_model(source):
    assert profile_of(source).name == "qwen2.5-math-prm"


@pytest.mark.parametrize(
    "source",
    ["qwen/qwen2.5-math-prm-7b", "Qwen2.5-Math-PRM-7B", "Qwen/Qwen2.5-Math-PRM-7B/x", "", "x"],
)
def test_another_name_is_not_taken_for_it(source):
    assert profile_of(source) is None


BODY = ["model.embed_tokens.weight", "model.norm.weight"]


@pytest.mark.parametrize(
    ("architecture", "keys", "name"),
    [
        ("Qwen2ForProcessRewardModel", ["score.0.weight", "score.2.weight"], "qwen2.5-math-prm"),
        ("Qwen3ForProcessRewardModel", ["score.0.weight", "score.2.weight"], "fin-prm"),
        (
            "Qwen2ForEnsemblePRM",
            ["score.model.nn1.weight", "score.model.nn2.weight", "score.model.nn_out.weight"],
            "actprm",
        ),
        ("Qwen2ForPrmModel", [], "skywork-o1-open-prm"),
        ("Qwen2ForProcessRewardModel", ["score.weight"], None),
        ("Qwen2ForRewardModel", ["score.0.weight", "score.2.weight"], None),
        ("MistralForCausalLM", ["lm_head.weight"], None),
        ("Qwen2ForTokenClassification", ["score.weight", "score.bias"], None),
        ("LlamaForSequenceClassification", ["score.weight"], None),
    ],
)
def test_a_checkpoint_is_recognised_by_what_only_it_has(architecture, keys, name):
    found = recognise({"architectures": [architecture]}, [*BODY, *keys])
    assert (found and found.name) == name


def test_where_several_fit_none_is_chosen_and_all_are_told():
    config, keys = (
        {"architectures": ["Qwen2ForTokenClassification"]},
        ["score.weight", "score.bias"],
    )
    names = [one.name for one in candidates(config, keys)]
    assert names == ["hf-prm-0.2", "pure-prm", "trl"]
    assert recognise(config, keys) is None
    assert recognise({}, []) is None


def test_reading_profiles_loads_nothing_heavy():
    program = """
import sys
from surefoot.models.profiles import profiles
profiles()
print([name for name in ("torch", "transformers", "tokenizers", "numpy") if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_page_lists_every_profile_with_its_models(page):
    table = page.split("## Which models")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", table, re.MULTILINE))
    wanted = {}
    for name, one in profiles().items():
        ids = " ".join(f"`{model}`" for model in one.models) or "–"
        wanted[name] = f"{ids} | {mechanism(one)} | {one.licence}"
    assert rows == wanted


def test_the_page_tells_every_open_question(page):
    told = " ".join(page.split("## What is not verified")[1].split("\n## ")[0].split())
    for name, one in profiles().items():
        for sentence in one.unverified:
            assert sentence in told, f"{name}: {sentence}"


def test_the_contract_on_the_page_works(page, tmp_path):
    block = page.split("```json")[1].split("```")[0]
    (tmp_path / "contract.json").write_text(block, encoding="utf-8")
    contract = Contract.load(tmp_path)
    ((row,),) = Renderer(contract.template, llama2())([Text("2+3?", ("5", "so 5"))])
    text = "Problem: 2+3?\n\nStep 1: 5 ки\n\nStep 2: so 5 ки\n\n"
    assert row.ids == llama2().encode(text)
    tag = llama2().encode("ки")[-1]
    assert row.slots == [i for i, one in enumerate(row.ids) if one == tag]


def test_python_on_the_page_writes_the_same_contract(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "step-judge").mkdir()
    exec(page.split("```python")[2].split("```")[0])
    written = json.loads((tmp_path / "step-judge" / "contract.json").read_text(encoding="utf-8"))
    assert written == json.loads(page.split("```json")[1].split("```")[0])


def test_the_profile_on_the_page_is_one(page):
    block = page.split("```json")[2].split("```")[0]
    assert parse_profile("step-judge", block).models == ("acme/step-judge",)

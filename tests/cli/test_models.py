"""`surefoot models` lists every published family and shows one in full."""

import json

import pytest

from surefoot.models.contract import Contract
from surefoot.models.profiles import profiles


def test_the_list_names_every_family_and_model(surefoot):
    result = surefoot("models", COLUMNS="100")
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    for name, one in profiles().items():
        assert name in words
        assert {*one.models} <= {*words}
    assert max(map(len, result.stdout.splitlines())) <= 100
    (line,) = (one for one in result.stdout.splitlines() if one.startswith("qwen2.5-math-prm "))
    assert "head of 2 classes" in line
    assert "the step is right" in line
    assert line.split()[-1] == str(len(profiles()["qwen2.5-math-prm"].unverified))


@pytest.mark.parametrize("columns", ["60", "100", "200"])
def test_names_are_not_cut_in_any_terminal(surefoot, columns):
    result = surefoot("models", COLUMNS=columns)
    assert result.returncode == 0, result.stderr
    assert "reasoneval-34b-redundancy" in result.stdout
    assert "UW-Madison-Lee-Lab/VersaPRM-Small-Subset" in result.stdout


def test_the_list_is_one_json_object(surefoot):
    result = surefoot("models", "--json")
    listed = {one["name"]: one for one in json.loads(result.stdout)["models"]}
    assert [*listed] == [*profiles()]
    assert listed["eurusprm"] == {
        "name": "eurusprm",
        "models": ["PRIME-RL/EurusPRM-Stage1", "PRIME-RL/EurusPRM-Stage2"],
        "mechanism": "log-ratio with a reference",
        "score": "it will end right (log-ratio)",
        "licence": "apache-2.0",
        "num_unverified": len(profiles()["eurusprm"].unverified),
    }
    kinds = {name: one["mechanism"] for name, one in listed.items()}
    assert kinds["math-shepherd"] == "two tokens at a tag"
    assert kinds["fover-qwen"] == "two tokens before an answer"
    assert kinds["pathfinder-prm"] == "two tokens before an answer, two passes"
    assert kinds["actprm"] == "value head, 3 layers"
    assert kinds["universal-prm"] == "value head, 1 layer, one prefix at a time"
    assert kinds["llemma-prm"] == "mean of all logits"
    assert kinds["genprm"] == "written verdict"
    assert listed["pure-prm"]["score"] == "the step is right (no probability)"


@pytest.mark.parametrize("name", ["pathfinder-prm", "declare-lab/PathFinder-PRM-7B"])
def test_one_is_shown_in_full(surefoot, name):
    result = surefoot("models", name, COLUMNS="100")
    assert result.returncode == 0, result.stderr
    shown = " ".join(result.stdout.split())
    profile = profiles()["pathfinder-prm"]
    for part in (*profile.models, *profile.sources, *profile.unverified, *profile.notes):
        assert part in shown
    assert "Math reasoning: {slot}<extra>, Consistency: {slot}<extra>" in shown
    assert "↵ ↵ ·Question: {problem}{assistant}" in shown
    assert "the logits of '<+>' (good) and '<->' (bad)" in shown
    assert "prefers the bad token: -1" in shown
    assert "min over the steps, threshold 0.5, at most 4,096 tokens" in shown


@pytest.mark.parametrize("name", profiles())
def test_each_can_be_shown(surefoot_in_process, name):
    shown = " ".join(surefoot_in_process("models", name).split())
    assert all(sentence in shown for sentence in profiles()[name].unverified)


@pytest.fixture
def surefoot_in_process(monkeypatch, capsys):
    """Run the command without a process of its own."""
    from surefoot.cli import main

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "100")
        assert main(arguments) == 0
        return capsys.readouterr().out

    return run


def test_one_is_one_json_object(surefoot):
    shown = json.loads(surefoot("models", "skywork-o1-open-prm", "--json").stdout)
    contract = shown["contract"]
    assert contract.pop("version") == 3
    assert Contract.from_json(contract, complete=True) == profiles()["skywork-o1-open-prm"].contract
    assert shown["weights"] == "bin"
    assert shown["critic"] is None


def test_a_name_that_is_not_known_is_wrong_usage_with_a_hint(surefoot):
    result = surefoot("models", "qwen2.5-math-prn")
    assert result.returncode == 2
    assert "no published model 'qwen2.5-math-prn' is known; did you mean qwen2.5-math-prm" in (
        result.stderr
    )
    assert result.stdout == ""
    assert "`surefoot models` lists all" in surefoot("models", "zzzzzz").stderr

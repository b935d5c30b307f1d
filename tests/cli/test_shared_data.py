"""Every file of the public data through score, convert and eval, as a user would run them."""

import gzip
import json
import re

import pytest

pytestmark = pytest.mark.slow

TRACES = [
    "agentrx_tau",
    "bigbench_mistake",
    "bon_gsm8k_32",
    "bon_math500_32",
    "game24",
    "gsm8k_example_solutions",
    "mr_ben",
    "mr_gsm8k_partial",
    "parc",
    "prm800k_phase1",
    "prm800k_val2pct_dedup",
    "prmbench_originals",
    "prmbench_train",
    "processbench_gsm8k_math",
    "rjudge_assebench",
    "taubench_airline_gpt4o",
    "verify_then_generate",
    "who_and_when_algorithm",
]
LABELLED = [
    "bigbench_mistake",
    "game24",
    "mr_ben",
    "mr_gsm8k_partial",
    "parc",
    "prm800k_phase1",
    "prm800k_val2pct_dedup",
    "prmbench_originals",
    "prmbench_train",
    "processbench_gsm8k_math",
    "verify_then_generate",
]
SCORES = {
    "scores_internlm2_1_8b_reward_gsm8k": "bon_gsm8k_32",
    "scores_internlm2_7b_reward_gsm8k": "bon_gsm8k_32",
    "scores_math_shepherd_gsm8k": "bon_gsm8k_32",
    "scores_qwen_prm_gsm8k": "bon_gsm8k_32",
    "scores_qwen_prm_math500": "bon_math500_32",
    "scores_rlhflow_prm_gsm8k": "bon_gsm8k_32",
    "scores_skywork_prm_1_5b_gsm8k": "bon_gsm8k_32",
    "scores_skywork_prm_gsm8k": "bon_gsm8k_32",
}


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return sum(1 for line in lines if line.strip())


def test_no_file_is_left_out(shared_data):
    found = {path.name.removesuffix(".jsonl.gz") for path in shared_data.glob("*.jsonl.gz")}
    assert found == {*TRACES, *SCORES}


@pytest.mark.parametrize("name", TRACES)
def test_score(surefoot, shared_data, tmp_path, name):
    path, out = shared_data / f"{name}.jsonl.gz", tmp_path / "out.jsonl"
    result = surefoot("score", path, "--model", "arithmetic", "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["traces"] + told["skipped"]["rows"] == rows_of(path)
    assert told["traces"] > 0.9 * rows_of(path), told["skipped"]
    holds_equations = name != "rjudge_assebench"
    assert (told["abstained_steps"] < told["steps"]) == holds_equations
    with out.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            assert len(row["scores"][-1]["values"]) == len(row["steps"])


@pytest.mark.parametrize("name", TRACES)
def test_convert(surefoot, shared_data, tmp_path, name):
    path, ours, flat = (
        shared_data / f"{name}.jsonl.gz",
        tmp_path / "t.parquet",
        tmp_path / "f.jsonl",
    )
    result = surefoot("convert", path, ours, "--to", "surefoot", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["read"] + told["skipped"] == rows_of(path)
    assert told["lost"] == {}
    back = surefoot("convert", ours, flat, "--to", "flat", "--json")
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["written"] == told["written"]


@pytest.mark.parametrize("name", LABELLED)
def test_eval(surefoot, shared_data, name):
    path = shared_data / f"{name}.jsonl.gz"
    result = surefoot("eval", "processbench", path, "--model", "arithmetic", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    counted = told["num_traces"] + sum(told["left_out"].values())
    assert counted + told["skipped"]["rows"] == rows_of(path)
    assert len(told["rows"]) >= 4


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_joined_to_their_pool(surefoot, shared_data, tmp_path, name):
    pool, table = (shared_data / f"{one}.jsonl.gz" for one in (SCORES[name], name))
    out = tmp_path / "joined.jsonl.gz"
    arguments = ("--to", "surefoot", "--scores", table, "--json")
    result = surefoot("convert", pool, out, *arguments)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["scores"]["joined"] > 0.9 * told["read"]
    alone = surefoot("score", table, "--model", "arithmetic")
    assert alone.returncode == 1
    assert re.search(r"scores without their traces", alone.stderr)

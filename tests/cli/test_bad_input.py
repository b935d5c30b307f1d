"""Every bad input through the installed command: a clear error or a counted skip, no traceback."""

import gzip
import json
import os
import subprocess

import pytest

GOOD = {"surefoot": 1, "problem": "What is 2 + 3?", "steps": ["2 + 3 = 5."]}
FALSE = {"surefoot": 1, "problem": "What is 2 + 3?", "steps": ["2 + 3 = 6."]}


def with_(**changes):
    return {**GOOD, **changes}


BAD_ROWS = {
    "empty problem": (with_(problem=" "), "problem"),
    "no steps": (with_(steps=[]), "steps"),
    "empty step": (with_(steps=["2 + 3 = 5.", "  "]), "steps.1.text"),
    "too few labels": (
        with_(steps=["a", "b"], labels=[{"source": "human", "scale": "rating", "values": [1]}]),
        "labels.0.values",
    ),
    "too many labels": (
        with_(labels=[{"source": "human", "scale": "rating", "values": [1, 1]}]),
        "labels.0.values",
    ),
    "NaN": (
        '{"surefoot": 1, "problem": "p", "steps": ["s"], "scores": '
        '[{"model": "m", "kind": "value", "values": [NaN]}]}',
        "",
    ),
    "not an object": ([1, 2], ""),
    "not JSON": ('{"surefoot": 1, "problem": ', ""),
    "lone surrogate": ('{"surefoot": 1, "problem": "p", "steps": ["\\ud800"]}', "steps.0.text"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("verb", ["score", "convert"])
def test_a_bad_row_is_counted_and_the_good_ones_are_kept(
    surefoot, write_rows, tmp_path, verb, name
):
    row, field = BAD_ROWS[name]
    file = write_rows("in.jsonl", GOOD, row, FALSE)
    out = tmp_path / "out.jsonl"
    if verb == "score":
        result = surefoot("score", file, "--model", "arithmetic", "--out", out, "--json")
        skips = json.loads(result.stdout)["skipped"]["first"]
    else:
        result = surefoot("convert", file, out, "--to", "surefoot", "--json")
        skips = json.loads(result.stdout)["skips"]
    assert result.returncode == 0, result.stderr
    assert [(one["path"], one["line"], one["field"]) for one in skips] == [(str(file), 2, field)]
    assert f"{file}:2" in result.stderr
    assert [json.loads(line)["steps"][0]["text"] for line in out.open()] == [
        "2 + 3 = 5.",
        "2 + 3 = 6.",
    ]


@pytest.mark.parametrize("name", BAD_ROWS)
def test_strict_stops_at_a_bad_row(surefoot, write_rows, tmp_path, name):
    file = write_rows("in.jsonl", GOOD, BAD_ROWS[name][0], GOOD)
    result = surefoot("score", file, "--model", "arithmetic", "--strict")
    check_failed(result, 1, f"{file}:2")


@pytest.mark.parametrize("verb", ["score", "convert"])
def test_when_every_row_is_bad_it_fails(surefoot, write_rows, tmp_path, verb):
    file = write_rows("in.jsonl", with_(problem=""), with_(steps=[]))
    out = tmp_path / "out.jsonl"
    options = ["--model", "arithmetic", "--out", out] if verb == "score" else [out, "--to", "trl"]
    check_failed(surefoot(verb, file, *options), 1, "none of 2 rows")


@pytest.mark.slow
def test_a_hundred_thousand_steps(surefoot, write_rows):
    steps = [f"{i} + 1 = {i + 1}." for i in range(100_000)]
    steps[99_999] = "1 + 1 = 3."
    file = write_rows("in.jsonl", {"surefoot": 1, "problem": "Count.", "steps": steps})
    result = surefoot("score", file, "--model", "arithmetic", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["steps"] == 100_000
    assert told["scores"][0]["first_error"] == 99_999
    assert len(told["scores"][0]["values"]) == 100_000
    shown = surefoot("score", file, "--model", "arithmetic")
    assert "99,960 more steps" in shown.stdout


MARKERS = [
    "ки",
    "<extra_0>",
    "\n\n",
    "Step 1:",
    "<|im_start|>",
    "</s>",
    "[bold red]",
    "<think>",
    "+",
]


def test_marker_strings_and_control_characters_are_text_like_any_other(
    surefoot, write_rows, tmp_path
):
    steps = [*(f"{marker} 2 + 3 = 5 {marker}" for marker in MARKERS), "nul \0 and \x1b[31m red"]
    row = {"surefoot": 1, "problem": "".join(MARKERS) + "\0\x1b]0;title\x07", "steps": steps}
    file, out = write_rows("in.jsonl", row), tmp_path / "out.jsonl"
    result = surefoot("score", file, "--model", "length", "--out", out)
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["problem"] == row["problem"]
    assert [step["text"] for step in written["steps"]] == steps
    assert len(written["scores"][0]["values"]) == len(steps)
    shown = surefoot("score", file, "--model", "length")
    assert shown.returncode == 0, shown.stderr
    assert "[bold red]" in shown.stdout
    assert not set(shown.stdout) & {"\0", "\x1b", "\x07"}


def test_broken_utf8_is_a_counted_skip(surefoot, tmp_path):
    file = tmp_path / "in.jsonl"
    good = json.dumps(GOOD).encode()
    file.write_bytes(good + b"\n" + good.replace(b"What", b"\xff\xfe") + b"\n" + good + b"\n")
    result = surefoot("score", file, "--model", "arithmetic", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 0
    assert told["traces"] == 2
    assert told["skipped"]["rows"] == 1
    assert "UTF-8" in told["skipped"]["first"][0]["reason"]


def test_truncated_gzip_keeps_what_came_before_the_cut(surefoot, tmp_path):
    rows = [with_(problem=os.urandom(200).hex()) for _ in range(300)]
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    file = tmp_path / "in.jsonl.gz"
    file.write_bytes(whole[: len(whole) // 2])
    result = surefoot("score", file, "--model", "arithmetic", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 0
    assert 50 < told["traces"] < 250
    assert told["skipped"]["rows"] >= 1
    assert "cut short" in result.stderr
    strict = surefoot("score", file, "--model", "arithmetic", "--strict", "--json")
    check_failed(strict, 1, "cut short")


def test_an_unknown_format_is_named_with_the_known_ones(surefoot, write_rows):
    file = write_rows("in.jsonl", {"colour": "red", "shape": "round"})
    check_failed(
        surefoot("score", file, "--model", "arithmetic"), 1, "colour, shape", "processbench"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "FILE", "--model", "arithmetic", "--format", "nonsense"], "'nonsense'"),
        (["convert", "FILE", "OUT", "--to", "nonsense"], "'nonsense'"),
        (["convert", "FILE", "--to", "trl"], "INPUTS"),
        (["convert", "FILE", "OUT"], "--to"),
        (["score", "FILE"], "--model"),
        (["score", "--model", "arithmetic"], "FILES"),
        (["score", "FILE", "--model", "arithmetic", "--nonsense"], "--nonsense"),
        (["score", "FILE", "--model", "arithmetic", "--show", "many"], "many"),
        (["score", "FILE", "--model", "arithmetic", "--out", "-", "--json"], "stdout"),
        (["eval", "processbench", "FILE"], "--model"),
        (["eval", "processbench", "FILE", "--model", "length", "--scores", "x"], "--scores"),
        (["eval", "nonsense"], "nonsense"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_exits_with_2(surefoot, write_rows, tmp_path, arguments, said):
    names = {"FILE": write_rows("in.jsonl", GOOD), "OUT": tmp_path / "out.jsonl"}
    check_failed(surefoot(*(names.get(one, one) for one in arguments)), 2, said)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "FILE", "--model", "arithmetic"],
        ["convert", "FILE", "OUT", "--to", "trl"],
        ["eval", "processbench", "FILE", "--model", "arithmetic"],
    ],
)
def test_a_missing_file_is_named(surefoot, tmp_path, arguments):
    names = {"FILE": tmp_path / "absent.jsonl", "OUT": tmp_path / "out.jsonl"}
    result = surefoot(*(names.get(one, one) for one in arguments))
    check_failed(result, 1, "absent.jsonl")


def test_a_missing_model_is_named(surefoot, write_rows):
    result = surefoot("score", write_rows("in.jsonl", GOOD), "--model", "absent-model")
    check_failed(result, 1, "absent-model", "arithmetic")


@pytest.mark.parametrize("verb", ["score", "convert", "eval"])
def test_an_unwritable_folder_is_named(surefoot, write_rows, tmp_path, verb):
    """Tests may run as root, to whom every folder is writable, so the folder lies under a file."""
    file = write_rows("in.jsonl", GOOD)
    out = file / "folder" / "out.jsonl"
    arguments = {
        "score": ["score", file, "--model", "arithmetic", "--out", out],
        "convert": ["convert", file, out, "--to", "surefoot"],
        "eval": ["eval", "processbench", file, "--model", "arithmetic", "--out", out],
    }
    check_failed(surefoot(*arguments[verb]), 1, "in.jsonl")


def test_an_empty_file_is_an_error(surefoot, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text("")
    check_failed(surefoot("score", file, "--model", "arithmetic"), 1, "in.jsonl", "no rows")


def test_a_traceback_comes_only_when_asked_for(surefoot, tmp_path):
    arguments = ["score", tmp_path / "absent.jsonl", "--model", "arithmetic"]
    check_failed(surefoot(*arguments), 1, "absent.jsonl")
    for result in (
        surefoot(*arguments, "--traceback"),
        surefoot(*arguments, SUREFOOT_TRACEBACK="1"),
    ):
        assert result.returncode == 1
        assert "Traceback" in result.stderr
        assert "absent.jsonl" in result.stderr


def test_a_reader_that_leaves_is_no_error(write_rows, surefoot_path):
    file = write_rows("in.jsonl", *(with_(problem=f"{i}?" * 100) for i in range(3000)))
    command = f"'{surefoot_path}' score '{file}' --model length --out - | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert json.loads(result.stdout)["problem"].startswith("0?")
    assert "rror" not in result.stderr


def check_failed(result, code, *said):
    """One sentence on stderr that holds the words, nothing on stdout, and the exit code."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert result.stderr.count("error: ") == 1
    for words in said:
        assert words in result.stderr[result.stderr.index("error: ") :], last

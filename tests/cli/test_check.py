"""`surefoot check`, and the options of loading of every verb."""

import json
from types import SimpleNamespace

import pytest

from surefoot.cli import main
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.traces.layout import Layout


def row(*steps, labels=None, problem="What is 2 + 3?", **rest):
    told = {"surefoot": 1, "problem": problem, "steps": list(steps), **rest}
    if labels is not None:
        told["labels"] = [{"values": labels, "source": "human", "scale": "rating"}]
    return told


CLEAN = (row("Add.", "2 + 3 = 5.", labels=[1, 1]), row("2 + 3 = 6.", labels=[-1]))
LONG = row(*["2 + 3 = 5."] * 12, labels=[1] * 12)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a verb in this process, which has loaded what it needs already."""

    def ran(*arguments, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        code = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return ran


@pytest.fixture
def prm(small_model, small_tokenizer, tmp_path):
    contract = Contract.for_layout(small_tokenizer, Layout("\n\n", " ки\n"), max_tokens=64)
    model = small_model(task="scorer")
    DiscriminativeModel(model, small_tokenizer, contract, name="prm").save(tmp_path / "prm")
    return tmp_path / "prm"


def test_a_clean_file_is_shown_token_by_token(surefoot, write_rows, prm, small_tokenizer):
    done = surefoot("check", write_rows("in.jsonl", *CLEAN), "-m", prm, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    kinds = [line.split()[1] for line in lines[2:8]]
    assert kinds == ["problem", "template", "step", "template", "step", "template"]
    assert lines[3].split()[2].startswith("↵")
    ids = small_tokenizer("Add.")["input_ids"]
    below = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    assert lines[4].split()[3:] == [
        piece + str(i).translate(below) for piece, i in zip("Add.", ids, strict=True)
    ]
    slots = [line for line in lines if "◀" in line]
    assert [line.partition("◀ ")[2].rstrip() for line in slots] == ["step 0", "step 1", "step 0"]
    assert "3 for 3 steps" in done.stdout
    assert "66.7%" in done.stdout
    assert "first error by human: 1 at step 0, 1 without error, 0 not known" in done.stdout
    assert "nothing was found that would be silently wrong" in done.stdout


def test_show_says_how_many_are_shown(run, write_rows, prm):
    file = write_rows("in.jsonl", *CLEAN, *CLEAN)
    for number in (0, 3):
        done = run("check", file, "-m", prm, "--show", number)
        assert done.returncode == 0
        assert sum(line.startswith("row ") for line in done.stdout.splitlines()) == number


def test_an_error_is_told_with_place_and_mend(run, write_rows, prm):
    done = run("check", write_rows("in.jsonl", *CLEAN, LONG), "-m", prm)
    assert done.returncode == 1
    _, _, told = done.stdout.partition("\nerrors\n")
    assert told.startswith("✗ too-long: longer than the contract's 64 tokens: 1 of 3 traces")
    assert "row 3, step 4, trace" in told
    assert "mend: shorten them" in told
    assert "--long windows" in told
    assert "silently wrong" not in done.stdout
    assert "not fit for prm: longer than the contract's 64 tokens" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warning_alone_is_no_failure(run, write_rows, prm):
    done = run("check", write_rows("in.jsonl", *CLEAN, CLEAN[0]), "-m", prm)
    assert done.returncode == 0
    assert "\nwarnings\n! duplicate: " in done.stdout
    assert "first in row 1" in done.stdout


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (LONG, "too-long"),
        (row("Add.", labels=[None]), "all-masked"),
        (row({"text": "look", "observation": "a door"}, labels=[1]), "observation"),
    ],
)
def test_json_names_every_fault(run, write_rows, prm, fault, kind):
    done = run("check", write_rows("in.jsonl", *CLEAN, fault), "-m", prm, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [one["kind"] for one in told["errors"]] == [kind]
    assert told["errors"][0]["places"][0]["row"] == 3
    assert told["errors"][0]["mend"]
    assert set(told) == {
        *("files", "model", "traces", "steps", "errors", "warnings", "labels", "tokens"),
        *("samples", "contract", "skipped"),
    }
    assert told["contract"]["max_tokens"] == 64
    assert told["tokens"]["max_tokens"] == 64
    assert [sample["row"] for sample in told["samples"]] == [1, 2]
    (written,) = told["samples"][0]["rows"]
    assert written["spans"][0]["kind"] == "problem"
    assert len(written["slots"]) == 2


def test_a_terminal_is_not_driven_by_what_is_in_the_data(run, write_rows, prm):
    wild = row("a\x1b[31mb\tc\r\u202ed", "e\nf  g", labels=[1, -1], problem="p\x07 [red]q[/red]")
    done = run("check", write_rows("in.jsonl", wild), "-m", prm)
    assert done.returncode == 0
    for character in "\x1b\x07\r\t\u202e":
        assert character not in done.stdout
    shown = "".join(c for c in done.stdout if c not in "₀₁₂₃₄₅₆₇₈₉ …\n")
    for told in ("p\\x07·[red]q[/red]", "a\\x1b[31mb→c\\r\\u202ed", "e↵f··g"):
        assert told in shown


def test_rows_that_cannot_be_read_are_told(run, write_rows, prm):
    file = write_rows("in.jsonl", CLEAN[0], row("a", ""), CLEAN[1])
    done = run("check", file, "-m", prm, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["skipped"]["rows"] == 1
    assert "1 row skipped" in run("check", file, "-m", prm).stdout
    strict = run("check", file, "-m", prm, "--strict")
    assert strict.returncode == 1
    assert "in.jsonl:2" in strict.stderr


def test_stdin_of_a_named_format(surefoot, prm):
    rows = json.dumps({"prompt": "2+2?", "completions": ["4", "So 4."], "labels": [True, False]})
    done = surefoot("check", "-", "-m", prm, "--format", "trl", "--json", stdin=rows)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2


def test_a_model_without_a_contract_says_so(run, write_rows):
    done = run("check", write_rows("in.jsonl", *CLEAN), "-m", "arithmetic")
    assert done.returncode == 0
    assert "arithmetic has no contract" in done.stdout
    assert "the data alone was examined" in done.stdout
    assert "human" in done.stdout
    faulty = write_rows("faulty.jsonl", *CLEAN, row("a", labels=[None]))
    done = run("check", faulty, "-m", "arithmetic", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["tokens"] is None
    assert json.loads(done.stdout)["contract"] is None


def test_no_trace_is_a_failure(run, tmp_path, prm):
    (tmp_path / "in.jsonl").write_text("")
    done = run("check", tmp_path / "in.jsonl", "-m", prm)
    assert done.returncode == 1
    assert "it holds no rows" in done.stderr


def test_many_pieces_and_tokens_are_cut_in_the_picture_alone(run, write_rows, prm):
    many = write_rows("in.jsonl", row(*["5"] * 40, "7" * 200))
    done = run("check", many, "-m", prm, "--json")
    (written,) = json.loads(done.stdout)["samples"][0]["rows"]
    assert len(written["spans"]) == 84
    assert "… and 24 more pieces" in run("check", many, "-m", prm).stdout
    wide = write_rows("in.jsonl", row("7" * 200))
    assert "… 140 more tokens …" in run("check", wide, "-m", prm, columns=1000).stdout


def test_long_traces_in_windows(run, write_rows, prm):
    file = write_rows("in.jsonl", *CLEAN, LONG, LONG)
    done = run("score", file, "-m", prm, "--long", "windows")
    assert done.returncode == 0, done.stderr
    assert "2 traces too long for the model, scored in windows" in done.stdout
    told = json.loads(run("score", file, "-m", prm, "--long", "windows", "--json").stdout)
    assert (told["windowed_traces"], told["unscored_traces"]) == (2, 0)
    told = json.loads(run("score", file, "-m", prm, "--json").stdout)
    assert (told["windowed_traces"], told["unscored_traces"]) == (0, 2)
    done = run("eval", "processbench", file, "-m", prm, "--long", "windows")
    assert "2 traces too long for the model, scored in windows" in done.stderr
    done = run("check", file, "-m", prm, "--long", "windows")
    assert done.returncode == 0
    assert "! windowed: longer than the contract's 64 tokens" in done.stdout


@pytest.fixture
def bare(small_model, small_tokenizer, tmp_path):
    """A checkpoint as TRL leaves it: how its scores are read stands nowhere in it."""
    small_model(task="scorer").save_pretrained(tmp_path / "bare")
    small_tokenizer.save_pretrained(tmp_path / "bare")
    return tmp_path / "bare"


def test_the_options_of_loading_reach_the_model(run, write_rows, bare, prm):
    file = write_rows("in.jsonl", *CLEAN)
    named = ("-m", bare, "--profile", "trl", "--separator", "\\n\\n")
    done = run("check", file, *named, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["contract"]["template"]["step"] == "{step}{cut}\n\n{slot}{cut}"
    given = ("-m", bare, "--contract", prm)
    assert json.loads(run("check", file, *given, "--json").stdout)["contract"] == json.loads(
        (prm / "contract.json").read_text()
    )
    rewards = set()
    for options in (named, given, ("-m", prm)):
        scored = json.loads(run("score", file, *options, "--json").stdout)
        rewards.add(round(scored["scores"][0]["reward"], 6))
    assert len(rewards) == 2
    rough = run("score", file, *named, "--dtype", "bfloat16", "--device", "cpu", "--json")
    assert rough.returncode == 0
    assert round(json.loads(rough.stdout)["scores"][0]["reward"], 6) not in rewards


def test_wrong_options_of_loading_are_refused(run, write_rows, prm):
    file = write_rows("in.jsonl", *CLEAN)
    done = run("check", file, "-m", prm, "--profile", "nobody")
    assert done.returncode == 2
    assert "no profile 'nobody'" in done.stderr
    done = run("eval", "processbench", file, "--scores", "x", "--long", "windows")
    assert done.returncode == 2
    assert "mean nothing to --scores" in done.stderr

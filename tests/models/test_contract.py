"""The contract comes back exactly, and every way it can be wrong is refused with its reason."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot import aggregate
from surefoot.errors import ContractError, StorageError
from surefoot.models.contract import Contract
from surefoot.traces.layout import Layout

GOOD = {
    "version": 1,
    "layout": {"problem_end": "\n", "step_end": "\n"},
    "step_end_ids": [5],
    "meaning": "step-correct",
    "aggregate": "min",
    "threshold": 0.5,
    "max_tokens": 64,
}

contracts = st.builds(
    Contract,
    layout=st.builds(Layout, st.text(max_size=5), st.text(min_size=1, max_size=5)),
    step_end_ids=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    meaning=st.sampled_from(["step-correct", "prefix-correct", "value"]),
    aggregate=st.sampled_from(sorted(aggregate.RULES)),
    threshold=st.floats(0, 1),
    max_tokens=st.integers(1, 10**6),
)


@given(contract=contracts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_comes_back_exactly(tmp_path, contract):
    contract.save(tmp_path)
    assert Contract.load(tmp_path) == contract


def test_the_file_is_plain_json(tmp_path):
    Contract(step_end_ids=(5,), max_tokens=64).save(tmp_path)
    assert json.loads((tmp_path / "contract.json").read_text()) == GOOD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "version 2, this surefoot reads 1; upgrade"),
        ({"slots": "end"}, "unknown fields: slots"),
        ({"layout": {**GOOD["layout"], "chat": True}}, r"unknown fields: layout\.chat"),
        ({"layout": {"step_end": "\n"}}, r"missing fields: layout\.problem_end"),
        ({"layout": "plain"}, "layout is 'plain'"),
        ({"layout": {"problem_end": "", "step_end": ""}}, "step_end is empty"),
        ({"layout": {"problem_end": 3, "step_end": "\n"}}, "problem_end is 3"),
        ({"step_end_ids": []}, "step_end_ids is empty"),
        ({"step_end_ids": [-1]}, "0 or more"),
        ({"step_end_ids": ["5"]}, "0 or more"),
        ({"meaning": "good"}, "meaning is 'good'; it must be one of step-correct"),
        ({"aggregate": "median"}, "aggregate: .*median"),
        ({"threshold": 1.5}, r"threshold is 1\.5; a probability"),
        ({"threshold": "0.5"}, "threshold is '0.5'; it must be a number"),
        ({"threshold": True}, "threshold is True"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 2.5}, r"max_tokens is 2\.5"),
    ],
)
def test_a_wrong_field_is_refused(tmp_path, change, reason):
    (tmp_path / "contract.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ContractError, match=reason) as caught:
        Contract.load(tmp_path)
    assert "contract.json" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in GOOD if name != "version"])
def test_a_missing_field_is_refused(tmp_path, name):
    rest = {key: value for key, value in GOOD.items() if key != name}
    (tmp_path / "contract.json").write_text(json.dumps(rest))
    with pytest.raises(ContractError, match=f"missing fields: {name}"):
        Contract.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "not a contract: it names no version"),
        (b"{}", "not a contract: it names no version"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, reason):
    (tmp_path / "contract.json").write_bytes(content)
    with pytest.raises(ContractError, match=reason):
        Contract.load(tmp_path)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ContractError, match=r"has no contract\.json.*train with surefoot"):
        Contract.load(tmp_path)


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path):
    with pytest.raises(StorageError, match=r"contract\.json: cannot write it"):
        Contract(step_end_ids=(5,)).save(tmp_path / "none")


def test_a_nan_threshold_is_refused():
    with pytest.raises(ContractError, match="threshold is nan"):
        Contract(step_end_ids=(5,), threshold=float("nan"))


def test_it_pins_the_ids_of_its_tokenizer(small_tokenizer):
    contract = Contract.for_tokenizer(small_tokenizer, Layout(step_end="1\n"), max_tokens=64)
    assert small_tokenizer.convert_ids_to_tokens(contract.step_end_ids) == ["1", "Ċ"]
    contract.check(small_tokenizer, 64)
    contract.check(small_tokenizer, None)


def test_another_tokenizer_is_refused(small_tokenizer):
    contract = Contract(step_end_ids=(1, 2))
    with pytest.raises(
        ContractError, match=r"step end '\\n' as \[\d+\], the contract says \[1, 2\]"
    ):
        contract.check(small_tokenizer, None)


def test_too_few_positions_are_refused(small_tokenizer):
    contract = Contract.for_tokenizer(small_tokenizer, max_tokens=65)
    with pytest.raises(ContractError, match="allows 65 tokens, the model has 64 positions; lower"):
        contract.check(small_tokenizer, 64)


@pytest.mark.parametrize(
    ("meaning", "kind"),
    [("step-correct", "probability"), ("prefix-correct", "probability"), ("value", "value")],
)
def test_scores_are_called_what_they_are(meaning, kind):
    assert Contract(step_end_ids=(5,), meaning=meaning).kind == kind

"""`surefoot score` shows calibrated numbers and holds them against the contract's threshold."""

import json
import math
from dataclasses import replace

import pytest

from surefoot.models.calibration import Calibration
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.traces.types import Trace

STEPS = ["5 + 8 = 13.", "So the last digit is 3.", "The answer is 3."]


def test_the_contract_s_calibration_is_applied(
    surefoot, write_rows, small_model, small_tokenizer, tmp_path
):
    model = small_model("qwen2", "scorer")
    plain = Contract.for_layout(small_tokenizer, max_tokens=512)
    scorer = DiscriminativeModel(model, small_tokenizer, plain, name="prm")
    odds = scorer.score(Trace("Add 5 and 8.", STEPS)).log_odds
    wanted = [1 / (1 + math.exp(-(z / 4 + 0.5))) for z in odds]
    low, high = sorted(wanted)[:2]
    agreed = replace(
        plain, calibration=Calibration(temperature=4, bias=0.5), threshold=(low + high) / 2
    )
    scorer.save(tmp_path / "prm")
    agreed.save(tmp_path / "prm")
    rows = write_rows("in.jsonl", {"surefoot": 1, "problem": "Add 5 and 8.", "steps": STEPS})
    result = surefoot("score", rows, "--model", tmp_path / "prm", "--json")
    assert result.returncode == 0, result.stderr
    (found,) = json.loads(result.stdout)["scores"]
    assert found["values"] == pytest.approx(wanted, abs=1e-5)
    assert found["first_error"] == wanted.index(low)

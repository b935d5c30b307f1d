"""Every published scorer whose head is one linear layer, as a plain token classifier of
transformers: the same probabilities at the same tokens, without any code of ours."""

import pytest
import torch
from transformers import AutoModelForTokenClassification

import surefoot as sf
from surefoot import Trace
from surefoot.errors import ContractError
from surefoot.models.export import export_plain
from surefoot.models.render import render, text_of

TRACE = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18.", "So it is 18."])
OTHERWISE = {
    "actprm": "3 layers",
    "eurusprm": "LogRatioModel",
    "fin-prm": "2 layers",
    "implicitprm-llama": "LogRatioModel",
    "pathfinder-prm": "passes twice",
    "qwen2.5-math-prm": "2 layers",
    "reasonflux-prm-7b": "2 layers",
}
"""Why the others cannot be one linear layer."""


@torch.no_grad()
def plainly(folder, scorer, contract):
    """The scores of TRACE by transformers alone, at the places of our rows."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    (rows,) = render([text_of(TRACE)], scorer.contract, scorer.renderer)
    found = []
    for row in rows:
        shares = model(input_ids=torch.tensor([row.ids])).logits[0, scorer.places(row)].softmax(-1)
        if contract.reading.link == "difference":
            found += (shares[:, 1] - shares[:, 0]).tolist()
        else:
            found += shares[:, list(contract.reading.good)].sum(-1).tolist()
    return found


def test_a_plain_classifier_gives_the_same_scores(published, family, tmp_path):
    scorer = published(family).model
    if family in OTHERWISE:
        with pytest.raises(ContractError, match=OTHERWISE[family]):
            export_plain(scorer, tmp_path / "plain")
        assert not (tmp_path / "plain").exists()
        return
    wanted = scorer.score(TRACE).values
    exported = export_plain(scorer, tmp_path / "plain")
    again = sf.load(tmp_path / "plain")
    assert again.score(TRACE).values == pytest.approx(wanted, abs=1e-5)
    contract = again.contract
    assert again.model.config.id2label == dict(enumerate(exported.classes))
    if contract.reading.link != "raw":
        assert plainly(tmp_path / "plain", scorer, contract) == pytest.approx(wanted, abs=1e-5)

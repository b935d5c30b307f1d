"""The logits of the last position, by a head that is taken in slices."""

import pytest
import torch

from surefoot.policies import passes
from surefoot.policies.passes import last_logits, lay


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_head_in_slices_gives_the_logits_of_the_whole(small_model, monkeypatch, has_bias):
    model = small_model()
    head = torch.nn.Linear(model.config.hidden_size, 2500, bias=has_bias)
    model.set_output_embeddings(head)
    laid = lay([[1, 2, 3], [4, 5], [6]], [0, 0, 0], model.device)
    sizes = []
    whole = passes.linear
    monkeypatch.setattr(
        passes, "linear", lambda *given: sizes.append(len(given[1])) or whole(*given)
    )
    with torch.inference_mode():
        found = last_logits(model, laid, None)
        assert sizes == [1024, 1024, 452]
        head.forward = head.forward
        expected = last_logits(model, laid, None)
        assert len(sizes) == 3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_head_is_left_as_it_was_whatever_happens(small_model):
    model = small_model()
    head = torch.nn.Linear(3, 2500)
    model.set_output_embeddings(head)
    with torch.inference_mode(), pytest.raises(RuntimeError):
        last_logits(model, lay([[1]], [0], model.device), None)
    assert "forward" not in vars(head)

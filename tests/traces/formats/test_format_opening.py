"""Where the question ends."""

import pytest

from surefoot.errors import RowError
from surefoot.traces.formats.opening import cut_opening, opening_loss


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Q one. Q two? Step 1: go", ("Q one. Q two?", " ", "Step 1: go")),
        ("Q\nStep 1: go", ("Q", "\n", "Step 1: go")),
        ("Q? What?\n\nFirst, go", ("Q? What?", "\n\n", "First, go")),
        ("Find x. How many? We have 3. And 4.", ("Find x. How many?", " ", "We have 3. And 4.")),
    ],
)
def test_cuts(text, parts):
    assert cut_opening(text, "f") == parts
    assert opening_loss(*parts) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Find x. We have 3.",
        "Why? How? Because.",
        "Q? Step 1: see Step 1: above",
        "a\n\nb\n\nc",
        "Step 1: no question",
        "xStep 1: not a header",
    ],
)
def test_never_guesses(text):
    with pytest.raises(RowError) as caught:
        cut_opening(text, "f")
    assert caught.value.field == "f"


def test_losses():
    assert opening_loss("Q? ", " ", "Step 1: a") == {"outer whitespace"}
    assert opening_loss("Q.", " ", "a") == {"end of the question"}
    assert opening_loss("A? B", " ", "c") == {"end of the question"}

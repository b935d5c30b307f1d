"""What is read off the wording of a step."""

import math

import pytest

from surefoot.models.features.surface import Surface


def test_the_sizes_of_a_step() -> None:
    """By hand: 30 characters; the tokens Let x be 3 . Then it is $ x + 2 = 5 $ are 15, of which 7
    are words; one formula of 7 characters."""
    values = Surface("What is x?").step("Let x be 3. Then it is $x+2=5$")
    assert values["chars"] == pytest.approx(math.log(31))
    assert values["tokens"] == pytest.approx(math.log(16))
    assert values["words"] == pytest.approx(math.log(8))
    assert values["sentences"] == 1
    assert values["formulas"] == 1
    assert values["formula_share"] == pytest.approx(7 / 30)
    assert values["relations"] == 1
    assert values["supposes"] == 1
    assert values["position"] == 0


def test_lengths_are_held_against_the_steps_before() -> None:
    surface = Surface("?")
    first = surface.step("a" * 10)
    assert math.isnan(first["last_chars"])
    assert math.isnan(first["relative_chars"])
    surface.step("a" * 20)
    third = surface.step("a" * 31)
    assert third["relative_chars"] == pytest.approx(math.log(32 / 16))
    assert third["last_chars"] == pytest.approx(math.log(21))
    assert third["past_chars"] == pytest.approx(math.log(31))
    assert third["longest_so_far"] == 1
    assert third["position"] == 2


def test_what_was_said_before_is_not_new() -> None:
    """Runs of three tokens; the question's count as said."""
    surface = Surface("the sum of two numbers")
    told = surface.step("the sum of two numbers is nine")
    assert told["fresh_grams"] == pytest.approx(math.log(3))
    assert told["fresh_share"] == pytest.approx(2 / 5)
    again = surface.step("the sum of two numbers is nine")
    assert again["fresh_share"] == 0


def test_a_name_is_new_once() -> None:
    surface = Surface("Find $x$.")
    assert surface.step("Let $x = y + z$")["fresh_names"] == 2
    assert surface.step("so $z = x - y$")["fresh_names"] == 0


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("Wait, that was a mistake.", "corrects"),
        ("It is approximately 3.", "hedges"),
        ("Therefore it holds.", "concludes"),
        ("\\boxed{3}", "final"),
        ("We verify this.", "checks"),
        ("There are 6 ways.", "counts"),
        ("\\sin x", "trigonometry"),
    ],
)
def test_words_that_tell_what_a_step_does(text: str, cue: str) -> None:
    assert Surface("?").step(text)[cue] >= 1
    assert Surface("?").step("3 + 4 = 7")[cue] == 0


@pytest.mark.parametrize("opening", ["\\(", "\\[", "$", "\\boxed{", "\\begin{align}"])
def test_a_long_text_of_openings_is_read_at_once(opening: str) -> None:
    """Without bounds on a formula, this takes time that grows with the square of the length."""
    values = Surface("?").step(opening * 5_000)
    assert values["chars"] == pytest.approx(math.log1p(5_000 * len(opening)))

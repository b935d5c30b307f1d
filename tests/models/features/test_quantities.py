"""Where the numbers of a step come from."""

import math

import pytest

from surefoot.models.features.quantities import Quantities, numbers_of


def test_numbers_as_people_write_them() -> None:
    assert numbers_of("$1,250.50 for 3 of 4, or .5 each; 12,34") == [1250.5, 3, 4, 0.5, 12, 34]
    assert numbers_of("9" * 16) == []


def test_a_step_that_uses_what_is_given() -> None:
    """Question: 12, 5 and "twice" (2). 12 * 5 = 60 uses two given numbers and derives one."""
    values = Quantities("Ann has 12 bags of 5 apples; Bob has twice as many.").step("12 * 5 = 60")
    assert values["numbers"] == 3
    assert values["given_numbers"] == 2
    assert values["fresh_numbers"] == 1
    assert values["derived_numbers"] == 1
    assert values["odd_numbers"] == 0
    assert values["unused_left"] == 0
    assert values["results"] == 1
    assert values["fresh_results"] == 1
    assert values["large_over_question"] == pytest.approx(math.log(61) - math.log(13))


def test_a_number_from_nowhere() -> None:
    """61 is neither sum, difference, product nor quotient of two of 12, 5 and 2."""
    values = Quantities("12 bags of 5 apples, twice.").step("There are 61 apples.")
    assert values["odd_numbers"] == 1
    assert values["derived_numbers"] == 0
    assert values["unused_left"] == 2


def test_a_result_is_reused() -> None:
    quantities = Quantities("12 bags of 5 apples")
    assert math.isnan(quantities.step("12 * 5 = 60")["reuses_last"])
    reused = quantities.step("Half of 60 is 30")
    assert reused["reuses_last"] == 1
    assert reused["past_results"] == 1
    assert quantities.step("So 45 are left")["reuses_last"] == 0


def test_a_given_number_is_first_used_once() -> None:
    quantities = Quantities("12 bags of 5 apples for 7 days")
    first, second = quantities.step("12 * 5 = 60"), quantities.step("12 * 7 = 84")
    assert (first["first_used"], first["unused_left"]) == (2, 1)
    assert (second["first_used"], second["unused_left"]) == (1, 0)


def test_negative_and_broken_numbers_are_counted() -> None:
    values = Quantities("8 and 20").step("8 - 20 = -12, and 8 / 20 = 0.4")
    assert values["negatives"] == 1
    assert values["decimals"] == 1


def test_a_space_that_never_ends_is_read_at_once() -> None:
    assert Quantities("?").step(("=" + " " * 3000) * 30)["results"] == 0

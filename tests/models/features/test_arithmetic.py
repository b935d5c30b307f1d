"""The exact checker's verdicts as features."""

import math

import pytest

from surefoot.models.features.arithmetic import Arithmetic


def test_verdicts_are_counted() -> None:
    arithmetic = Arithmetic()
    first = arithmetic.step("3 + 4 = 7, and 2 * 5 = 100, and x + 1 = y")
    assert (first["equations"], first["holds"], first["fails"]) == (3, 1, 1)
    assert first["open_equations"] == 1
    assert first["held_share"] == pytest.approx(1 / 3)
    assert first["gap"] == pytest.approx(1), "10 and 100 differ by one power of ten"
    assert first["past_failed"] == 0
    second = arithmetic.step("nothing to check")
    assert (second["past_failed"], second["past_held"]) == (1, 1)
    assert math.isnan(second["gap"])
    assert math.isnan(second["held_share"])


def test_a_side_beyond_floats_has_a_gap() -> None:
    """10^400 against 1."""
    values = Arithmetic().step("10^40 * 10^40 * 10^40 = 1 + 0")
    assert values["fails"] == 1
    assert values["gap"] == pytest.approx(120)


def test_a_chain_is_no_failure() -> None:
    values = Arithmetic().step("2 + 3 = 5 * 2 = 10")
    assert (values["chains"], values["fails"]) == (1, 0)


def test_a_denied_equation_is_doubted() -> None:
    values = Arithmetic().step("If 2 + 2 = 5, then nothing is sure.")
    assert (values["fails"], values["doubted"]) == (0, 1)

"""A calibration bends scores without turning their order, and every way to a score goes through
it once."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import surefoot
from published_tokenizers import qwen
from surefoot.errors import ContractError
from surefoot.models.calibration import Calibration, log_odds_of, probability_of
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Read, signed
from surefoot.models.template import Template
from surefoot.traces.layout import Layout
from surefoot.traces.types import Trace

PLATT = Calibration(temperature=2, bias=-0.5)
KNOTS = Calibration(kind="isotonic", x=(-2, 0, 4), y=(-1, 0.5, 1.5))
TRACES = [
    Trace("Start with 5.", ["Step 1: add 8. 5 + 8 = 13.", "The answer is 3."]),
    Trace("Start with 5.", [f"{i} + {i} = {2 * i}." for i in range(9)]),
    Trace("?", ["1"]),
]


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def platt_by_hand(z):
    return z / 2 - 0.5


def knots_by_hand(z):
    """Slopes .75, .25 between the knots and 1 beyond them."""
    if z < -2:
        return -1 + (z + 2)
    if z < 0:
        return -1 + 0.75 * (z + 2)
    return 0.5 + 0.25 * z if z < 4 else 1.5 + (z - 4)


@pytest.mark.parametrize(
    ("calibration", "z", "wanted"),
    [
        (PLATT, 3, 1),
        (PLATT, 0, -0.5),
        (KNOTS, -3, -2),
        (KNOTS, -2, -1),
        (KNOTS, -1, -0.25),
        (KNOTS, 0, 0.5),
        (KNOTS, 2, 1),
        (KNOTS, 4, 1.5),
        (KNOTS, 6, 3.5),
        (Calibration(kind="isotonic", x=(1,), y=(3,)), 5, 7),
        (Calibration(), 0.3, 0.3),
        (PLATT, math.inf, math.inf),
        (KNOTS, -math.inf, -math.inf),
    ],
)
def test_by_hand(calibration, z, wanted):
    assert calibration(z) == pytest.approx(wanted)
    assert calibration.undone(wanted) == pytest.approx(z)


knots = st.lists(st.integers(-200, 200), min_size=1, max_size=6, unique=True).map(
    lambda some: [k / 10 for k in sorted(some)]
)
calibrations = st.one_of(
    st.builds(Calibration, temperature=st.floats(0.05, 20), bias=st.floats(-5, 5)),
    st.tuples(knots, knots).map(
        lambda pair: Calibration(
            kind="isotonic", x=pair[0][: len(pair[1])], y=pair[1][: len(pair[0])]
        )
    ),
)
numbers = st.integers(-4000, 4000).map(lambda k: k / 100)


@given(calibrations, numbers, numbers)
def test_it_rises_strictly_and_can_be_undone(calibration, a, b):
    low, high = sorted((a, b))
    if low < high:
        assert calibration(low) < calibration(high)
    assert calibration.undone(calibration(a)) == pytest.approx(a, abs=1e-9)
    assert calibration(calibration.undone(a)) == pytest.approx(a, abs=1e-9)


@given(numbers)
def test_log_odds_and_probabilities_are_each_other_s_inverse(z):
    p = probability_of(z)
    assert p == pytest.approx(sigmoid(z))
    if p < 1:
        assert log_odds_of(p) == pytest.approx(z, rel=0.1 if abs(z) > 15 else 1e-6, abs=1e-9)


def test_the_ends():
    assert (log_odds_of(0.0), log_odds_of(1.0)) == (-math.inf, math.inf)
    assert (probability_of(-math.inf), probability_of(math.inf)) == (0, 1)
    assert probability_of(-800) == 0
    assert log_odds_of(1e-300) == pytest.approx(-300 * math.log(10))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "platt"}, "kind is 'platt'; it must be one of temperature, isotonic"),
        ({"temperature": 0}, "temperature is 0; it must be positive, or the order would turn"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": math.inf}, "temperature is inf; it must be a number"),
        ({"bias": math.nan}, "bias is nan"),
        ({"bias": True}, "bias is True"),
        ({"x": [1.0]}, "x and y mean nothing to a temperature"),
        ({"kind": "isotonic"}, "x has 0 knots and y 0; give as many, and at least one"),
        ({"kind": "isotonic", "x": [1], "y": [1, 2]}, "x has 1 knots and y 2"),
        ({"kind": "isotonic", "x": [1, 1], "y": [1, 2]}, r"x is \[1, 1\]; .* strictly rising"),
        ({"kind": "isotonic", "x": [1, 2], "y": [2, 1]}, r"y is \[2, 1\]; .* strictly rising"),
        ({"kind": "isotonic", "x": [1], "y": [math.inf]}, r"y is \[inf\]; .* a list of numbers"),
        ({"kind": "isotonic", "x": 1, "y": [1]}, "x is 1; it must be a list of numbers"),
        ({"kind": "isotonic", "x": [1], "y": [1], "bias": 1}, "bias mean nothing to knots"),
    ],
)
def test_what_is_no_calibration_is_refused(fields, reason):
    with pytest.raises(ContractError, match=f"calibration.*{reason}"):
        Calibration(**fields)


def contract(calibration, **rest):
    return Contract(calibration=calibration, **rest)


def test_scores_are_signed_calibrated_with_their_log_odds():
    reads = [Read(sigmoid(3), 3.0), Read(0.5, 0.0)]
    scores = signed(reads, contract(PLATT, threshold=0.4), "m")
    assert scores.log_odds == (1.0, -0.5)
    assert scores.values == pytest.approx([sigmoid(1), sigmoid(-0.5)])
    assert scores.first_error() == 1
    assert signed(reads, contract(None), "m").first_error(0.4) is None


def test_a_probability_without_log_odds_is_calibrated_too():
    """As the score of a rejected step is, which is given and not read."""
    half, none = signed([Read(sigmoid(-1), None), Read(0.0, None)], contract(PLATT), "m").values
    assert half == pytest.approx(sigmoid(-1))
    assert none == 0


def test_log_odds_beyond_what_a_probability_shows_are_kept():
    scores = signed([Read(1.0, 60.0), Read(1.0, 61.5)], contract(PLATT), "m")
    assert scores.log_odds == (29.5, 30.25)
    assert scores.values[0] < scores.values[1] < 1


@pytest.fixture
def scorer(small_model, small_tokenizer):
    model = small_model("qwen2", "scorer")
    agreed = Contract.for_layout(small_tokenizer, Layout("\n\n", " ки\n"), max_tokens=512)
    return DiscriminativeModel(model, small_tokenizer, agreed, name="prm")


def calibrated(scorer, calibration, folder):
    """The same checkpoint with a calibration in its contract, saved and loaded."""
    scorer.save(folder)
    replace(scorer.contract, calibration=calibration, threshold=0.25).save(folder)
    return surefoot.load(folder)


@pytest.mark.parametrize(
    ("calibration", "by_hand"), [(PLATT, platt_by_hand), (KNOTS, knots_by_hand)]
)
def test_a_saved_checkpoint_scores_calibrated_whole_and_in_a_session(
    scorer, tmp_path, calibration, by_hand
):
    loaded = calibrated(scorer, calibration, tmp_path / "prm")
    assert loaded.contract.calibration == calibration
    for trace, plain, found in zip(TRACES, scorer.score(TRACES), loaded.score(TRACES), strict=True):
        wanted = [by_hand(z) for z in plain.log_odds]
        assert found.log_odds == pytest.approx(wanted, abs=1e-5)
        assert found.values == pytest.approx([sigmoid(z) for z in wanted], abs=1e-6)
        assert found.threshold == 0.25
        session = loaded.open(trace.problem)
        branch = session.root
        for step in trace.texts:
            (branch,) = session.extend([(branch, [step])])
        assert branch.scores.log_odds == pytest.approx(wanted, abs=1e-4)
        assert branch.scores.values == pytest.approx(found.values, abs=1e-5)


def test_a_scorer_that_is_saved_again_keeps_its_calibration(scorer, tmp_path):
    loaded = calibrated(scorer, KNOTS, tmp_path / "prm")
    loaded.save(tmp_path / "again")
    assert surefoot.load(tmp_path / "again").score(TRACES)[0].values == (
        loaded.score(TRACES)[0].values
    )
    written = json.loads((tmp_path / "again" / "contract.json").read_text())["calibration"]
    assert written == {
        "kind": "isotonic",
        "temperature": 1.0,
        "bias": 0.0,
        "x": [-2, 0, 4],
        "y": [-1, 0.5, 1.5],
    }


def test_the_signs_of_a_second_pass_are_those_that_were_read(small_model):
    """A bias turns a score; what the second pass is shown is what the first one read, as before."""
    tokenizer = qwen()
    template = Template(
        prompt="{problem} ", step="{step} {slot}A", second="{step} {sign} {slot}A", past="{step} "
    )
    agreed = Contract(
        template=template, reading=Reading(head="tokens", tokens=("<->", "<+>")), max_tokens=512
    )
    model = small_model("qwen2", "causal", tokenizer=tokenizer)
    plain = DiscriminativeModel(model, tokenizer, agreed, name="m").score(TRACES)
    turned = replace(agreed, calibration=Calibration(bias=-50))
    bent = DiscriminativeModel(model, tokenizer, turned, name="m").score(TRACES)
    for one, other in zip(plain, bent, strict=True):
        assert other.log_odds == pytest.approx([z - 50 for z in one.log_odds], abs=1e-4)

import math
import statistics
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import surefoot as sf
from surefoot import aggregate
from surefoot.errors import AbstainedError, UsageError

FORMULAS = {
    "min": lambda p: sorted(p)[0],
    "product": lambda p: float(math.prod(map(Fraction, p))),
    "last": lambda p: p[len(p) - 1],
    "mean": lambda p: float(sum(map(Fraction, p)) / len(p)),
    "geometric": lambda p: statistics.geometric_mean(p),
    "nll": lambda p: -sum(math.log2(x) for x in p) * math.log(2) / len(p),
    "sum": lambda p: float(sum(map(Fraction, p))),
}
NAMES = sorted(FORMULAS)

probabilities = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=12)


def test_the_names_are_those_of_the_design():
    assert set(aggregate.RULES) == set(FORMULAS)
    assert aggregate.rule("sum") is aggregate.total
    with pytest.raises(UsageError, match="min, product, last, mean, geometric, nll, sum"):
        aggregate.rule("median")


def test_the_published_loss():
    steps = [0.95, 0.80, 0.15]
    assert f"{sf.aggregate.nll(steps):.4f}" == "0.7239"
    tensor = torch.tensor(steps, requires_grad=True)
    loss = sf.aggregate.nll(tensor)
    assert f"{loss.item():.4f}" == "0.7239"
    loss.backward()
    assert torch.allclose(tensor.grad, -1 / (3 * tensor.detach()))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(p=probabilities)
def test_each_rule_is_its_formula_for_lists_arrays_and_tensors(name, p):
    rule = aggregate.rule(name)
    expected = FORMULAS[name](p)
    assert type(rule(p)) is float
    assert rule(p) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert rule(tuple(p)) == rule(p)
    assert float(rule(np.array(p))) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    tensor = rule(torch.tensor(p, dtype=torch.float64))
    assert tensor.dtype == torch.float64
    assert tensor.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    single = rule(torch.tensor(p, dtype=torch.float32)).item()
    assert single == pytest.approx(expected, rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(
    rows=st.lists(
        st.lists(st.tuples(st.floats(1e-3, 1.0), st.booleans()), min_size=4, max_size=4).filter(
            lambda row: any(kept for _, kept in row)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_mask_is_the_same_as_leaving_steps_out_whatever_lies_beneath(name, rows):
    rule = aggregate.rule(name)
    expected = [FORMULAS[name]([p for p, kept in row if kept]) for row in rows]
    mask = np.array([[kept for _, kept in row] for row in rows])
    values = np.where(mask, [[p for p, _ in row] for row in rows], np.nan)
    assert rule(values, mask) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    batch = rule(torch.tensor(values), torch.tensor(mask))
    assert batch.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for row, value in zip(rows, expected, strict=True):
        listed = rule([p if kept else math.nan for p, kept in row], [kept for _, kept in row])
        assert listed == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_leading_axes_are_a_batch(name):
    values = np.linspace(0.05, 0.95, 24).reshape(2, 3, 4)
    out = aggregate.rule(name)(values)
    assert out.shape == (2, 3)
    assert out[1, 2] == pytest.approx(FORMULAS[name](values[1, 2].tolist()), rel=1e-12)
    tensor = aggregate.rule(name)(torch.tensor(values))
    assert tensor.shape == (2, 3)
    assert np.allclose(tensor.numpy(), out, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name):
    torch.manual_seed(0)
    values = (torch.rand(3, 5, dtype=torch.float64) * 0.9 + 0.05).requires_grad_()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [0, 0, 1, 0, 0]], dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda p: aggregate.rule(name)(p, mask), (values,))


@pytest.mark.parametrize("name", NAMES)
def test_masked_steps_get_no_gradient_even_when_they_are_nan(name):
    values = torch.tensor([[0.5, math.nan, 0.25]], requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    aggregate.rule(name)(values, mask).sum().backward()
    assert values.grad[0, 1] == 0
    assert torch.isfinite(values.grad).all()


def test_a_certain_step_still_has_a_gradient():
    values = torch.ones(2, requires_grad=True)
    aggregate.nll(values).backward()
    assert values.grad.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_a_step_that_is_certainly_wrong(kind):
    values = kind([0.5, 0.0, 0.9])
    assert float(aggregate.product(values)) == 0.0
    assert float(aggregate.geometric(values)) == 0.0
    assert float(aggregate.nll(values)) == math.inf
    assert float(aggregate.minimum(values)) == 0.0


def test_a_zero_does_not_poison_the_gradient():
    values = torch.tensor([[0.5, 0.0, 0.8], [0.5, 0.2, 0.8]], dtype=torch.float64)
    values.requires_grad_()
    aggregate.product(values).sum().backward()
    assert values.grad[0].tolist() == pytest.approx([0.0, 0.4, 0.0])
    values.grad = None
    aggregate.geometric(values).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert values.grad[0].tolist() == [0.0, 0.0, 0.0]
    assert values.grad[1, 0].item() == pytest.approx((0.5 * 0.2 * 0.8) ** (1 / 3) / (3 * 0.5))


@pytest.mark.parametrize("kind", [list, np.array, lambda p: torch.tensor(p, dtype=torch.float64)])
def test_long_traces_do_not_underflow(kind):
    assert float(aggregate.geometric(kind([0.5] * 100_000))) == pytest.approx(0.5)
    assert float(aggregate.nll(kind([0.5] * 100_000))) == pytest.approx(math.log(2))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_precision_is_kept(name, kind):
    values = np.array([[0.5, 0.25]], dtype=kind)
    assert aggregate.rule(name)(values).dtype == kind
    tensor = torch.tensor(values)
    assert aggregate.rule(name)(tensor).dtype == tensor.dtype


def test_whole_numbers_become_floats():
    assert aggregate.mean([1, 0]) == 0.5
    assert aggregate.mean(np.array([1, 0])) == 0.5
    assert aggregate.mean(torch.tensor([1, 0])).item() == 0.5
    assert aggregate.last(np.array([True, False])) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_no_step_is_an_error_in_every_shape(name):
    rule = aggregate.rule(name)
    for values, mask in (
        ([], None),
        ([0.5], [False]),
        (np.zeros((2, 0)), None),
        (np.array([[0.5], [0.5]]), np.array([[True], [False]])),
        (torch.tensor([0.5]), torch.tensor([False])),
    ):
        with pytest.raises(AbstainedError, match=r"at least one step|every row"):
            rule(values, mask)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(name, bad):
    for values in ([0.5, bad], np.array([0.5, bad]), torch.tensor([[0.5, bad]])):
        with pytest.raises(UsageError, match=str(bad)):
            aggregate.rule(name)(values)


def test_domains():
    for values in ([-0.1], np.array([-0.1]), torch.tensor([-0.1])):
        for name in ("product", "geometric", "nll"):
            with pytest.raises(UsageError, match=r"-0\.1"):
                aggregate.rule(name)(values)
        for name in ("min", "last", "mean", "sum"):
            assert float(aggregate.rule(name)(values)) == pytest.approx(-0.1)
    for values in ([1.5], np.array([1.5]), torch.tensor([1.5])):
        with pytest.raises(UsageError, match=r"\[0, 1\]"):
            aggregate.nll(values)
        assert float(aggregate.product(values)) == 1.5


def test_wrong_kinds_are_refused():
    with pytest.raises(UsageError, match="abstained"):
        aggregate.mean([0.5, None])
    with pytest.raises(UsageError, match="score 1"):
        aggregate.mean([0.5, torch.tensor(0.5, requires_grad=True)])
    with pytest.raises(UsageError, match="list of numbers"):
        aggregate.mean("0.5")
    with pytest.raises(UsageError, match="list of numbers"):
        aggregate.mean(0.5)
    with pytest.raises(UsageError, match="last axis"):
        aggregate.mean(np.array(0.5))
    with pytest.raises(UsageError, match="mask"):
        aggregate.mean([0.5, 0.5], [True])
    with pytest.raises(UsageError, match="mask"):
        aggregate.mean([0.5], [1])
    with pytest.raises(UsageError, match="mask"):
        aggregate.mean(np.ones((2, 3)), np.ones(3, dtype=bool))
    with pytest.raises(UsageError, match="mask"):
        aggregate.mean(torch.ones(3), torch.ones(3))
    with pytest.raises(UsageError, match="mask"):
        aggregate.mean(torch.ones(3), np.ones(3, dtype=bool))


def test_lists_need_neither_numpy_nor_torch():
    code = (
        "import sys; from surefoot import aggregate; print(aggregate.nll([0.5, 0.25]));"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1.5 * math.log(2))


def test_rules_have_their_own_names_and_docs():
    for name, rule in aggregate.RULES.items():
        assert rule.__doc__
        assert getattr(aggregate, {"min": "minimum", "sum": "total"}.get(name, name)) is rule

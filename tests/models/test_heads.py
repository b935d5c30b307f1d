"""Heads and links against numbers worked out by hand, and against the model's own full logits."""

import logging
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers import logging as their_logging

from published_tokenizers import qwen
from surefoot.errors import ContractError
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import (
    Head,
    Read,
    check_logits,
    layers_head,
    link,
    token_log_probs,
    tokens_head,
)
from surefoot.models.template import Template
from surefoot.traces.types import Trace

near = pytest.approx


def read(logits, **reading):
    """The reads of logits of shape (S, C), from one head, or (E, S, C)."""
    tensor = torch.tensor(logits)
    return link(tensor if tensor.dim() == 3 else tensor[None], Reading(**reading))


def test_softmax_of_two():
    """e^2 / (e^1 + e^2) = 1 / (1 + e^-1) = .731059; log-odds 2 - 1."""
    (one, other) = read([[1.0, 2.0], [0.0, 0.0]])
    assert one == (near(0.7310586), near(1.0))
    assert other == (0.5, 0.0)
    ((bad, odds),) = read([[1.0, 2.0]], good=[0])
    assert (bad, odds) == (near(0.2689414), near(-1.0))


def test_softmax_of_three_with_several_good():
    """Weights 1, 2, 5 of 8; good are the last two, then the middle one."""
    logits = [[0.0, math.log(2), math.log(5)]]
    assert read(logits, classes=3, good=[1, 2]) == [(near(7 / 8), near(math.log(7), abs=1e-6))]
    assert read(logits, classes=3, good=[1]) == [(near(2 / 8), near(math.log(2 / 6)))]
    assert read(logits, classes=3, good=[2, 0]) == [(near(6 / 8), near(math.log(3), abs=1e-6))]


def test_sigmoid_difference_and_raw():
    """sigmoid(ln 3) = 3/4. Softmax of (0, ln 3) is (1/4, 3/4), their difference 1/2."""
    ln3 = math.log(3)
    assert read([[ln3]], link="sigmoid", classes=1) == [(near(0.75), near(ln3))]
    assert read([[0.0, ln3]], link="difference") == [(near(0.5), None)]
    assert read([[ln3, 0.0]], link="difference") == [(near(-0.5), None)]
    assert read([[-7.25]], link="raw", classes=1) == [(-7.25, None)]


def test_log_odds_tell_apart_what_rounds_to_one():
    ((high, one), (higher, other)) = read([[0.0, 60.0], [0.0, 61.5]])
    assert (high, higher) == (1.0, 1.0)
    assert (one, other) == (60.0, 61.5)
    ((low, odds),) = read([[60.0, 0.0]])
    assert (low, odds) == (near(math.exp(-60), rel=1e-5), -60.0)
    ((value, odds),) = read([[500.0]], link="sigmoid", classes=1)
    assert (value, odds) == (1.0, 500.0)


def test_ensembles_are_averaged_after_the_link():
    """Probabilities .75 and .25 have the mean .5, with the log-odds of .5; logits would have the
    mean of ln 3 and -ln 9, which is another number. Raw numbers and differences likewise."""
    ln3 = math.log(3)
    ((value, odds),) = read([[[ln3]], [[-ln3]]], link="sigmoid", classes=1)
    assert (value, odds) == (near(0.5), near(0.0, abs=1e-6))
    ((value, odds),) = read([[[ln3]], [[-2 * ln3]]], link="sigmoid", classes=1)
    assert (value, odds) == (near((0.75 + 0.1) / 2), near(math.log(0.425 / 0.575)))
    ((value, odds),) = read([[[0.0, ln3]], [[ln3, 0.0]], [[0.0, 0.0]]])
    assert (value, odds) == (near(0.5), near(0.0, abs=1e-6))
    assert read([[[0.0, ln3]], [[0.0, 0.0]]], link="difference") == [(near(0.25), None)]
    assert read([[[1.0]], [[-4.0]]], link="raw", classes=1) == [(-1.5, None)]
    ((value, odds),) = read([[[200.0]], [[100.0]]], link="sigmoid", classes=1)
    assert (value, odds) == (1.0, near(100 + math.log(2)))


@given(
    logits=st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=5),
    data=st.data(),
)
def test_softmax_is_as_in_plain_python(logits, data):
    classes = len(logits)
    good = data.draw(
        st.lists(st.integers(0, classes - 1), min_size=1, max_size=classes - 1, unique=True)
    )
    ((value, odds),) = read([logits], classes=classes, good=good)
    weights = [math.exp(z) for z in logits]
    right = sum(weights[k] for k in good)
    assert value == near(right / sum(weights), rel=1e-5)
    wrong = sum(weights[k] for k in range(classes) if k not in good)
    assert odds == near(math.log(right / wrong), rel=1e-4, abs=1e-4)


def mlp():
    """Two states through a layer, ReLU, and a layer: the second state's first unit is cut to 0."""
    return {
        "score.0.weight": torch.tensor([[1.0, 2.0], [0.0, -1.0], [1.0, 1.0]]),
        "score.0.bias": torch.tensor([0.5, 0.0, -3.0]),
        "score.2.weight": torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 4.0]]),
        "score.2.bias": torch.tensor([0.0, 0.25]),
    }


TWO_LAYERS = Reading(layers=("score.0", "score.2"))


def test_layers_have_relu_between_them_and_none_behind():
    """State (1, 2): hidden (5.5, -2, 0) -> (5.5, 0, 0) -> (5.5, 11.25).
    State (-3, 1): hidden (-.5, -1, -5) -> 0 -> (0, .25). State (4, 0): hidden (4.5, 0, 1) ->
    (3.5, 13.25). State (-1, -1): hidden (-2.5, 1, -5) -> (0, 1, 0) -> (0, 1.25)."""
    head = layers_head(TWO_LAYERS, mlp())
    states = torch.tensor([[1.0, 2.0], [-3.0, 1.0], [4.0, 0.0], [-1.0, -1.0]])
    assert head.width == 2
    assert head(states).tolist() == [[[5.5, 11.25], [0.0, 0.25], [3.5, 13.25], [0.0, 1.25]]]


def test_an_ensemble_keeps_its_heads_apart():
    """Weights (E, in, out): head 0 adds the two numbers, head 1 takes the second thrice."""
    weight = torch.tensor([[[1.0], [1.0]], [[0.0], [3.0]]])
    bias = torch.tensor([[10.0], [-1.0]])
    reading = Reading(layers=("heads",), link="raw", classes=1)
    head = layers_head(reading, {"heads.weight": weight, "heads.bias": bias})
    states = torch.tensor([[1.0, 2.0], [5.0, 0.0]])
    assert head.width == 2
    assert head(states).tolist() == [[[13.0], [15.0]], [[5.0], [-1.0]]]
    assert link(head(states), reading) == [Read(9.0, None), Read(7.0, None)]


def test_an_ensemble_may_stand_on_a_common_layer():
    tensors = {
        "common.weight": torch.tensor([[1.0, 0.0], [0.0, -1.0]]),
        "heads.weight": torch.tensor([[[1.0], [1.0]], [[0.0], [3.0]]]),
    }
    reading = Reading(layers=("common", "heads"), link="raw", classes=1)
    head = layers_head(reading, tensors)
    assert head(torch.tensor([[2.0, -5.0]])).tolist() == [[[7.0]], [[15.0]]]


def test_a_head_comes_back_under_its_names():
    assert layers_head(TWO_LAYERS, mlp()).tensors(TWO_LAYERS).keys() == mlp().keys()
    for name, one in layers_head(TWO_LAYERS, mlp()).tensors(TWO_LAYERS).items():
        assert torch.equal(one, mlp()[name])


def test_heads_compute_in_fp32_whatever_they_are_given():
    """In bf16, 4.5 + 2^-7 and 4.5 are one number."""
    weight = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.bfloat16)
    states = torch.tensor([[4.5, 2**-7]], dtype=torch.bfloat16)
    logits = Head(((weight, torch.tensor([0.0, 0.0], dtype=torch.bfloat16)),))(states)
    assert logits.dtype == torch.float32
    assert logits.tolist() == [[[4.5 + 2**-7, 4.5]]]


def changed(**tensors):
    return {
        **mlp(),
        **{name.replace("_", ".", 1).replace("_", ".", 1): one for name, one in tensors.items()},
    }


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"score_2_weight": None}, r"no score\.2\.weight, which the score needs"),
        (
            {"score_0_weight": torch.ones(4, 2)},
            r"score\.0, score\.2 do not fit: \[\(4, 2\), \(2, 3",
        ),
        ({"score_2_weight": torch.ones(3)}, "do not fit"),
        ({"score_2_weight": torch.ones(1, 1, 2, 3)}, "do not fit"),
        ({"score_2_weight": torch.ones(3, 3)}, r"the layer score\.2 gives 3 numbers, .* says 2"),
        ({"score_2_weight": torch.ones(5, 3, 1)}, r"the layer score\.2 gives 1 numbers"),
    ],
)
def test_layers_that_do_not_fit_are_refused(tensors, reason):
    given_ones = {name: one for name, one in changed(**tensors).items() if one is not None}
    with pytest.raises(ContractError, match=reason):
        layers_head(TWO_LAYERS, given_ones)


SIZES = {
    "vocab_size": 600,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MODELS = {
    "qwen2": {},
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 2.0},
    "cohere": {"logit_scale": 0.125},
    "granite": {"logits_scaling": 4.0},
    "phi": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
}


def language_model(name, **more):
    before = their_logging.get_verbosity()
    their_logging.set_verbosity(logging.CRITICAL)
    try:
        config = CONFIG_MAPPING[name](**{**SIZES, **MODELS.get(name, {}), **more})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(config).eval()
            if name == "phi":
                nn.init.normal_(model.lm_head.bias)
            return model
    finally:
        their_logging.set_verbosity(before)


@torch.no_grad()
def both(model):
    """Final states and full logits of some text."""
    ids = torch.arange(3, 40)[None]
    return model.base_model(input_ids=ids).last_hidden_state[0], model(input_ids=ids).logits[0]


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_two_tokens_give_the_models_own_logits(name):
    model = language_model(name)
    states, logits = both(model)
    head = tokens_head(Reading(head="tokens", tokens=("-", "+")), model, [7, 123])
    found = head(states)
    assert found.shape == (1, 37, 2)
    assert torch.allclose(found[0], logits[:, [7, 123]], atol=1e-5)
    check_logits(model, head, [7, 123])
    with pytest.raises(ContractError, match="makes its logits otherwise than a linear head"):
        check_logits(model, head, [123, 7])


MEAN = Reading(head="vocabulary-mean", link="sigmoid", classes=1)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "gemma2"])
def test_the_mean_of_the_vocabulary_is_that_of_all_logits(name):
    model = language_model(name)
    states, logits = both(model)
    head = tokens_head(MEAN, model, [])
    check_logits(model, head, [])
    assert torch.allclose(head(states)[0, :, 0], logits.mean(-1), atol=1e-5)
    reads = link(head(states), MEAN)
    assert [one.value for one in reads] == near(torch.sigmoid(logits.mean(-1)).tolist(), abs=1e-6)


def test_the_mean_of_bent_logits_is_refused():
    with pytest.raises(ContractError, match="a Gemma2ForCausalLM bends its logits"):
        tokens_head(MEAN, language_model("gemma2"), [])


def test_logits_that_are_made_otherwise_are_refused():
    """A model whose forward does something to its logits that no setting tells of."""
    model = language_model("qwen2")
    head = tokens_head(Reading(head="tokens", tokens=("-", "+")), model, [7, 123])
    check_logits(model, head, [7, 123])
    model.register_forward_hook(
        lambda *args: SimpleNamespace(logits=args[-1].logits + torch.arange(600.0))
    )
    with pytest.raises(ContractError, match="a Qwen2ForCausalLM makes its logits otherwise"):
        check_logits(model, head, [7, 123])


@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities_are_those_of_the_full_softmax(name, monkeypatch):
    model = language_model(name)
    states, logits = both(model)
    ids = torch.arange(4, 41)
    wanted = torch.log_softmax(logits.double(), -1).gather(1, ids[:, None])[:, 0]
    for rows in (5, 256):
        monkeypatch.setattr("surefoot.models.heads._ROWS", rows)
        with torch.no_grad():
            assert torch.allclose(token_log_probs(model, states, ids).double(), wanted, atol=1e-5)


TAG = Template(prompt="{problem}\n", step="{step}{cut}<extra_0>{slot}")
BAD = 30.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", ["layers", "tokens"])
def test_two_surely_wrong_steps_get_two_scores_near_0(dtype, kind):
    """Others read two classes of two tags as one score of 1.0, from the numbers [1, 0], [1, 0]."""
    model = language_model("qwen2", vocab_size=len(qwen()), tie_word_embeddings=False).to(dtype)
    state = torch.randn(32, generator=torch.Generator().manual_seed(0))
    model.model.norm.register_forward_hook(lambda *args: state.to(dtype).expand_as(args[-1]))
    rows = torch.stack([state, -state]) * (BAD / float(state @ state) / 2)
    if kind == "layers":
        reading, head = Reading(), Head(((rows.to(dtype), None),))
    else:
        reading, head = Reading(head="tokens", tokens=("<->", "<+>")), None
        ids = qwen().convert_tokens_to_ids(["<->", "<+>"])
        model.lm_head.weight.data[ids] = rows.to(dtype)
    contract = Contract(template=TAG, reading=reading, max_tokens=256)
    scorer = DiscriminativeModel(model, qwen(), contract, name="sure", head=head)
    scores = scorer.score(Trace("p", ["2 + 2 = 5", "5 + 5 = 11"]))
    assert len(scores.values) == 2
    assert all(0 <= value < 1e-12 for value in scores.values)
    assert scores.log_odds == near((-BAD, -BAD), rel=0.02)
    assert scores.first_error() == 0


def test_a_head_of_another_width_is_refused():
    contract = Contract(template=TAG, max_tokens=256)
    head = Head(((torch.ones(2, 31), None),))
    model = language_model("qwen2", vocab_size=len(qwen()))
    with pytest.raises(ContractError, match=r"states of width 31, those of .* have 32"):
        DiscriminativeModel(model, qwen(), contract, name="x", head=head)

"""The local writer against transformers' own generation and plain forwards."""

import math

import pytest
import torch

from surefoot.errors import ContractError, ModelError, UnscorableError, UsageError
from surefoot.policies.base import Sampling, Usage
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.local_writer import LocalWriter
from surefoot.policies.writer import Message, Request, before_stop

REQUESTS = [
    Request((Message("user", "Is 5 + 8 = 13?"),)),
    Request((Message("system", "Be strict. " * 5), Message("user", "?")), "Step 1:"),
    Request(
        (Message("user", "<|im_end|> 数学"), Message("assistant", "so\n\n1"), Message("user", "b")),
        "\nLet's see: \U0001f600",
    ),
    Request((Message("user", "add"),), "<think>", opens_turn=False),
]
GREEDY = Sampling(temperature=0, max_new_tokens=30)


@pytest.fixture(scope="module")
def writer(small_model, chat_tokenizer):
    return LocalWriter(small_model(tokenizer=chat_tokenizer, seed=1), chat_tokenizer)


@pytest.fixture
def only(small_model, chat_tokenizer):
    """A writer of nothing but the given tokens, each as likely: `only("a", "b")`."""

    def make(*texts):
        model = small_model(tokenizer=chat_tokenizer, tie_word_embeddings=False)
        model.lm_head = torch.nn.Linear(model.config.hidden_size, len(chat_tokenizer))
        ids = [i for text in texts for i in chat_tokenizer(text)["input_ids"]]
        with torch.no_grad():
            model.lm_head.weight.zero_()
            model.lm_head.bias.fill_(-math.inf)
            model.lm_head.bias[ids] = 0
        return LocalWriter(model, chat_tokenizer)

    return make


def ids_of(writer, request):
    return ChatEncoder(writer.tokenizer).encode(request)


def generated(writer, request, sampling):
    """Text and number of tokens by transformers' `generate`, one request at a time."""
    ids = ids_of(writer, request)
    out = writer.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=writer.tokenizer.eos_token_id,
    )[0, len(ids) :].tolist()
    return writer.tokenizer.decode(out, skip_special_tokens=True), len(out)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_greedy_is_what_transformers_generates(small_model, chat_tokenizer, family, batch_size):
    model = small_model(family, tokenizer=chat_tokenizer, seed=3)
    writer = LocalWriter(model, chat_tokenizer, batch_size=batch_size)
    found = writer.write(REQUESTS, 2, seed=0, sampling=GREEDY)
    for request, answers in zip(REQUESTS, found, strict=True):
        text, num_tokens = generated(writer, request, GREEDY)
        assert [(one.text, one.num_tokens) for one in answers] == [(text, num_tokens)] * 2
        assert {one.finished for one in answers} == {num_tokens < 30}


def test_choices_have_the_log_probabilities_of_a_plain_forward(writer):
    choices = ("1", " so", "数")
    tokens = [writer.tokenizer(one)["input_ids"][0] for one in choices]
    writer.usage = Usage()
    found = writer.choose(REQUESTS, choices)
    for request, odds in zip(REQUESTS, found, strict=True):
        with torch.no_grad():
            logits = writer.model(torch.tensor([ids_of(writer, request)])).logits[0, -1]
        expected = logits.double().log_softmax(-1)[tokens].tolist()
        assert odds.logprobs == pytest.approx(expected, abs=1e-4)
        assert odds.num_estimated == 0
    read = sum(len(ids_of(writer, one)) for one in REQUESTS)
    assert writer.usage == Usage(prompt_tokens=read, new_tokens=0, calls=1)


def test_positions_begin_with_each_prompt_and_not_with_its_padding(chat_tokenizer):
    """A model with learned positions, which does not see how far apart tokens are but where."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=len(chat_tokenizer),
        n_positions=256,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        eos_token_id=chat_tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        writer = LocalWriter(transformers.GPT2LMHeadModel(config), chat_tokenizer)
    found = writer.write(REQUESTS, 1, seed=0, sampling=GREEDY)
    odds = writer.choose(REQUESTS, ("1", " so"))
    for request, (one,), two in zip(REQUESTS, found, odds, strict=True):
        assert (one.text, one.num_tokens) == generated(writer, request, GREEDY)
        (alone,) = writer.choose([request], ("1", " so"))
        assert two.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_a_choice_does_not_depend_on_what_else_is_asked(writer):
    together = writer.choose(REQUESTS, ("1", "2"))
    writer.batch_size = 1
    alone = [writer.choose([one], ("1", "2"))[0] for one in REQUESTS]
    writer.batch_size = 64
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_an_answer_depends_on_request_and_seed_alone(writer):
    sampling = Sampling(max_new_tokens=15)
    together = writer.write(REQUESTS, 3, seed=7, sampling=sampling)
    for request, answers in zip(REQUESTS, together, strict=True):
        assert writer.write([request], 3, seed=7, sampling=sampling) == [answers]
        assert writer.write([request], 1, seed=7, sampling=sampling) == [answers[:1]]
        assert len({*answers}) == 3
    assert writer.write([REQUESTS[0]] * 2, 1, seed=7, sampling=sampling) == [together[0][:1]] * 2
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert writer.write(REQUESTS, 3, seed=8, sampling=sampling) != together
    assert torch.equal(torch.get_rng_state(), state)
    other = Request(REQUESTS[0].messages, draw=1)
    assert writer.write([other], 1, seed=7, sampling=sampling)[0] != together[0][:1]


@pytest.mark.parametrize("stop", [("b",), ("ab",), ("ba", "bb"), ("1ab",), ("b1a1b", "1a1b1")])
def test_an_answer_ends_before_a_stop_text(only, stop):
    """Every token is one letter here, so the stop text is over with the last token."""
    writer, sampling = only("a", "b", "1"), Sampling(max_new_tokens=200)
    request = Request((Message("user", "ab"),), "1a1b", stop)
    (found,) = writer.write([request], 40, seed=0, sampling=sampling)
    stopped = [one for one in found if one.finished]
    assert len(stopped) > 5
    assert {one.num_tokens - len(one.text) for one in stopped} == {len(stop[0])}
    assert not any(text in one.text for one in found for text in stop)
    assert all(one.num_tokens == len(one.text) == 200 for one in found if not one.finished)


def test_a_stop_text_may_be_letters_of_several_tokens(only):
    writer, sampling = only("a", "数"), Sampling(max_new_tokens=200)
    request = Request((Message("user", "ab"),), stop=("数",))
    (found,) = writer.write([request], 40, seed=0, sampling=sampling)
    stopped = [one for one in found if one.finished]
    assert len(stopped) > 5
    assert not any("数" in one.text for one in found)
    assert all(one.num_tokens == 200 for one in found if not one.finished)


def test_each_request_has_its_own_stop_texts(only):
    writer = only("a", "b")
    requests = [Request((Message("user", "x"),), stop=stop) for stop in ((), ("a",), ("b",))]
    sampling = Sampling(max_new_tokens=12)
    free, no_a, no_b = writer.write(requests, 4, seed=0, sampling=sampling)
    assert {(one.num_tokens, one.finished) for one in free} == {(12, False)}
    assert all({*one.text} <= {"b"} for one in no_a)
    assert all({*one.text} <= {"a"} for one in no_b)


def test_special_tokens_are_not_shown_and_end_or_not(only):
    writer = only("<pad>")
    ((one,),) = writer.write(REQUESTS[:1], 1, seed=0, sampling=Sampling(max_new_tokens=3))
    assert (one.text, one.num_tokens, one.finished) == ("", 3, False)
    writer = only("<|im_end|>")
    ((one,),) = writer.write(REQUESTS[:1], 1, seed=0)
    assert (one.text, one.num_tokens, one.finished) == ("", 1, True)
    writer = only("<think>")
    ((one,),) = writer.write(REQUESTS[:1], 1, seed=0, sampling=Sampling(max_new_tokens=2))
    assert one.text == "<think><think>"


def test_the_first_space_of_an_answer_is_kept():
    """A decoder that takes the space off the beginning of whatever it is given."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = ["<unk>", "<end>", "▁", *"asuertin:", "▁a"]
    backend = Tokenizer(models.BPE({t: i for i, t in enumerate(letters)}, [("▁", "a")]))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    tokenizer.chat_template = "{{ messages[0].content }}:"
    config = transformers.LlamaConfig(
        vocab_size=len(letters),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    model = transformers.LlamaForCausalLM(config)
    model.lm_head = torch.nn.Linear(8, len(letters))
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.fill_(-9.0)
        model.lm_head.bias[letters.index("▁a")] = 9.0
    writer = LocalWriter(model, tokenizer)
    request = Request((Message("user", "as"),))
    sampling = Sampling(temperature=0, max_new_tokens=2)
    assert writer.write([request], 1, seed=0, sampling=sampling)[0][0].text == " a a"
    assert ChatEncoder(tokenizer).first_tokens([" a", "a"]) == [
        letters.index("▁a"),
        letters.index("a"),
    ]


def test_usage_counts_every_token_read_and_written(writer):
    writer.usage, writer.batch_size = Usage(), 4
    found = writer.write(REQUESTS, 2, seed=0, sampling=GREEDY)
    writer.batch_size = 64
    read = sum(len(ids_of(writer, one)) for one in REQUESTS)
    new = sum(one.num_tokens for answers in found for one in answers)
    assert writer.usage == Usage(prompt_tokens=read, new_tokens=new, calls=2)
    assert writer.write([], 1, seed=0) == writer.choose([], ("1", "2")) == []


def test_the_models_last_position_ends_an_answer(small_model, chat_tokenizer):
    request = Request((Message("user", "a"),))
    length = len(ChatEncoder(chat_tokenizer).encode(request))
    model = small_model(tokenizer=chat_tokenizer, max_position_embeddings=length + 2)
    with torch.no_grad():
        model.lm_head.weight[chat_tokenizer.eos_token_id] = 0
    writer = LocalWriter(model, chat_tokenizer, name="small")
    ((one,),) = writer.write([request], 1, seed=0, sampling=Sampling(temperature=0))
    assert (one.num_tokens, one.finished) == (2, False)
    full, longer = (Request(request.messages, text) for text in ("11", "111"))
    assert writer.choose([full], ("1", "2"))[0] is not None
    with pytest.raises(UnscorableError, match=f"has {length + 3} tokens, and it has {length + 2}"):
        writer.choose([request, longer], ("1", "2"))
    before = Usage(**{name: getattr(writer.usage, name) for name in Usage.__slots__})
    with pytest.raises(UnscorableError, match="what small is to answer has"):
        writer.write([request, full], 1, seed=0)
    assert writer.usage == before, "nothing is written before all are known to fit"


def test_it_is_loaded_from_a_folder(small_model, chat_tokenizer, tmp_path):
    model = small_model(tokenizer=chat_tokenizer, seed=1)
    model.save_pretrained(tmp_path / "critic")
    chat_tokenizer.save_pretrained(tmp_path / "critic")
    loaded = LocalWriter.load(tmp_path / "critic", batch_size=3)
    assert (loaded.name, loaded.batch_size) == ("critic", 3)
    fresh = LocalWriter(model, chat_tokenizer, batch_size=3)
    assert loaded.write(REQUESTS, 1, seed=0, sampling=GREEDY) == fresh.write(
        REQUESTS, 1, seed=0, sampling=GREEDY
    )
    with pytest.raises(ModelError, match=r"no config\.json"):
        LocalWriter.load(tmp_path)


def test_a_tokenizer_without_template_or_end_is_refused(
    small_model, small_tokenizer, chat_tokenizer
):
    from transformers import PreTrainedTokenizerFast

    with pytest.raises(ContractError, match="no chat template"):
        LocalWriter(small_model(), small_tokenizer)
    bare = PreTrainedTokenizerFast(
        tokenizer_object=chat_tokenizer.backend_tokenizer,
        chat_template=chat_tokenizer.chat_template,
    )
    with pytest.raises(ModelError, match="no end-of-text token"):
        LocalWriter(small_model(), bare)


def test_what_a_writer_cannot_do_is_refused(writer):
    with pytest.raises(UsageError, match="n is 0"):
        writer.write(REQUESTS, 0, seed=0)
    with pytest.raises(UsageError, match="does not know what a step is"):
        writer.write(REQUESTS, 1, seed=0, sampling=Sampling(max_new_steps=1))
    with pytest.raises(ContractError, match="apart"):
        writer.choose(REQUESTS, ("1", "1 2"))


def test_the_first_stop_text_counts():
    assert before_stop("a</b>c<d>", ["<d>", "</b>"]) == "a"
    assert before_stop("abc", ["d"]) is None
    assert before_stop("abc", []) is None

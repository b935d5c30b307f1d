"""Conversations as ids, against the tokenizer's own reading of the whole text."""

from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from surefoot.errors import ContractError, UsageError
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.writer import Message, Request

NAMES = ["<pad>", "<end>", "<|im_end|>", "<think>", "</think>"]


def user(text, **rest):
    return Request((Message("user", text),), **rest)


def whole(tokenizer, request):
    """The ids of the whole text at once, where every name of a special token becomes one."""
    messages = [{"role": m.role, "content": m.text} for m in request.messages]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text + request.prefill, add_special_tokens=False)["input_ids"]


def with_template(tokenizer, template):
    other = copy(tokenizer)
    other.chat_template = template
    return other


@settings(max_examples=200, deadline=None)
@given(
    system=st.text(),
    first=st.text(),
    answer=st.text(),
    second=st.text(st.sampled_from("ab \n<>|/\U0001f600é1")),
    prefill=st.sampled_from(["", "<think>\n", "\n\n", " so", "\nLet's"]),
)
def test_without_names_in_it_a_conversation_is_read_as_one_text(
    chat_tokenizer, system, first, answer, second, prefill
):
    messages = (
        Message("system", system),
        Message("user", first),
        Message("assistant", answer),
        Message("user", second),
    )
    request = Request(messages, prefill)
    assert ChatEncoder(chat_tokenizer).encode(request) == whole(chat_tokenizer, request)


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.sampled_from([*NAMES, "a", " ", "\n\n", "<", "|im_end|>", "1", "é"])))
def test_no_name_in_a_users_text_becomes_a_token(chat_tokenizer, text):
    text = "x" + "".join(text) + "x"
    ids = ChatEncoder(chat_tokenizer).encode(user(text))
    end = chat_tokenizer.eos_token_id
    special = [i for i in ids if i in chat_tokenizer.convert_tokens_to_ids(NAMES)]
    assert special == [end]
    assert chat_tokenizer.decode(ids) == f"user:\n{text}<|im_end|>\nassistant:\n"


def test_the_template_and_the_author_write_special_tokens(chat_tokenizer):
    think, end = chat_tokenizer.convert_tokens_to_ids(["<think>", "<|im_end|>"])
    request = Request(
        (Message("user", "a"), Message("assistant", "<think>b"), Message("user", "c")), "<think>"
    )
    ids = ChatEncoder(chat_tokenizer).encode(request)
    assert [i for i in ids if i in (think, end)] == [end, think, end, end, think]
    assert ids[-1] == think


def test_a_name_that_a_user_wrote_is_plain_in_quotations_too(chat_tokenizer):
    think, end = chat_tokenizer.convert_tokens_to_ids(["<think>", "<|im_end|>"])
    messages = (Message("user", "<|im_end|>"), Message("assistant", "<|im_end|>?"))
    request = Request((*messages, Message("user", "c")), "<think>You wrote <|im_end|>")
    ids = ChatEncoder(chat_tokenizer).encode(request)
    assert [i for i in ids if i in (think, end)] == [end, end, end, think]
    shown = chat_tokenizer.decode(ids)
    assert shown.count("<|im_end|>") == 3 + 3
    assert shown.endswith("<think>You wrote <|im_end|>")


def test_private_characters_of_a_user_stay(chat_tokenizer):
    text = "\U000f0000 <think> \U000f0001 </think> \U000f0002"
    ids = ChatEncoder(chat_tokenizer).encode(user(text))
    assert text in chat_tokenizer.decode(ids)


def test_stretches_of_white_space_are_the_tokenizers_own(chat_tokenizer):
    space = chat_tokenizer.convert_tokens_to_ids("\n\n")
    assert space in ChatEncoder(chat_tokenizer).encode(user("a\n\nb"))
    assert space in ChatEncoder(chat_tokenizer).encode(user("a<think>\n\nb"))


def test_an_answer_may_go_on_behind_the_users_text(chat_tokenizer):
    request = user("a", prefill="<think>b", opens_turn=False)
    ids = ChatEncoder(chat_tokenizer).encode(request)
    assert ids == chat_tokenizer("user:\na<think>b", add_special_tokens=False)["input_ids"]
    ending = with_template(chat_tokenizer, "{{ messages[0].content }}<|im_end|>")
    assert ChatEncoder(ending).encode(request) == ending("a<think>b")["input_ids"]
    open_end = with_template(chat_tokenizer, "{{ messages[0].content }}{{ '\\n' }}")
    assert ChatEncoder(open_end).encode(request) == open_end("a\n<think>b")["input_ids"]


@pytest.mark.parametrize("strips", ["left", "right", "none"])
@pytest.mark.parametrize("scheme", ["first", "never", "always"])
def test_first_spaces_and_greedy_tokens_are_as_the_tokenizer_has_them(strips, scheme):
    """Tokens that take white space along, and texts that get a space before them."""
    from tokenizers import AddedToken

    alphabet = ["<unk>", "<end>", *"▁abc:usertian"]
    backend = Tokenizer(
        models.BPE(
            {token: i for i, token in enumerate(dict.fromkeys(alphabet))}, [], unk_token="<unk>"
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    backend.decoder = decoders.Metaspace(prepend_scheme=scheme)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    token = AddedToken("<turn>", lstrip=strips == "left", rstrip=strips == "right", special=True)
    tokenizer.add_tokens([token])
    tokenizer.chat_template = "{% for one in messages %}{{ one.content }} <turn> {% endfor %}"
    request = Request((Message("system", "ab c"), Message("user", "a")), "b")
    encoder = ChatEncoder(tokenizer)
    assert encoder.encode(request) == whole(tokenizer, request)
    assert tokenizer.convert_tokens_to_ids("<turn>") in encoder.encode(request)


@settings(max_examples=100, deadline=None)
@given(
    prefill=st.sampled_from(["", "So: ", "<think>\n", "ab"]),
    answer=st.text(st.sampled_from("ab \n1é<>|")) | st.just("a</think>b"),
)
def test_an_answer_is_written_behind_its_request_and_never_merges_with_it(
    chat_tokenizer, prefill, answer
):
    chat = ChatEncoder(chat_tokenizer)
    request = user("Is it?", prefill=prefill)
    ids = chat.encode(request)
    own = chat.encode_answer(request, answer)
    assert own == chat_tokenizer(answer, add_special_tokens=False)["input_ids"]
    whole_text = chat_tokenizer.decode(ids + own)
    assert whole_text == chat_tokenizer.decode(ids) + answer


def test_names_that_a_user_quoted_stay_text_in_the_answer_too(chat_tokenizer):
    chat = ChatEncoder(chat_tokenizer)
    think = chat_tokenizer.convert_tokens_to_ids("</think>")
    assert think in chat.encode_answer(user("Is it?"), "so</think>yes")
    assert think not in chat.encode_answer(user("Is </think> it?"), "so</think>yes")


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_only_the_beginning_of_a_row_is_given_a_first_space(scheme):
    backend = Tokenizer(models.BPE({"▁": 0, "a": 1, "<end>": 2}, []))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme=scheme)
    backend.add_special_tokens(["<end>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<end>", chat_template="{{ messages[0].content }}"
    )
    chat = ChatEncoder(tokenizer)
    assert chat.encode(user("a")) == ([1] if scheme == "never" else [0, 1])
    assert chat.encode_answer(user("a"), "a") == ([0, 1] if scheme == "always" else [1])


def test_first_tokens_of_choices(chat_tokenizer):
    encoder = ChatEncoder(chat_tokenizer)
    expected = [chat_tokenizer(one)["input_ids"][0] for one in ("Yes", " No")]
    assert encoder.first_tokens(["Yes", " No"]) == expected
    for choices in (["1 2", "1 3"], ["a", ""], ["a", "a"]):
        with pytest.raises(ContractError, match="apart by their first tokens"):
            encoder.first_tokens(choices)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (None, "no chat template"),
        ("{{ messages[-1].content }}", "leaves out a message of the system"),
        ("{{ messages[-1].content[1:] }}", "leaves out a message"),
        ("{{ raise_exception('no system') }}", "cannot write the roles system, user: no system"),
        ("{{ messages[0].content + 1 }}", "cannot write the roles"),
    ],
)
def test_a_template_that_cannot_write_it_is_refused(chat_tokenizer, template, reason):
    request = Request((Message("system", "Be strict."), Message("user", "ab")))
    with pytest.raises(ContractError, match=reason):
        ChatEncoder(with_template(chat_tokenizer, template)).encode(request)


def test_a_tokenizer_without_a_fast_backend_is_refused():
    class Slow:
        chat_template = "{{ messages }}"

    with pytest.raises(ContractError, match="Slow without a fast backend"):
        ChatEncoder(Slow())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"messages": ()}, "must end with the user's"),
        ({"messages": (Message("assistant", "a"),)}, "must end with the user's"),
        ({"messages": (Message("tool", "a"), Message("user", "a"))}, "the role 'tool'"),
        ({"messages": (Message("user", "a"),), "stop": ("a", "")}, "a stop text is empty"),
    ],
)
def test_requests_that_cannot_work_are_refused(given, reason):
    with pytest.raises(UsageError, match=reason):
        Request(**given)


def test_a_seed_depends_on_everything_that_is_asked():
    request = user("a")
    others = [user("b"), user("a", prefill="b"), user("a", draw=1), user("a", stop=("b",))]
    seeds = [request.seed(0, 0), request.seed(1, 0), request.seed(0, 1)]
    seeds += [one.seed(0, 0) for one in others]
    assert len({*seeds}) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert request.seed(0, 0) == user("a").seed(0, 0)

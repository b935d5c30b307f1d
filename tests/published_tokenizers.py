"""Small tokenizers that cut text, name special tokens and write chats as those of published models
do; their ids are their own."""

import json
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "Step 1: add 8. 5 + 8 = 13, so the last digit is 3.\n\nStep 2: x = 7\nQuestion: Problem Answer",
    "a ки\nb ки\nc ки +\n- + - и\n\n # Solution assistant user system correct incorrect",
    "assistant\nuser\nsystem\ncorrect\nincorrect\n\n+",
    "done. \n\n\n\nthen. \n\n\n\nnext \n\n\n\n\n last \n\n\n\n\n",
] * 4

CUTS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen's and Llama 3's tokenizers cut text before merging (numbers aside)."""

QWEN_CHAT = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Qwen.<|im_end|>\n{% endif %}"
    "{% for one in messages %}<|im_start|>{{ one.role }}\n{{ one.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

LLAMA_CHAT = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set told = messages[0].content | trim %}{% set rest = messages[1:] %}"
    "{% else %}{% set told = '' %}{% set rest = messages %}{% endif %}"
    "<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n{{ told }}<|eot_id|>"
    "{% for one in rest %}<|start_header_id|>{{ one.role }}<|end_header_id|>\n\n"
    "{{ one.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


@cache
def qwen():
    """Bytes, ChatML with a default system message, no begin token, and the tags that Qwen's
    children add."""
    tags = ["<extra_0>", "<extra_1>", "<extra>", "<+>", "<->", "[PRM]"]
    return _bytes(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *tags],
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        chat_template=QWEN_CHAT,
    )


@cache
def llama3():
    """Bytes, a begin token that the tokenizer adds, turns that are trimmed."""
    headers = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = _bytes(
        ["<|begin_of_text|>", *headers],
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        chat_template=LLAMA_CHAT,
    )
    _add_begin(tokenizer.backend_tokenizer, "<|begin_of_text|>")
    return tokenizer


@cache
def llama2():
    """Pieces with a space mark and bytes for what they lack, such as line ends; a begin token that
    the tokenizer adds."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
    )
    words = [word for text in TEXTS for word in text.replace("\n", " ").split(" ")]
    tokenizer.train_from_iterator(words, trainer)
    settings = json.loads(tokenizer.to_str())
    vocabulary = settings["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    tokenizer.decoder = decoders.Metaspace()
    _add_begin(tokenizer, "<s>")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def _bytes(special, **names):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CUTS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _add_begin(tokenizer, token):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A $B",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def with_ids(tokenizer, ids):
    """The same tokenizer with some of its tokens, named by their text, under other ids."""
    settings = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = settings["model"]["vocab"]
    for text, new in ids.items():
        (token,) = tokenizer.tokenize(text)
        for other, taken in vocabulary.items():
            if taken == new:
                vocabulary[other] = vocabulary[token]
        vocabulary[token] = new
    for added in settings["added_tokens"]:
        added["id"] = vocabulary[added["content"]]
    for token, one in ((settings["post_processor"] or {}).get("special_tokens") or {}).items():
        one["ids"] = [vocabulary[token]]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(settings)),
        chat_template=tokenizer.chat_template,
        **tokenizer.special_tokens_map,
    )

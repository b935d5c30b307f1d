"""Rows are what the tokenizer makes of the text, and slots are where their steps were laid.

Everything is compared with the stock tokenizer on whole texts or on the pieces between cuts.
"""

import copy
import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import trainers as learners
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from published_tokenizers import TEXTS, llama2, llama3, qwen
from surefoot.errors import ContractError, UnscorableError
from surefoot.models.contract import Contract, Reading
from surefoot.models.render import (
    Renderer,
    Text,
    check_tokenizer,
    fits,
    probe_of,
    render,
    text_of,
    too_long,
)
from surefoot.models.template import Template
from surefoot.traces.types import Step, Trace


@cache
def pieces(kind):
    """Pieces with a space mark and bytes for what they lack; spaces are put before text as in old
    files of Llama 2, or as a setting of the pre-tokenizer says."""
    learned = Tokenizer(models.BPE())
    special = ["<unk>", "<s>", "</s>"]
    words = ["▁" + word for text in TEXTS for word in text.replace("\n", " ").split(" ")]
    learned.train_from_iterator(
        words, learners.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if kind == "legacy":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind, split=False)
    settings, source = json.loads(tokenizer.to_str()), json.loads(learned.to_str())
    settings["added_tokens"] = source["added_tokens"]
    settings["model"] |= {name: source["model"][name] for name in ("vocab", "merges")}
    vocabulary = settings["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def unigram():
    """T5's kind: characters are normalised first, so that offsets and lengths part ways."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    trainer = learners.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def white():
    """Tokens for stretches of white space beside those for tags, as in Gemma's and Phi's."""
    tokenizer = copy.deepcopy(qwen())
    tokenizer.add_tokens(["\n\n", "  ", " \n"])
    return tokenizer


KINDS = {
    "qwen": qwen,
    "white space": white,
    "llama3": llama3,
    "llama2": llama2,
    "pieces, first": lambda: pieces("first"),
    "pieces, always": lambda: pieces("always"),
    "pieces, never": lambda: pieces("never"),
    "pieces, legacy": lambda: pieces("legacy"),
    "unigram": unigram,
}


def user_text(kind, text):
    """User text to be compared with what the stock tokenizer writes. A unigram model finds special
    tokens in it even if it is told not to, so there they are left out."""
    names = ("<s>", "</s>", "<unk>") if kind == "unigram" else ()
    for name in names:
        text = text.replace(name, "")
    return text or "a"


every_kind = pytest.mark.parametrize("kind", KINDS)

NAMES = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>", "<extra>", "<+>", "<->", "[PRM]"),
    *("<|begin_of_text|>", "<|eot_id|>", "<s>", "</s>", "<unk>", "<0x0A>", "▁"),
    *("{slot}", "{step}", "{cut}", "{bos}", " ки", " ки\n", "\n\n\n\n\n", "+", "Step 1: "),
]
PLAIN = [
    *"ab1.,: \n\t",
    "Step",
    "é",
    "e\u0301",
    "\u0301",
    "数学",
    "\U0001f600",
    "ﬁ",
    "\r\n",
    "\u2028",
]
user = st.lists(st.sampled_from(NAMES + PLAIN), min_size=1, max_size=8).map("".join)
tame = st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8).map("".join)
some_steps = st.lists(user, min_size=1, max_size=5)
quick = settings(max_examples=40, deadline=None)


def plain(tokenizer, text):
    """Ids of text in which nothing is a special token."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def row_of(template, tokenizer, problem, steps, **rest):
    ((row,),) = Renderer(template, tokenizer)([Text(problem, tuple(steps), **rest)])
    return row


CUTS = Template(prompt="{problem}{cut}\n\n{cut}", step="{step}{cut} ки\n{slot}{cut}")


@every_kind
@quick
@given(problem=user, steps=some_steps)
def test_between_cuts_every_piece_is_by_itself(kind, problem, steps):
    tokenizer = KINDS[kind]()
    problem, *steps = (user_text(kind, text) for text in (problem, *steps))
    wanted = plain(tokenizer, problem) + plain(tokenizer, "\n\n")
    start, slots = len(wanted), []
    for step in steps:
        wanted += plain(tokenizer, step) + plain(tokenizer, " ки\n")
        slots.append(len(wanted) - 1)
    row = row_of(CUTS, tokenizer, problem, steps)
    assert (row.ids, row.slots, row.start, row.merged) == (wanted, slots, start, ())
    assert row.steps == tuple(range(len(steps)))


@every_kind
@quick
@given(problem=user, steps=some_steps)
def test_without_cuts_the_text_is_tokenised_as_a_whole(kind, problem, steps):
    """A slot is at the last token that begins before it; the stock offsets say which."""
    tokenizer = KINDS[kind]()
    problem, *steps = (user_text(kind, text) for text in (problem, *steps))
    text, ends = problem + "\n", []
    for step in steps:
        text += step + " ки"
        ends.append(len(text))
        text += " - "
    whole = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    row = row_of(
        Template(prompt="{problem}\n", step="{step} ки{slot} - "), tokenizer, problem, steps
    )
    assert row.ids == whole["input_ids"]
    offsets = whole["offset_mapping"]
    last = [max(i for i, (begin, _) in enumerate(offsets) if begin < end) for end in ends]
    assert row.slots == last
    assert row.slots == sorted({*row.slots})
    reaching = [i for i, end in enumerate(ends) if offsets[last[i]][1] > end]
    assert list(row.merged) == reaching


TAGS = {
    "qwen": ("<|im_start|>", "<extra_0>"),
    "white space": ("<|im_start|>", "<extra_0>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "unigram": ("<s>", "</s>"),
}


def tagged(kind):
    begin, tag = TAGS.get(kind, ("<s>", "</s>"))
    return begin, tag, Template(prompt=begin + "{problem} \n", step="{step}" + tag + "{slot}x")


@every_kind
@quick
@given(problem=tame, steps=st.lists(tame, min_size=1, max_size=5))
def test_special_tokens_of_a_template_are_those_of_the_whole_text(kind, problem, steps):
    tokenizer = KINDS[kind]()
    begin, tag, template = tagged(kind)
    text = f"{begin}{problem} \n" + "".join(f"{step}{tag}x" for step in steps)
    row = row_of(template, tokenizer, problem, steps)
    assert row.ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    tag_id = tokenizer.convert_tokens_to_ids(tag)
    assert row.slots == [i for i, one in enumerate(row.ids) if one == tag_id]


@every_kind
@quick
@given(problem=user, steps=some_steps)
def test_special_tokens_in_user_text_are_text(kind, problem, steps):
    tokenizer = KINDS[kind]()
    begin, tag, template = tagged(kind)
    row = row_of(template, tokenizer, problem, steps)
    names = {i: one.content for i, one in tokenizer.added_tokens_decoder.items()}
    special = {i for i, one in names.items() if i != tokenizer.unk_token_id and one.strip()}
    found = [i for i, one in enumerate(row.ids) if one in special]
    assert found == [0, *row.slots]
    assert row.ids[0] == tokenizer.convert_tokens_to_ids(begin)
    assert {row.ids[i] for i in row.slots} == {tokenizer.convert_tokens_to_ids(tag)}


def test_two_hundred_steps_in_many_scripts():
    steps = [f"Шаг {i}: 数{i} é\U0001f600 <extra_0>\n\n" for i in range(200)]
    row = row_of(Template(prompt="{problem}", step="{step}<extra_0>{slot}"), qwen(), "?", steps)
    tag = qwen().convert_tokens_to_ids("<extra_0>")
    assert len(row.slots) == 200
    assert row.slots == [i for i, one in enumerate(row.ids) if one == tag]
    assert qwen().decode(row.ids) == "?" + "".join(step + "<extra_0>" for step in steps)


@cache
def stripping():
    """Tokens that take the white space on their sides, as those of BERT and Phi do."""
    tokenizer = copy.deepcopy(qwen())
    sides = {"<left>": (True, False), "<right>": (False, True), "<both>": (True, True)}
    tokenizer.add_tokens(
        [
            AddedToken(name, lstrip=left, rstrip=right, special=True)
            for name, (left, right) in sides.items()
        ],
        special_tokens=True,
    )
    return tokenizer


SPACES = [" ", "\n", "\t", "\u00a0", "\u3000", "\x1c", "\x1f", "\x85"]
airy = st.lists(st.sampled_from([*SPACES, "a", "b."]), min_size=1, max_size=6).map("".join)


@settings(max_examples=200, deadline=None)
@given(problem=airy, steps=st.lists(airy, min_size=1, max_size=3))
def test_tokens_that_take_white_space_take_it(problem, steps):
    template = Template(
        prompt=" <both> {problem} <left> \n<right> ", step="{step} <left>{slot} <right>  "
    )
    text = f" <both> {problem} <left> \n<right> "
    text += "".join(f"{step} <left> <right>  " for step in steps)
    row = row_of(template, stripping(), problem, steps)
    assert row.ids == stripping()(text, add_special_tokens=False)["input_ids"]
    tag = stripping().convert_tokens_to_ids("<left>")
    assert row.slots == [i for i, one in enumerate(row.ids) if one == tag][1:]


def test_a_cut_keeps_the_white_space_beside_such_a_token():
    template = Template(prompt="{problem} {cut}<both>{cut} x", step="{step}{slot}")
    row = row_of(template, stripping(), "p", ["s"])
    tag = stripping().convert_tokens_to_ids("<both>")
    assert row.ids == [*plain(qwen(), "p "), tag, *plain(qwen(), " xs")]


MERGES = Template(prompt="{problem}\n", step="{step}{slot}", between="\n\n")
"""In the tokenizers of the qwen kind a full stop and line ends are one token."""


def test_a_slot_inside_a_token_is_refused():
    contract = Contract(template=MERGES)
    renderer = Renderer(MERGES, qwen())
    texts = [Text("p", ("a", "so 3.", "end."))]
    ((row,),) = renderer(texts)
    assert row.merged == (1,)
    assert qwen().convert_ids_to_tokens(row.ids[row.slots[1]]) == ".ĊĊ"
    with pytest.raises(
        UnscorableError, match=r"the token that ends step 1 reaches .*set a \{cut\}"
    ):
        render(texts, contract, renderer)
    cut = Contract(
        template=Template(prompt="{problem}\n", step="{step}{slot}{cut}", between="\n\n")
    )
    ((row,),) = render(texts, cut, Renderer(cut.template, qwen()))
    assert row.merged == ()
    summed = Reading(head="token-log-ratio", link="log-ratio")
    assert render(texts, Contract(template=MERGES, reading=summed), renderer) == renderer(texts)


def test_a_step_that_leaves_no_token_is_refused():
    tokenizer = stripping()
    template = Template(prompt="{problem}<both>", step="{step}{slot}<both>")
    with pytest.raises(UnscorableError, match="writes step 1 with no token"):
        row_of(template, tokenizer, "p", ["a", " \n", "b"])


PREFIXES = Template(
    prompt="{problem}\n", past="({step})", between=" ", step="[{n}: {step}]{slot}!", end=".{eos}"
)


@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_with_a_past_every_step_has_a_row(num_steps):
    steps = [f"s{i}" for i in range(num_steps)]
    (rows,) = Renderer(PREFIXES, qwen())([Text("p", tuple(steps))])
    for k, row in enumerate(rows):
        before = "".join(f"({step}) " for step in steps[:k])
        text = f"p\n{before}[{k + 1}: s{k}]"
        assert row.ids == [*plain(qwen(), text + "!."), qwen().eos_token_id]
        assert row.slots == [len(plain(qwen(), text)) - 1]
        assert row.steps == (k,)
        assert row.start == len(plain(qwen(), "p\n"))
    assert len(rows) == num_steps


SECOND = Template(
    prompt="{problem}\n",
    past="{step}\n",
    step="{step} A {slot}<extra>, B {slot}<extra>",
    second="{step} A {sign}, B {sign}, C {slot}<extra>",
)


def test_a_second_pass_shows_the_signs_of_the_first():
    renderer = Renderer(SECOND, qwen())
    text = Text("p", ("a", "b"))
    (first,) = renderer([text])
    tag = qwen().convert_tokens_to_ids("<extra>")
    for row in first:
        assert row.slots == [i - 1 for i, one in enumerate(row.ids) if one == tag]
        assert len(row.slots) == 2
    (second,) = renderer([text], signs=[("<+>", "<->"), ("<->", "<+>")])
    shown = ["p\na A <+>, B <->, C <extra>", "p\na\nb A <->, B <+>, C <extra>"]
    for row, wanted in zip(second, shown, strict=True):
        assert row.ids == qwen()(wanted, add_special_tokens=False)["input_ids"]
        assert row.slots == [len(row.ids) - 2]


@given(steps=st.lists(tame, min_size=2, max_size=5), data=st.data())
@quick
def test_reading_from_a_step_on_changes_no_token(steps, data):
    read_from = data.draw(st.integers(0, len(steps) - 1))
    template = Template(prompt="{problem}\n", step="{n} {step}{cut} ки{slot}{cut}", end="x")
    whole = row_of(template, qwen(), "p", steps)
    some = row_of(template, qwen(), "p", steps, read_from=read_from)
    assert (some.ids, some.start) == (whole.ids, whole.start)
    assert some.slots == whole.slots[read_from:]
    assert some.steps == tuple(range(read_from, len(steps)))
    (rows,) = Renderer(PREFIXES, qwen())([Text("p", tuple(steps))])
    (late,) = Renderer(PREFIXES, qwen())([Text("p", tuple(steps), read_from=read_from)])
    assert late == rows[read_from:]


def text_of_row(template, problem, steps, **rest):
    return qwen().decode(row_of(template, qwen(), problem, steps, **rest).ids)


def test_numbers_go_on_where_a_window_begins():
    template = Template(prompt="{problem}", step="\n{n}) {numbered}{slot}")
    found = text_of_row(template, "p", ["a", "Step 9: b", " step 3. c", "Steps: d"], first=6)
    wanted = ["p", "7) Step 7: a", "8) Step 9: b", "9)  step 3. c", "10) Step 10: Steps: d"]
    assert found == "\n".join(wanted)


def test_text_is_replaced_and_stripped_as_asked():
    replacing = {"replace": [("\n\n", "\n"), ("  ", " ")]}
    both = Template(prompt="{problem}|", step="{step}|{slot}", strip=True, **replacing)
    assert text_of_row(both, " p\n\nq ", ["\ta  b\n\n\nc \n"]) == "p\nq|a b\n\nc|"
    only = Template(prompt="{problem}|", step="{step}|{slot}", **replacing)
    assert text_of_row(only, " p ", ["\ta  b\n\n"]) == " p |\ta b\n|"
    order = Template(prompt="{problem}", step="{step}{slot}", replace=[("a", "b"), ("b", "c")])
    assert text_of_row(order, "a", ["ab"]) == "ccc"


def test_the_reference_is_shown_where_there_is_one():
    template = Template(prompt="{problem} [{reference}] ", step="{step}{slot}", no_reference="none")
    assert text_of_row(template, "p", ["s"], reference="<extra_0> 7") == "p [<extra_0> 7] s"
    assert text_of_row(template, "p", ["s"]) == "p [none] s"
    assert text_of_row(template, "p", ["s"], reference="") == "p [none] s"


def test_begin_and_end_tokens_are_left_out_where_a_tokenizer_has_none():
    template = Template(prompt="{bos}{problem}{cut} ", step="{step}{slot}{eos}")
    llama = llama3()
    text = "p"
    assert row_of(template, llama, text, ["s"]).ids == [
        llama.bos_token_id,
        *plain(llama, "p"),
        *plain(llama, " s"),
        llama.eos_token_id,
    ]
    assert qwen().bos_token is None
    assert row_of(template, qwen(), "p", ["s"]).ids == [
        *plain(qwen(), "p"),
        *plain(qwen(), " s"),
        qwen().eos_token_id,
    ]


def test_many_texts_at_once_are_as_one_by_one():
    texts = [Text("p", ("a", "b")), Text("q" * 50, ("c",)), Text("p", ("a", "b")), Text("p", ("",))]
    texts[3] = Text("p", ("a", "z"))
    for template in (CUTS, PREFIXES):
        renderer = Renderer(template, llama2())
        assert renderer(texts) == [renderer([text])[0] for text in texts]
    assert Renderer(CUTS, qwen())([]) == []


def test_ids_of_literal_text_know_special_tokens_and_no_marks():
    renderer = Renderer(Template(), qwen())
    assert renderer.ids_of("a<extra_0>{slot}") == [
        *plain(qwen(), "a"),
        qwen().convert_tokens_to_ids("<extra_0>"),
        *plain(qwen(), "{slot}"),
    ]
    assert renderer.ids_of("") == []


def test_a_tag_that_was_added_as_no_special_token_is_one_for_the_author_alone():
    tokenizer = copy.deepcopy(qwen())
    tokenizer.add_tokens(["<think>"])
    tag = tokenizer.convert_tokens_to_ids("<think>")
    assert tag in plain(tokenizer, "a<think>")
    row = row_of(
        Template(prompt="{problem}", step="{step}<think>{slot}"), tokenizer, "<think>", "a"
    )
    assert row.ids == [*plain(qwen(), "<think>a"), tag]


def test_longer_special_tokens_come_first():
    tokenizer = copy.deepcopy(qwen())
    tokenizer.add_special_tokens({"additional_special_tokens": ["<ab>", "<ab><c>", "[PRM"]})
    renderer = Renderer(Template(), tokenizer)
    for text in ("<ab><c>", "<ab><ab><c>x", "[PRM]", "[PRM x"):
        assert renderer.ids_of(text) == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_tokenizer_that_does_not_know_where_its_tokens_lie_is_refused():
    for make in (lambda: Renderer(Template(), ByT5Tokenizer()), lambda: probe_of(ByT5Tokenizer())):
        with pytest.raises(ContractError, match="a ByT5Tokenizer without a fast backend"):
            make()


def test_the_users_tokenizer_is_left_as_it_was():
    tokenizer = copy.deepcopy(llama3())
    before = tokenizer.backend_tokenizer.to_str()
    row_of(tagged("llama3")[2], tokenizer, "<|eot_id|>", ["<|eot_id|>"])
    assert tokenizer.backend_tokenizer.to_str() == before
    text = "a<|eot_id|>"
    assert tokenizer(text)["input_ids"] == llama3()(text)["input_ids"]
    assert tokenizer.eos_token_id in tokenizer(text)["input_ids"]


def test_a_tokenizer_that_was_told_to_cut_and_pad_does_neither():
    tokenizer = copy.deepcopy(qwen())
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    steps = ["a long step with many words"] * 3
    assert row_of(CUTS, tokenizer, "p", steps) == row_of(CUTS, qwen(), "p", steps)


def test_probes_differ_where_text_is_cut_differently():
    """Old files of Llama 2 put a space before what follows a special token, newer ones do not."""
    kinds = {kind: probe_of(make()) for kind, make in KINDS.items()}
    assert len({*kinds.values()}) == len(kinds) - 2
    assert kinds["white space"] != kinds["qwen"]
    assert kinds["llama2"] == kinds["pieces, first"] != kinds["pieces, legacy"]
    assert kinds["pieces, always"] == kinds["pieces, legacy"]
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in kinds.values())


def test_a_pinned_text_is_held_against_the_tokenizer():
    pinned = Contract(pinned={"<extra_0>": (3,), "[PRM]": ()}, probe=probe_of(qwen()))
    check_tokenizer(pinned, Renderer(pinned.template, qwen()))
    with pytest.raises(ContractError, match=r"'<extra_0>' as \[.*\], the contract says \[3\]"):
        check_tokenizer(pinned, Renderer(pinned.template, llama3()))
    one = Contract(pinned={"[PRM]": ()})
    with pytest.raises(ContractError, match=r"'\[PRM\]' as .* that it is one token"):
        check_tokenizer(one, Renderer(one.template, llama3()))


def test_an_observation_is_refused_and_a_reference_kept():
    trace = Trace("p", ["a", Step("b", observation={"seen": 1})])
    with pytest.raises(UnscorableError, match=f"step 1 of trace {trace.id} has an observation"):
        text_of(trace)
    assert text_of(Trace("p", ["a"], reference="7")) == Text("p", ("a",), "7")


def test_a_row_that_is_too_long_is_named():
    text = Text("p", ("a", "b"))
    (rows,) = Renderer(PREFIXES, qwen())([text])
    longest = max(len(row.ids) for row in rows)
    assert fits(rows, longest)
    assert not fits(rows, longest - 1)
    wanted = f"trace {Trace('p', ['a', 'b']).id} has {longest} tokens in 2 steps, the contract"
    assert wanted in str(too_long(text, rows, longest - 1))


def test_an_explained_row_is_the_same_row():
    template = Template(
        prompt="<|im_start|>{problem} [{reference}]", step="{step} ки<extra_0>{slot}", end="."
    )
    renderer = Renderer(template, qwen())
    text = Text("p <extra_0>", ("é数", "b"), "7")
    ((row,),), ((explained,),) = renderer([text]), renderer([text], explain=True)
    assert (explained.ids, explained.slots, explained.start) == (row.ids, row.slots, row.start)
    kinds = [span.kind for span in explained.spans]
    assert kinds == [
        *("special", "problem", "template", "reference", "template"),
        *("step", "template", "special") * 2,
        "template",
    ]
    for span in explained.spans:
        if span.kind == "special":
            assert qwen().convert_ids_to_tokens(row.ids[span.begin : span.end]) == [span.text]
    steps = [span for span in explained.spans if span.kind == "step"]
    assert [qwen().decode(row.ids[one.begin : one.end]) for one in steps] == ["é数", "b"]

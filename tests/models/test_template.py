"""Marks stand where they mean something, and role marks become what the chat template writes."""

import copy

import pytest

from published_tokenizers import llama3, qwen
from surefoot.errors import ContractError
from surefoot.models.render import Renderer, Text
from surefoot.models.template import MARKS, Part, Template, parts, spell_out_chat
from surefoot.traces.layout import Layout

GEMMA_LIKE = (
    "{{ bos_token or '' }}{% for one in messages %}"
    "{% if one.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (one.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<start>{{ 'model' if one.role == 'assistant' else one.role }}\n"
    "{{ one.content | trim }}<end>\n{% endfor %}"
)
REORDERS = (
    "{% for one in messages if one.role != 'system' %}[{{ one.role }}]{{ one.content }}{% endfor %}"
    "{% for one in messages if one.role == 'system' %}[rules]{{ one.content }}{% endfor %}"
)
DROPS = (
    "{% for one in messages %}{% if one.role != 'assistant' or loop.last %}"
    "[{{ one.role }}]{{ one.content }}{% endif %}{% endfor %}"
)
LAST_TURN_THINKS = (
    "{% for one in messages %}[{{ one.role }}]"
    "{% if one.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ one.content }}[end]{% endfor %}"
)
COUNTS = "{% for one in messages %}[{{ one.role }} {{ loop.index }}]{{ one.content }}{% endfor %}"
TWICE = "{% for one in messages %}{{ one.content }}|{{ one.role }}|{{ one.content }}{% endfor %}"
ESCAPES = "{% for one in messages %}{{ one | tojson }}\n{% endfor %}"
HOLDS_A_MARK = "{% for one in messages %}{user} says {{ one.content }}{% endfor %}"

ALTERNATING = Template(
    prompt="{user}{problem} ", between="{user}", step="{step}{assistant}{slot}+", end="{end}"
)
ONE_ANSWER = Template(
    prompt="{system}Judge.{user}{problem}{assistant}", step="{step}[PRM]{slot}", end="{end}"
)
PREFIXES = Template(
    prompt="{user}{problem}{assistant}", past="{step}\n\n", step="{step}\n\n{end}{slot}"
)


def chatty(chat_template, make=qwen):
    tokenizer = copy.deepcopy(make())
    tokenizer.chat_template = chat_template
    return tokenizer


WHERE = {
    "prompt": "problem reference cut bos system user assistant",
    "step": "problem step numbered n reference slot cut eos end system user assistant",
    "between": "cut eos system user assistant",
    "past": "problem step numbered n reference cut eos end system user assistant",
    "second": "problem step numbered n reference slot sign cut eos end",
    "end": "cut eos end",
}
PASSES = {"past": "{step}", "step": "{step} {slot}", "second": "{step} {sign}{slot}"}
BASE = {"prompt": "{problem}", "step": "{step}{slot}"}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("place", WHERE)
def test_a_mark_stands_only_where_it_means_something(place, mark):
    texts = {**BASE, **(PASSES if place == "second" else {})}
    if place in ("past", "second"):
        texts["past"] = "{step}"
    counted = ("slot", "sign")
    texts[place] = texts.get(place, "") + ("" if mark in counted else f"{{{mark}}}")
    if mark in WHERE[place].split():
        Template(**texts)
        return
    texts[place] += f"{{{mark}}}" if mark in counted else ""
    with pytest.raises(ContractError, match=rf"template\.{place} cannot hold \{{{mark}\}}"):
        Template(**texts)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"step": "{step}"}, r"template\.step has 0 of \{slot\}"),
        ({"step": "{step}{slot}{slot}"}, r"template\.step has 2 of \{slot\}"),
        ({"step": "{slot}"}, r"template\.step has neither \{step\} nor \{numbered\}"),
        ({"past": "x"}, r"template\.past has neither"),
        ({"prompt": "p"}, r"template\.prompt has no \{problem\}"),
        ({"second": "{step}{sign}{slot}"}, r"template\.second needs template\.past"),
        ({**PASSES, "second": "{step}{slot}"}, r"needs one \{slot\}, and a \{sign\} for each"),
        ({**PASSES, "second": "{step}{sign}"}, r"needs one \{slot\}, and a \{sign\} for each"),
        ({**PASSES, "second": "{step}{sign}{sign}{slot}"}, r"a \{sign\} for each \{slot\}"),
        ({**PASSES, "step": "{step}"}, r"a \{sign\} for each \{slot\}"),
        (
            {**PASSES, "step": "{user}{step}{slot}"},
            r"template\.step cannot hold \{user\} where there is template\.second",
        ),
        ({"prompt": 3}, r"template\.prompt is 3; it must be text"),
        ({"prompt": None}, r"template\.prompt is None; it must be text"),
        ({"past": 3}, r"template\.past is 3; it must be text"),
        ({"strip": 1}, r"template\.strip is 1; it must be true or false"),
        ({"replace": 3}, r"template\.replace is 3; give pairs"),
        ({"replace": "ab"}, r"template\.replace is 'ab'; give pairs"),
        ({"replace": ["ab"]}, r"template\.replace is \['ab'\]; give pairs"),
        ({"replace": [("a",)]}, r"template\.replace holds \['a'\]; give pairs"),
        ({"replace": [("", "b")]}, r"template\.replace holds \['', 'b'\]; give pairs"),
        ({"replace": [("a", 1)]}, r"template\.replace holds \['a', 1\]; give pairs"),
    ],
)
def test_a_template_that_cannot_work_is_refused(texts, reason):
    with pytest.raises(ContractError, match=reason):
        Template(**{**BASE, **texts})


def test_the_problem_may_stand_in_the_step_instead():
    template = Template(prompt="", past="{step}", step="{problem}: {step}{slot}")
    assert parts(template.step)[0] == Part("mark", "problem")


def test_parts_are_literal_text_and_marks():
    text = "\\boxed{} {slots} {{step}} {step}{slot}{ step }{Step}"
    assert [*parts(text)] == [
        Part("text", "\\boxed{} {slots} {"),
        Part("mark", "step"),
        Part("text", "} "),
        Part("mark", "step"),
        Part("mark", "slot"),
        Part("text", "{ step }{Step}"),
    ]


def test_braces_that_name_no_mark_are_written_as_they_are():
    template = Template(prompt="\\boxed{} {x} {{problem}} {", step="}{step}{}{slot}")
    ((row,),) = Renderer(template, qwen())([Text("P", ("S",))])
    assert qwen().decode(row.ids) == "\\boxed{} {x} {P} {}S{}"


def test_a_layout_with_a_mark_in_it_is_refused():
    with pytest.raises(ContractError, match=r"the layout holds \{slot\}, which is a mark"):
        Template.of_layout(Layout("\n", "{slot}"))


def test_without_roles_the_chat_template_is_not_asked_for():
    template = Template()
    assert not template.is_chat
    assert spell_out_chat(template, chatty("{{ raise_exception('asked') }}")) is template


SYSTEM = "<|im_start|>system\n"


@pytest.mark.parametrize(
    ("template", "tokenizer", "wanted"),
    [
        (
            ONE_ANSWER,
            qwen(),
            {
                "prompt": f"{SYSTEM}Judge.<|im_end|>\n<|im_start|>user\n{{problem}}<|im_end|>\n"
                "<|im_start|>assistant\n",
                "step": "{step}[PRM]{slot}",
                "end": "<|im_end|>\n",
            },
        ),
        (
            ALTERNATING,
            qwen(),
            {
                "prompt": f"{SYSTEM}You are Qwen.<|im_end|>\n<|im_start|>user\n{{problem}} ",
                "step": "{step}<|im_end|>\n<|im_start|>assistant\n{slot}+",
                "between": "<|im_end|>\n<|im_start|>user\n",
                "end": "<|im_end|>\n",
            },
        ),
        (
            PREFIXES,
            llama3(),
            {
                "prompt": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
                "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
                "{problem}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                "past": "{step}\n\n",
                "step": "{step}\n\n<|eot_id|>{slot}",
            },
        ),
        (
            ALTERNATING,
            chatty(GEMMA_LIKE),
            {
                "prompt": "<start>user\n{problem} ",
                "step": "{step}<end>\n<start>model\n{slot}+",
                "between": "<end>\n<start>user\n",
                "end": "<end>\n",
            },
        ),
    ],
)
def test_role_marks_become_what_the_chat_template_writes(template, tokenizer, wanted):
    found = spell_out_chat(template, tokenizer)
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert not found.is_chat


def test_the_second_pass_ends_as_the_first():
    template = Template(
        prompt="{user}{problem}{assistant}",
        past="{step} ",
        step="{step}: {slot}?{end}",
        second="{step}: {sign}, {slot}?{end}",
    )
    found = spell_out_chat(template, qwen())
    assert (found.step, found.second) == (
        "{step}: {slot}?<|im_end|>\n",
        "{step}: {sign}, {slot}?<|im_end|>\n",
    )


@pytest.mark.parametrize(
    ("template", "chat_template", "reason"),
    [
        (ONE_ANSWER, None, "asks for the tokenizer's chat template, and it has none"),
        (ONE_ANSWER, GEMMA_LIKE, "cannot write the roles system, user, .*System role not"),
        (
            Template(prompt="{user}{problem}", between="{user}", step="{step}{slot}"),
            GEMMA_LIKE,
            "cannot write the roles user, user, user: .*must alternate",
        ),
        (ONE_ANSWER, REORDERS, "changes the order of the roles system, user, assistant;"),
        (ALTERNATING, DROPS, "leaves out a message"),
        (ONE_ANSWER, ESCAPES, "changes its text"),
        (ONE_ANSWER, TWICE, "writes a message twice"),
        (ONE_ANSWER, HOLDS_A_MARK, r"itself writes \{user\}, which is a mark"),
        (ALTERNATING, LAST_TURN_THINKS, r"writes the last turn as .*think.*, earlier ones"),
        (ALTERNATING, COUNTS, r"writes the turns of later steps otherwise than earlier"),
        (ONE_ANSWER, "{{ nothing.at_all.here }}", "cannot write the roles"),
        (ONE_ANSWER, "{{ messages[0].role + 1 }}", "cannot write the roles"),
        (ONE_ANSWER, "{% for", "cannot write the roles"),
    ],
)
def test_a_chat_template_that_does_not_fit_is_refused(template, chat_template, reason):
    with pytest.raises(ContractError, match=reason):
        spell_out_chat(template, chatty(chat_template))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"end": "{end}"}, r"\{end\} without a message"),
        (
            {"prompt": "{user}{problem}", "past": "{step}{end}", "step": "{step}{slot}{end}"},
            "nothing of a role may follow",
        ),
        (
            {
                "prompt": "{user}{problem}",
                "past": "{step}",
                "step": "{step}{slot}",
                "second": "{step}{sign}{slot}{end}",
            },
            r"one of template\.second and template\.step has \{end\}",
        ),
        (
            {
                "prompt": "{user}{problem}",
                "past": "{step}",
                "step": "{step}{slot}{end}",
                "second": "{step}{sign}{slot}",
            },
            r"one of template\.second and template\.step has \{end\}",
        ),
        (
            {"past": "{step}", "step": "{step}{slot}", "second": "{step}{sign}{slot}{end}"},
            r"\{end\}",
        ),
    ],
)
def test_an_end_without_its_message_is_refused(texts, reason):
    with pytest.raises(ContractError, match=reason):
        spell_out_chat(Template(**{**BASE, **texts}), qwen())


def test_one_prefix_at_a_time_may_end_with_another_turn_than_the_past_had():
    template = Template(
        prompt="{user}{problem}",
        past="{assistant}{step}",
        between="{user}go on",
        step="{assistant}{step}{slot}",
    )
    found = spell_out_chat(template, chatty(LAST_TURN_THINKS))
    assert found.past == "[end][assistant]{step}"
    assert found.step == "[end][assistant]<think></think>{step}{slot}"


STEPS = ("Subtract 3: x = 7.", "über 数学 {slot}", "So 7.\n\nDone")
PROBLEM = "Find x. {user} \\boxed{}"


def conversation(template, steps):
    """What ONE_ANSWER or ALTERNATING say, as messages."""
    if template is ONE_ANSWER:
        said = "".join(f"{step}[PRM]" for step in steps)
        return [("system", "Judge."), ("user", PROBLEM), ("assistant", said)]
    turns = []
    for k, step in enumerate(steps):
        turns += [("user", step if k else f"{PROBLEM} {step}"), ("assistant", "+")]
    return turns


@pytest.mark.parametrize(
    ("template", "tokenizer"),
    [
        (ONE_ANSWER, qwen()),
        (ALTERNATING, qwen()),
        (ONE_ANSWER, llama3()),
        (ALTERNATING, llama3()),
        (ALTERNATING, chatty(GEMMA_LIKE)),
        (ALTERNATING, chatty(GEMMA_LIKE, llama3)),
    ],
)
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_ids_are_those_of_the_whole_conversation(template, tokenizer, num_steps):
    steps = STEPS[:num_steps]
    ((row,),) = Renderer(template, tokenizer)([Text(PROBLEM, steps)])
    messages = [{"role": r, "content": c} for r, c in conversation(template, steps)]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert row.ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert row.ids == tokenizer.apply_chat_template(messages, return_dict=False)
    if template is ALTERNATING:
        answers = tokenizer("+", add_special_tokens=False)["input_ids"]
        assert [row.ids[slot + 1] for slot in row.slots] == answers * num_steps
    assert len(row.slots) == num_steps


def test_a_text_that_a_chat_template_would_trim_is_trimmed_if_asked():
    template = Template(
        prompt="{user}{problem}",
        step="{assistant}{step}{slot}",
        between="{user}next",
        end="{end}",
        strip=True,
    )
    ((row,),) = Renderer(template, llama3())([Text(" p\n", ("\ta ", "\u00a0b\n\n"))])
    turns = [("user", " p\n"), ("assistant", "\ta "), ("user", "next"), ("assistant", "\u00a0b\n")]
    messages = [{"role": r, "content": c} for r, c in turns]
    assert row.ids == llama3().apply_chat_template(messages, return_dict=False)

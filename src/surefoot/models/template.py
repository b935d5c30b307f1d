"""How the text around a problem and its steps is written, as data.

A template is text with marks in braces. Text outside the marks is the author's own: the names of
special tokens in it become those tokens. What the marks stand for is the user's: whatever it holds
stays plain text. Braces that name no mark are just braces.

| mark | what stands there |
|---|---|
| `{problem}` `{step}` | the problem, the text of the step |
| `{numbered}` | the step behind `Step 1: `, unless it already begins with a number of its own |
| `{n}` | the number of the step, from 1 |
| `{reference}` | the reference answer of the trace, or `no_reference` |
| `{slot}` | nothing; the score of the step is read at the token just before |
| `{sign}` | in `second`: the token that the first pass found likelier |
| `{cut}` | nothing; what stands before and after is given to the tokenizer separately |
| `{bos}` `{eos}` | the tokenizer's begin and end token, nothing where it has none |
| `{system}` `{user}` `{assistant}` | a message of that role begins (by the chat template) |
| `{end}` | the last message is complete (by the chat template) |

The chat template is the one that the tokenizer was published with.

So a score AT a tag is `{step}<tag>{slot}`, and one BEFORE an answer is
`{step}{assistant}{slot}+{user}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from jinja2 import TemplateError

from surefoot.errors import ContractError
from surefoot.traces.layout import Layout

ROLES = ("system", "user", "assistant")
MARKS = (
    *("problem", "step", "numbered", "n", "reference", "slot", "sign", "cut", "bos", "eos", "end"),
    *ROLES,
)
_MARK = re.compile(r"\{(" + "|".join(MARKS) + r")\}")


class Part(NamedTuple):
    """A stretch of a template: literal text, or a mark and its name."""

    kind: Literal["text", "mark"]
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """What is written for a trace.

    Without `past` a trace is one row: the prompt, then every step, `between` before each but the
    first, then `end`. With `past`, each step is a row of its own, one prefix at a time: the prompt,
    the earlier steps as `past`, and the step itself as `step`.
    """

    prompt: str = "{problem}{cut}\n{cut}"
    step: str = "{step}{cut}\n{slot}{cut}"
    between: str = ""
    past: str | None = None
    second: str | None = None
    """What `step` becomes in a second pass that sees what the first found, or None for one pass."""
    end: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    """What stands in problems and steps in place of other text, such as a space for a line end."""
    strip: bool = False
    """Take white space off both ends of problem and step, as many chat templates do."""
    no_reference: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.replace, (list, tuple)) or not all(
            isinstance(pair, (list, tuple)) for pair in self.replace
        ):
            raise ContractError(
                f"template.replace is {self.replace!r}; give pairs of a text and its replacement"
            )
        object.__setattr__(self, "replace", tuple(map(tuple, self.replace)))
        for name in ("prompt", "step", "between", "past", "second", "end", "no_reference"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name in ("past", "second")):
                raise ContractError(f"template.{name} is {value!r}; it must be text")
        if not isinstance(self.strip, bool):
            raise ContractError(f"template.strip is {self.strip!r}; it must be true or false")
        for pair in self.replace:
            if len(pair) != 2 or not all(isinstance(text, str) for text in pair) or not pair[0]:
                raise ContractError(
                    f"template.replace holds {list(pair)}; give pairs of a text and its replacement"
                )
        self._check_marks()

    def _check_marks(self) -> None:
        places = {
            "prompt": {"problem", "reference", "cut", "bos", *ROLES},
            "step": {*MARKS} - {"sign", "bos"},
            "between": {"cut", "eos", *ROLES},
            "past": {*MARKS} - {"sign", "slot", "bos"},
            "second": {*MARKS} - {"bos", *ROLES},
            "end": {"cut", "eos", "end"},
        }
        for place, allowed in places.items():
            for name in _marks(getattr(self, place) or ""):
                if name not in allowed:
                    raise ContractError(f"template.{place} cannot hold {{{name}}}")
        slots = _marks(self.step).count("slot")
        if self.second is None and slots != 1:
            raise ContractError(f"template.step has {slots} of {{slot}}; a step is scored once")
        if self.second is not None:
            if self.past is None:
                raise ContractError("template.second needs template.past: one row for each step")
            again = _marks(self.second)
            if again.count("slot") != 1 or not 0 < again.count("sign") == slots:
                raise ContractError(
                    "template.second needs one {slot}, and a {sign} for each {slot} of step"
                )
            if roles := [name for name in _marks(self.step) if name in ROLES]:
                raise ContractError(
                    f"template.step cannot hold {{{roles[0]}}} where there is template.second; "
                    "put it into prompt or between"
                )
        if "problem" not in _marks(self.prompt) + _marks(self.step):
            raise ContractError("template.prompt has no {problem}")
        for place in ("step", "past"):
            text = getattr(self, place)
            if text is not None and not {"step", "numbered"} & {*_marks(text)}:
                raise ContractError(f"template.{place} has neither {{step}} nor {{numbered}}")

    @property
    def is_chat(self) -> bool:
        """Whether the tokenizer's chat template is asked for."""
        texts = (self.prompt, self.step, self.between, self.past, self.second, self.end)
        return any({*ROLES, "end"} & {*_marks(text or "")} for text in texts)

    @classmethod
    def of_layout(cls, layout: Layout) -> Template:
        """The template that writes what a policy of this layout continues, scored at the last token
        of every step's end."""
        for text in (layout.problem_end, layout.step_end):
            if names := _marks(text):
                raise ContractError(
                    f"the layout holds {{{names[0]}}}, which is a mark; choose other"
                )
        return cls(
            prompt=f"{{problem}}{{cut}}{layout.problem_end}{{cut}}",
            step=f"{{step}}{{cut}}{layout.step_end}{{slot}}{{cut}}",
        )


@lru_cache(maxsize=512)
def parts(text: str) -> tuple[Part, ...]:
    """The literal stretches and the marks of a template text, in order."""
    return tuple(
        Part("mark" if i % 2 else "text", stretch)
        for i, stretch in enumerate(_MARK.split(text))
        if stretch
    )


def spell_out_chat(template: Template, tokenizer: Any) -> Template:
    """The same template with every role mark replaced by the literal text that the tokenizer's own
    chat template puts there.

    Raises:
        ContractError: the tokenizer has no chat template, or one that cannot write these messages,
            changes them or their order, or writes later turns otherwise than earlier ones.
    """
    if not template.is_chat:
        return template
    if not getattr(tokenizer, "chat_template", None):
        raise ContractError(
            "the contract asks for the tokenizer's chat template, and it has none; use the "
            "tokenizer that was published with the model"
        )
    past = template.step if template.past is None else template.past
    places = ["prompt", "past", "between", "past", "between", "step", "end"]
    texts = {"prompt": template.prompt, "past": past, "between": template.between}
    texts |= {"step": template.step, "end": template.end}
    frames = _frames([name for place in places for name in _marks(texts[place])], tokenizer)
    seen: dict[str, list[str]] = {}
    for place in places:
        used = [next(frames) for name in _marks(texts[place]) if name in (*ROLES, "end")]
        if seen.setdefault(place, used) != used:
            raise ContractError(
                f"the tokenizer's chat template writes the turns of later steps otherwise than "
                f"earlier ones: {seen[place]} and {used}; write the template out instead"
            )
    if template.past is None and seen["past"] != seen["step"]:
        raise ContractError(
            f"the tokenizer's chat template writes the last turn as {seen['step']}, earlier ones "
            f"as {seen['past']}; write the template out instead"
        )
    if template.second is not None and _marks(template.second).count("end") != len(seen["step"]):
        raise ContractError("one of template.second and template.step has {end}; give it to both")
    return replace(
        template,
        prompt=_fill(template.prompt, seen["prompt"]),
        step=_fill(template.step, seen["step"]),
        between=_fill(template.between, seen["between"]),
        past=None if template.past is None else _fill(template.past, seen["past"]),
        second=None if template.second is None else _fill(template.second, seen["step"]),
        end=_fill(template.end, seen["end"]),
    )


def _marks(text: str) -> list[str]:
    return _MARK.findall(text)


def _fill(text: str, frames: Sequence[str]) -> str:
    rest = iter(frames)
    return "".join(
        next(rest) if part.kind == "mark" and part.value in (*ROLES, "end") else _source(part)
        for part in parts(text)
    )


def _source(part: Part) -> str:
    return f"{{{part.value}}}" if part.kind == "mark" else part.value


def _frames(marks: Sequence[str], tokenizer: Any) -> Iterator[str]:
    """The literal text that stands for each role mark and each `{end}`, in order."""
    names = [name for name in marks if name in (*ROLES, "end")]
    roles = [name for name in names if name != "end"]
    if "end" in names[:-1]:
        raise ContractError("{end} closes the conversation; nothing of a role may follow it")
    if not roles:
        raise ContractError(
            "{end} without a message; begin one with {system}, {user} or {assistant}"
        )
    contents = [f"\ue000{i}\n\"'<&\\\ue001" for i in range(len(roles))]
    messages = [
        {"role": role, "content": content} for role, content in zip(roles, contents, strict=True)
    ]
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False)
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        raise ContractError(
            f"the tokenizer's chat template cannot write the roles {', '.join(roles)}: {error}"
        ) from None
    found = []
    for content in contents:
        before, content_found, text = text.partition(content)
        if not content_found:
            raise ContractError(
                f"the tokenizer's chat template leaves out a message, changes its text or changes "
                f"the order of the roles {', '.join(roles)}; write the template out instead"
            )
        found.append(before)
    for frame in (*found, text):
        if any(content in frame for content in contents):
            raise ContractError(
                "the tokenizer's chat template writes a message twice; write the template out "
                "instead"
            )
        if marks := _marks(frame):
            raise ContractError(
                f"the tokenizer's chat template itself writes {{{marks[0]}}}, which is a mark; "
                "write the template out instead"
            )
    yield from [*found, text][: len(names)]

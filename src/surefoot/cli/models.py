"""`surefoot models`: the published reward models that can be loaded, and what is known of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from surefoot.cli.say import Common, count, print_json
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from surefoot.models.contract import Contract, Reading
    from surefoot.models.profiles import Profile

_MEANINGS = {
    "step-correct": "the step is right",
    "prefix-correct": "all is right so far",
    "value": "it will end right",
    "progress": "the step gets on",
}
_MARK = re.compile(r"(\{[a-z]+\})")
_WIDE = 100
"""Columns from which on the list is a table."""


def models(name: str | None = None, /, *, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """List the published models that `--model` takes, or show one in full.

    Args:
        name: A family of the list, or the hub id of a model.
    """
    from surefoot.models.profiles import profile_of, profiles

    if name is None:
        if common.json:
            print_json({"models": [summary(one) for one in profiles().values()]})
        else:
            _list(profiles().values())
        return
    profile = profile_of(name)
    if profile is None:
        ids = [model for one in profiles().values() for model in one.models]
        near = get_close_matches(name, [*profiles(), *ids], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`surefoot models` lists all"
        raise UsageError(f"no published model {name!r} is known; {hint}")
    if common.json:
        print_json(_whole(profile))
    else:
        _show(profile)


def summary(profile: Profile) -> dict[str, Any]:
    """One line of the list."""
    return {
        "name": profile.name,
        "models": list(profile.models),
        "mechanism": mechanism(profile),
        "score": meaning(profile),
        "licence": profile.licence,
        "num_unverified": len(profile.unverified),
    }


def mechanism(profile: Profile) -> str:
    """How a score comes about, in a few words."""
    contract = profile.contract
    if contract is None:
        return "written verdict"
    if contract.reading.head == "token-log-ratio":
        return "log-ratio with a reference"
    template = contract.template
    rows = ", one prefix at a time" if template.past is not None else ""
    if template.second is not None:
        rows = ", two passes"
    if contract.reading.head == "tokens":
        place = "before an answer" if re.search(r"\{slot\}[^\s{]", template.step) else "at a tag"
        return f"two tokens {place}{rows}"
    if contract.reading.head == "vocabulary-mean":
        return f"mean of all logits{rows}"
    layers, classes = contract.reading.layers, contract.reading.classes
    what = "value head" if classes == 1 else f"head of {classes} classes"
    return f"{what}, {count(len(layers), 'layer')}{rows}"


def meaning(profile: Profile) -> str:
    """What a score says, and whether it is a probability."""
    if profile.contract is None:
        return _MEANINGS.get((profile.critic or {}).get("meaning", "step-correct"), "")
    kind = {"reward": "no probability"}.get(profile.contract.kind, profile.contract.kind)
    return f"{_MEANINGS[profile.contract.meaning]} ({kind})"


def _whole(profile: Profile) -> dict[str, Any]:
    values = asdict(profile)
    values["contract"] = profile.contract and profile.contract.to_json()
    return {**summary(profile), **values}


def _list(every: Iterable[Profile]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console()
    is_wide = console.width >= _WIDE
    widths = (26, (console.width - 57) * 5 // 9, (console.width - 57) * 4 // 9, 13, 10)

    def line(*cells: str, style: str = "") -> None:
        if not is_wide:
            console.print(Text(cells[0], style=f"bold {style}"))
            console.print(Padding(Text(" · ".join(cells[1:])), (0, 0, 0, 2)))
            return
        row = Table.grid(padding=(0, 2, 0, 0))
        for width in widths:
            row.add_column(width=width, style=style)
        row.add_row(*map(Text, cells))
        console.print(row)

    line("family", "how", "a score says", "licence", "unverified", style="bold")
    for one in every:
        licence = one.licence.partition(" (")[0]
        line(one.name, mechanism(one), meaning(one), licence, str(len(one.unverified)))
        if one.models:
            console.print(Padding(Text(" ".join(one.models), style="dim"), (0, 0, 0, 2)))
    told = "`surefoot models NAME` shows one in full, with what nobody has verified."
    console.print(Text(f"\n{told} None of the published weights has been run here.", style="dim"))


def _show(profile: Profile) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(profile.name, style="bold cyan"), Text(f"· {mechanism(profile)}"))
    facts = {
        "hub ids": "\n".join(profile.models) or "not known",
        "licence": profile.licence,
        "adapter on": profile.base,
        "reference": profile.reference,
        "weights": _weights(profile),
    }
    console.print(_grid({name: Text(value) for name, value in facts.items() if value}))
    if profile.contract is not None:
        _show_contract(console, profile.contract)
    elif profile.critic:
        _show_texts(console, "how a verdict is asked for", profile.critic)
    _show_sentences(console, "notes", profile.notes)
    _show_sentences(console, "not verified", profile.unverified)
    _show_sentences(console, "read in", profile.sources)


def _weights(profile: Profile) -> str:
    if profile.weights == "safetensors":
        return "safetensors"
    extra = f", the head in {profile.extra}" if profile.extra else ""
    return f"PyTorch files, read as plain tensors{extra}"


def _show_contract(console: Console, contract: Contract) -> None:
    from rich.text import Text

    template = asdict(contract.template)
    replaced = template.pop("replace")
    if not template["strip"]:
        del template["strip"]
    template["replace"] = ", ".join(f"{old!r} by {new!r}" for old, new in replaced)
    _show_texts(console, "what is written", template)
    _show_sentences(console, "what is read", _reading(contract.reading))
    rule = f"{contract.aggregate} over the steps, threshold {contract.threshold:g}"
    room = f"at most {count(contract.max_tokens, 'token')}"
    kind = {"reward": "not a probability"}.get(contract.kind, contract.kind)
    says = f"{_MEANINGS[contract.meaning]} ({contract.meaning}), {kind}"
    _show_sentences(console, "what it means", (says, f"{rule}, {room}"))
    if contract.pinned:
        console.print(Text("\nwhat the tokenizer must write", style="bold"))
        for text, ids in contract.pinned.items():
            console.print(Text(f"  {json.dumps(text, ensure_ascii=False)} as {list(ids)}"))


def _reading(reading: Reading) -> tuple[str, ...]:
    """Where and how a score is read, in sentences."""
    where = "at the token that ends just before {slot}"
    if reading.shift:
        side = "behind" if reading.shift > 0 else "before"
        where = f"{count(abs(reading.shift), 'token')} {side} the one that ends before {{slot}}"
    if reading.head == "layers":
        layers = ", ReLU, ".join(reading.layers)
        head = f"the last state goes through {layers}, which gives {reading.classes}"
    elif reading.head == "tokens":
        bad, good = reading.tokens
        head = f"the logits of {good!r} (good) and {bad!r} (bad)"
    elif reading.head == "vocabulary-mean":
        head = "the mean of the logits of the whole vocabulary"
    else:
        head = (
            "the log-probability of every token so far, less that of the reference, "
            f"times {reading.coefficient:g}"
        )
    link = {
        "softmax": f"softmax, then the share of class {' and '.join(map(str, reading.good))}",
        "sigmoid": "sigmoid",
        "difference": "softmax, then class 1 less class 0",
        "raw": "the number as it is",
        "log-ratio": "the sum as it is",
    }[reading.link]
    if reading.head == "tokens" and reading.link == "softmax":
        link = "softmax, then the share of the good one"
    told = [where, head, link]
    if reading.rejected is not None:
        told.append(f"a step whose first pass prefers the bad token: {reading.rejected:g}")
    return tuple(told)


def _show_texts(console: Console, title: str, values: Mapping[str, Any]) -> None:
    """Texts of a template with their white space and marks in sight."""
    from rich.text import Text

    console.print(Text(f"\n{title}", style="bold"))
    given = {name: value for name, value in values.items() if value not in (None, "")}
    texts = {
        name: _visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in given.items()
    }
    console.print(_grid(texts))


def _grid(texts: Mapping[str, Text]) -> Padding:
    """Names and texts side by side."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", width=max(map(len, texts)))
    grid.add_column(overflow="fold")
    for name, text in texts.items():
        grid.add_row(name, text)
    return Padding(grid, (0, 0, 0, 2))


def _visible(text: str) -> Text:
    """Text with its line ends, and the spaces that would not be seen, made visible."""
    from rich.text import Text

    text = re.sub(r"^ +| +$", lambda found: "·" * len(found[0]), text, flags=re.MULTILINE)
    text = text.replace("\n", "↵\n").removesuffix("\n")
    shown = Text()
    for i, stretch in enumerate(_MARK.split(text)):
        style = ("bold red" if stretch == "{slot}" else "cyan") if i % 2 else ""
        shown.append(stretch, style=style)
    return shown


def _show_sentences(console: Console, title: str, sentences: Iterable[str]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    sentences = tuple(sentences)
    if not sentences:
        return
    console.print(Text(f"\n{title}", style="bold"))
    for sentence in sentences:
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))

"""The attack that writes the tags of published reward models into the text of steps."""

from __future__ import annotations

import random
from functools import cache

from surefoot.evals.probes.probe import Piece, rewritten
from surefoot.models.profiles import profiles
from surefoot.models.template import parts
from surefoot.traces.types import Trace


def markers(trace: Trace, rng: random.Random) -> list[Piece]:
    """One published tag behind every step."""
    tag = rng.choice(published_tags())
    return rewritten(trace, lambda text: f"{text} {tag}".lstrip())


@cache
def published_tags() -> tuple[str, ...]:
    """What the templates of published families write behind a step, such as `ки` and `<extra_0>`,
    and what is answered there where a step is right, such as `+`; in order, each once."""
    found = []
    for profile in profiles().values():
        if profile.contract is None:
            continue
        behind = ""
        for kind, value in parts(profile.contract.template.step):
            if kind == "text":
                behind += value
            elif value in ("step", "numbered"):
                behind = ""
        found.append(behind.strip())
    return tuple(dict.fromkeys(tag for tag in found if tag))

"""A policy that keeps what it wrote in a file, and is not asked for it again after a kill."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

from surefoot.errors import StorageError
from surefoot.policies.base import Continuation, Policy, Prefix, Sampling, Usage

_Question: TypeAlias = tuple[Prefix, int, int, Sampling]
"""What is asked of a policy: a prefix, how many continuations, by which seed and how."""


class RememberedPolicy:
    """Another policy, with the continuations that a file of JSON lines holds.

    A last line that a kill cut short is dropped. What failed is not kept, and so is tried again.

    Raises:
        StorageError: the file cannot be read or written, or holds something else.
    """

    def __init__(self, policy: Policy, file: str | Path) -> None:
        self.policy = policy
        self.file = Path(file)
        self._known: dict[_Question, list[Continuation]] = {}
        try:
            self._known.update(self._read())
        except (ValueError, TypeError, KeyError) as error:
            raise StorageError(
                f"{self.file} holds something else than continuations ({error}); move it away"
            ) from None

    @property
    def name(self) -> str:
        """That of the policy."""
        return self.policy.name

    @property
    def usage(self) -> Usage:
        """What the policy has spent since it was made, without what the file held."""
        return self.policy.usage

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """As the policy, which is asked for what the file does not hold."""
        sampling = sampling or Sampling()
        questions = [(one, n, seed, sampling) for one in _told_apart(prefixes, n)]
        asked = [one for one in questions if one not in self._known]
        fresh: dict[_Question, list[Continuation]] = {}
        if asked:
            found = self.policy.continue_prefixes(
                [prefix for prefix, *_ in asked], n, seed=seed, sampling=sampling
            )
            fresh = dict(zip(asked, found, strict=True))
        kept = {one: own for one, own in fresh.items() if all(each.failed is None for each in own)}
        self._write(kept)
        self._known |= kept
        return [fresh[one] if one in fresh else self._known[one] for one in questions]

    def forget(self) -> None:
        """Remove the file and what was known, when nothing is left to do."""
        self._known.clear()
        self.file.unlink(missing_ok=True)

    def _read(self) -> Mapping[_Question, list[Continuation]]:
        if not self.file.is_file():
            return {}
        whole = self.file.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            os.truncate(self.file, end)
        found: dict[_Question, list[Continuation]] = {}
        for line in whole[:end].splitlines():
            row = json.loads(line)
            prefix = Prefix(row["problem"], tuple(row["steps"]), row["drawn"], _turns(row))
            question = (prefix, len(row["continuations"]), row["seed"], Sampling(**row["sampling"]))
            found[question] = [
                Continuation(**{**one, "steps": tuple(one["steps"])})
                for one in row["continuations"]
            ]
        return found

    def _write(self, kept: Mapping[_Question, Sequence[Continuation]]) -> None:
        rows: list[dict[str, Any]] = [
            {
                **asdict(prefix),
                "seed": seed,
                "sampling": asdict(sampling),
                "continuations": [asdict(one) for one in own],
            }
            for (prefix, _, seed, sampling), own in kept.items()
        ]
        try:
            with open(self.file, "a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        except OSError as error:
            raise StorageError(f"{self.file} cannot be written: {error}") from None


def _told_apart(prefixes: Sequence[Prefix], n: int) -> list[Prefix]:
    """Prefixes of which an equal one that comes again says that it goes on behind the one before,
    as `sample_seeds` takes it."""
    times = Counter[Prefix]()
    found = []
    for one in prefixes:
        found.append(replace(one, drawn=one.drawn + n * times[one]))
        times[one] += 1
    return found


def _turns(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Those of a prefix in the file; older ones have none."""
    return tuple((role, text) for role, text in row.get("turns", ()))

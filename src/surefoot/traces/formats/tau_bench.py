"""tau-bench: the messages of an agent's attempt at a task, and its reward.

Fields: `task_id`, `trial`, `reward`, `info` (with `task.instruction`) and `traj`, the messages.
Steps are made of the agent's messages as in `surefoot.traces.formats.agent_steps`; the problem is
the instruction of the simulated user, the outcome whether the reward is 1 (null: not known). The
subset is not in a record: the name of the file says it.

What comes back after tau-bench -> Trace -> tau-bench: every field. A trace of another origin gets
messages of its own. An attempt that ended before the agent said anything (its `info` then has an
`error`) is a bad row.
"""

from __future__ import annotations

import math
from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import agent_steps, fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import Step, Trace

NAME = "tau-bench"
_USED = ("traj", "reward", "info")
_NEAR = 1e-6
"""How far a reward may lie from 1, as in the official pass^k."""


def looks_like(record: Record) -> bool:
    """A record with `traj`, `reward` and `task_id`."""
    return isinstance(record.get("traj"), list) and {"reward", "task_id"} <= record.keys()


def read(record: Record) -> list[Trace]:
    """The one attempt of a record."""
    messages = agent_steps.messages_of(record, "traj")
    texts = {
        i: text for i, one in enumerate(messages) if (text := agent_steps.said(one, i)) is not None
    }
    info = record.get("info")
    info = info if isinstance(info, dict) else {}
    if not texts:
        why = f": {info['error']}" if isinstance(info.get("error"), str) else ""
        raise RowError(f"the agent says and does nothing{why}", field="traj")
    at = list(texts)
    ends = [*at[1:], len(messages)]
    reward = record["reward"]
    if reward is not None and (
        isinstance(reward, bool) or not isinstance(reward, (int, float)) or math.isnan(reward)
    ):
        raise RowError(f"{reward!r} is neither a number nor null", field="reward")
    trace = fields.build(
        "traj",
        problem=_problem(info, messages),
        steps=[
            Step(texts[i], agent_steps.observation(messages[i + 1 : end]))
            for i, end in zip(at, ends, strict=True)
        ],
        outcome=None if reward is None else abs(reward - 1) <= _NEAR,
        source=NAME,
        meta=fields.with_own(
            fields.others(record, _USED),
            NAME,
            {"traj": messages, "at": at, "reward": reward, "info": info},
        ),
    )
    return [trace]


def _problem(info: dict[str, Any], messages: list[dict[str, Any]]) -> str:
    task = info.get("task")
    told = task.get("instruction") if isinstance(task, dict) else None
    if not (isinstance(told, str) and told.strip()):
        told = next((one["content"] for one in messages if one["role"] == "user"), None)
    if not (isinstance(told, str) and told.strip()):
        raise RowError("has no instruction, and no user says anything", field="info.task")
    return told


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record of the attempt."""
    kept = fields.own(trace, NAME)
    messages, at = kept.get("traj"), kept.get("at")
    info: Any = {"task": {"instruction": trace.problem}}
    reward: Any = None if trace.outcome is None else float(trace.outcome)
    if (
        isinstance(messages, list)
        and isinstance(at, list)
        and agent_steps.said_at(messages, at) == trace.texts
    ):
        info = kept.get("info", info)
        was = kept.get("reward")
        if isinstance(was, (int, float)) and (abs(was - 1) <= _NEAR) == trace.outcome:
            reward = was
    else:
        messages, _ = agent_steps.as_messages(trace)
    lost = labelling.field_losses(trace, NAME, holds=("outcome", "observations", "meta"))
    more = {name: value for name, value in trace.meta.items() if name != NAME}
    row = {"task_id": trace.id, **more, "reward": reward, "info": info, "traj": messages}
    return Written((row,), tuple(sorted(lost)))


TAU_BENCH = Format(NAME, "tau-bench", looks_like, read, write)

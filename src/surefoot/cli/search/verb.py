"""The verb itself: read problems, search, write each result as soon as it is there, sum up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.ends import open_ends
from surefoot.cli.kept_settings import check_settings, keep_settings
from surefoot.cli.label.policy import open_policy
from surefoot.cli.loading import Loading, load_model
from surefoot.cli.progress import progress
from surefoot.cli.resuming import is_resumed
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.cli.search.harm import harm
from surefoot.cli.search.options import Budget, How, Plan, Scoring, Writer
from surefoot.cli.search.problems import Problems, read_problems
from surefoot.cli.search.runs import JOURNAL, Parts, check_done, graded, run
from surefoot.cli.search.tally import Tally
from surefoot.errors import SurefootError, UsageError

if TYPE_CHECKING:
    from surefoot.search.files import ResultWriter
    from surefoot.search.results import Grouping, SearchResult
    from surefoot.search.task import Task


def search(
    problems: str,
    *,
    writer: Writer,
    how: How = How(),  # noqa: B008 - frozen
    scoring: Scoring = Scoring(),  # noqa: B008 - frozen
    budget: Budget = Budget(),  # noqa: B008 - frozen
    loading: Annotated[Loading, Parameter(name="scorer")] = Loading(),  # noqa: B008 - frozen
    world: str | None = None,
    check: str = "auto",
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    show: int = 3,
    resume: bool = True,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Search for solutions of problems, guided by step scores.

    Each problem becomes a row with its ranked solutions and its tree. The same command goes on with
    a file that a killed run left, and asks the policy for nothing a second time.

    Args:
        problems: Rows with a problem (or question) and perhaps an answer, a trace file in any
            format that `surefoot convert` knows, or a .txt file with a problem on each line; `-`
            is stdin.
        world: Judge answers exactly, by a built-in world: last-digit.
        check: How answers are compared where no world is given: auto, or another method of
            answer checking, or a function as module:function.
        out: Where to write results: a .jsonl file; `-` is stdout.
        show: How many results to show when no --out is given.
        resume: Go on with a file that a killed run left; --no-resume writes it anew.
        strict: Stop at the first bad row; without it bad rows are counted and told.
    """
    if common.json and out == "-":
        raise UsageError("--json and the results cannot both go to stdout; name a file with --out")
    plan = Plan(writer=writer, how=how, scoring=scoring, budget=budget, loading=loading)
    plan.check()
    given = read_problems(problems, strict=strict)
    scorer = scoring.load(loading)
    warning = None
    if scoring.unless_harmful is not None and scorer is not None:
        warning = harm(scoring.unless_harmful, scorer.name)
        if warning is not None:
            plan, scorer = plan.without_scorer(), None
            note(f"{warning}\nso the scorer is left out: a majority vote of {plan.how.n} instead")
    settings = {**plan.to_json(), "world": world, "check": check}
    if out is not None and is_resumed(out, resume):
        check_settings(out, settings)
    policy = open_policy(plan.writer, plan.writer.cache_tokens)
    outcome = plan.scoring.outcome_model
    parts = Parts(
        policy,
        scorer,
        None if outcome is None else load_model(outcome, loading),
        None if world is not None else _same(check),
    )
    tally, begun, failure = Tally(), time.monotonic(), None
    spent = lambda: f"{policy.usage.new_tokens:,} tokens"  # noqa: E731
    with ExitStack() as stack:
        ends = stack.enter_context(open_ends(world, check))
        rows = stack.enter_context(_rows(out, resume, given.tasks, settings))
        advance = stack.enter_context(progress("searching", len(given.tasks), spent))
        done = [] if rows is None else rows.done
        for result in done:
            tally.add(result)
            advance()
        tally.resumed = len(done)
        found = run(given.tasks, plan, parts, num_done=len(done), journal=_journal(out, resume))
        is_whole = True
        try:
            for each in found:
                result = graded(each, ends)
                is_whole = is_whole and result.ended != "failed"
                if rows is not None and is_whole:
                    rows.write(result)
                elif rows is None and tally.problems < show and not common.json:
                    _show(result)
                tally.add(result)
                advance()
        except UsageError:
            raise
        except SurefootError as error:
            failure = error
    took = {"seconds": time.monotonic() - begun, "tokens_written_now": policy.usage.new_tokens}
    if common.json:
        print_json(
            {
                **tally.to_json(),
                **took,
                "repeated": given.repeated,
                "skipped": given.skipped.to_json(),
                "instead_of_harm": warning,
                "failed": None if failure is None else str(failure),
                "out": out,
            }
        )
    else:
        _print_summary(tally, given, took, out)
    if failure is not None:
        raise failure


@contextmanager
def _rows(
    out: str | None, resume: bool, tasks: Sequence[Task], settings: Mapping[str, Any]
) -> Iterator[ResultWriter | None]:
    """A writer of results that fits these problems and settings; None without a file."""
    if out is None:
        yield None
        return
    from surefoot.search.files import ResultWriter

    goes_on = is_resumed(out, resume)
    if not resume:
        Path(out + JOURNAL).unlink(missing_ok=True)
    with ResultWriter(out, resume=goes_on) as writer:
        check_done(writer.done, tasks, out)
        if goes_on:
            keep_settings(out, settings)
        if writer.dropped:
            note(f"{out}: its last row was half written and is done again")
        yield writer
    if out.endswith(".jsonl") and not goes_on:
        keep_settings(out, settings)


def _journal(out: str | None, resume: bool) -> str | None:
    return out + JOURNAL if out is not None and is_resumed(out, resume) else None


def _same(check: str) -> Grouping:
    """Which answers of a problem are the same."""
    from surefoot.labels.answers import AnswerCheck
    from surefoot.labels.answers.groups import Question, group_answers

    checked = AnswerCheck(method=check, algebra=False)
    return lambda problem, answers: group_answers(
        [Question(tuple(answers), problem)], None, check=checked
    )[0][0]


def _show(result: SearchResult) -> None:
    """The chosen solution, step by step."""
    from rich.console import Console

    from surefoot.cli.show import show_trace

    answer = "no answer" if result.answer is None else f"answer {visible(result.answer)}"
    if result.best is None:
        print(visible(f"{result.problem}\n  nothing was written: {result.why}\n"))
    elif result.best.scores:
        show_trace(Console(highlight=False), result.best, result.best.scores[0])
    else:
        print(visible(result.problem))
        print(visible("".join(f"  {i:3d}  {one}\n" for i, one in enumerate(result.best.texts))))
    right = {True: ", right", False: ", wrong", None: ""}[
        result.best.outcome if result.best is not None else None
    ]
    print(f"{answer}{right}; {count(len(result.solutions), 'solution')}, {result.ended}\n")


def _print_summary(
    tally: Tally, given: Problems, took: Mapping[str, float], out: str | None
) -> None:
    say = note if out == "-" else print
    for line in tally.summary():
        say(visible(line))
    per_second = took["tokens_written_now"] / max(took["seconds"], 1e-9)
    say(f"{took['seconds']:.1f} seconds, {per_second:,.0f} new tokens a second")
    if given.repeated:
        say(f"{count(given.repeated, 'problem')} left out that came again")
    if given.contradicted:
        say(f"{given.contradicted:,} of them with another reference than the first")
    if given.skipped.rows:
        say(given.skipped.summary())
    if tally.resumed:
        say(f"{count(tally.resumed, 'problem')} of them done by an earlier run")
    if num := tally.ended["failed"]:
        say(f"cut short, and not written: {num:,}")
    if out not in (None, "-"):
        say(f"results are in {out}")

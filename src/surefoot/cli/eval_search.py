"""`surefoot eval search`: methods of search on the same problems, at equal tokens."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.ends import WORLDS
from surefoot.cli.eval_search_files import Found, every, read_named, scorer_of, tasks_of
from surefoot.cli.label.policy import Writing, open_policy
from surefoot.cli.loading import Loading, load_model
from surefoot.cli.reading import Skipped
from surefoot.cli.say import Common, count, note, print_json, track, waiting
from surefoot.cli.search.problems import read_problems
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.evals.benchmark import Options
    from surefoot.evals.matched.attempts import Line
    from surefoot.evals.matched.judging import Judge
    from surefoot.evals.matched.running import Bench
    from surefoot.models.base import RewardModel
    from surefoot.policies.base import Policy
    from surefoot.search.task import Task
    from surefoot.traces.types import Trace

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


def search(
    *files: str,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    methods: str = "best-of-n,beam",
    ns: str = "1,4,16",
    results: Several = (),
    world: str | None = None,
    aggregate: str | None = None,
    logprob_weight: float = 0.0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_steps: int = 64,
    step_tokens: int = 512,
    solution_tokens: int = 4096,
    tokens: int | None = None,
    exchange: float | None = None,
    at_once: int = 64,
    cache_tokens: int = 200_000,
    batch_size: int = 256,
    device: str | None = None,
    chat: Annotated[bool, Parameter(negative="")] = False,
    connections: int = 16,
    algebra: bool = True,
    answer_timeout: float = 10.0,
    workers: int = 2,
    seed: int = 0,
    resamples: int = 1000,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    resume: bool = True,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Accuracy against tokens: every method of search beside best-of-N, votes and a majority of the
    same draws, one sample and an oracle, with 95 % intervals over problems; and by how much each
    beats them at equal tokens, in pairs.

    Args:
        files: Files of problems, as `surefoot search` reads them; `-` is stdin.
        policy: A checkpoint folder, or openai:http://HOST:PORT/v1#MODEL.
        model: Who scores steps: a built-in, a folder, a hub id or the URL of a server.
        methods: Names with commas between them; choices among whole solutions come all together.
        ns: Sizes with commas between them: solutions drawn, or steps drawn at every depth.
        results: In place of problems: files of results, each named NAME.N.jsonl, or given as
            NAME:N=FILE.
        world: A built-in world that says which chains are sound: last-digit.
        aggregate: The rule that makes one number of step scores; the scorer's own if not given.
        logprob_weight: Weight of the policy's log-probability in the reward.
        temperature: Of the policy.
        top_p: Keep the most probable tokens that together reach this probability.
        max_steps: Steps of a solution.
        step_tokens: Tokens of a step.
        solution_tokens: Tokens of a solution.
        tokens: Tokens that the policy may write in one search.
        exchange: Tokens of the policy that one token of the scorer counts for; by default the
            scorer's parameters over the policy's where both are known, else 1.
        at_once: Problems that are searched on side by side.
        cache_tokens: Tokens of which a local policy remembers keys and values.
        batch_size: Rows that a local policy samples together.
        device: Of policy and scorer, such as cpu or cuda; the first GPU if there is one.
        chat: Ask the server of the policy in a chat.
        connections: Requests that may be under way at once.
        algebra: Compare answers as formulas too, which needs sympy and math-verify.
        answer_timeout: Seconds that the comparison of two answers may take.
        workers: Processes that compare answers.
        seed: Of what is drawn, and of the resamples.
        resamples: Bootstrap resamples for the intervals.
        out: A folder for the run: config.json, results/, scores.jsonl, metrics.json, report.html.
        resume: Go on with the folder of a killed run; --no-resume does it anew.
        strict: Stop at the first bad row; without it they are counted and told.
    """
    from surefoot.evals.benchmark import Options
    from surefoot.evals.matched.running import FOLDER, Bench
    from surefoot.evals.matched.ways import check_names
    from surefoot.evals.run import begin_run
    from surefoot.search.reward import Reward
    from surefoot.search.settings import Settings
    from surefoot.search.task import Limits

    if world is not None and world not in WORLDS:
        raise UsageError(f"there is no world {world!r}; there is {', '.join(WORLDS)}")
    if bool(files) == bool(results):
        raise UsageError("give files of problems to search on, or --results of searches there are")
    options = Options(seed=seed, num_resamples=resamples)
    skipped = Skipped()
    names = [one.strip() for one in methods.split(",") if one.strip()]
    given: dict[str, Any] = {"world": world, "aggregate": aggregate, "algebra": algebra}
    if results:
        if policy is not None or model is not None:
            raise UsageError("--results holds what was searched; leave --policy and --model out")
        found = read_named(results, strict, skipped)
        scorer_name = scorer_of(found)
        given |= {"exchange": exchange, "results": list(results)}
        rate, rate_from = _rate(exchange, None, None)
        config = _config(results, scorer_name, options, given, tasks_of(found))
        if out is not None:
            begin_run(out, config, resume=resume)
    else:
        if policy is None:
            raise UsageError("--policy is missing: name who writes the steps")
        check_names(names)
        sizes = _sizes(ns)
        problems = read_problems(*files, strict=strict)
        tasks, skipped = problems.tasks, problems.skipped
        if problems.repeated:
            note(f"{count(problems.repeated, 'problem')} left out that came again")
        writing = Writing(
            policy=policy,
            batch_size=batch_size,
            device=device,
            chat=chat,
            connections=connections,
        )
        writer = open_policy(writing, cache_tokens)
        scorer = None if model is None else load_model(model, Loading(device=device))
        rate, rate_from = _rate(exchange, writer, scorer)
        limits = Limits(
            max_steps=max_steps,
            step_tokens=step_tokens,
            solution_tokens=solution_tokens,
            tokens=tokens,
        )
        settings = Settings(
            sampling=replace(writing.sampling(), temperature=temperature, top_p=top_p),
            reward=Reward(aggregate=aggregate, logprob_weight=logprob_weight),
            limits=limits,
            seed=seed,
        )
        given |= {"policy": policy, "model": model, "methods": names, "ns": sizes}
        given |= {"logprob_weight": logprob_weight, "temperature": temperature, "top_p": top_p}
        given |= {"max_steps": max_steps, "step_tokens": step_tokens, "tokens": tokens}
        given |= {"solution_tokens": solution_tokens, "exchange": rate, "chat": chat}
        scorer_name = "none" if scorer is None else scorer.name
        if out is not None:
            if not resume:
                shutil.rmtree(out / FOLDER, ignore_errors=True)
            begin_run(out, _config(files, scorer_name, options, given, tasks), resume=resume)
        bench = Bench(
            tasks=tasks,
            policy=writer,
            scorer=scorer,
            settings=settings,
            folder=out,
            at_once=at_once,
        )
        found = _search(bench, names, sizes)
    with waiting("answers compared"):
        judge = _judge(found, world, algebra, workers, answer_timeout)
    with waiting("measuring"):
        metrics = _measure(found, judge, aggregate, options, rate)
    metrics["matched"]["exchange_from"] = rate_from
    metrics |= {"files": list(files or results), "skipped": skipped.to_json()}
    _finish(metrics, found, judge, out, skipped, common)


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(one) for one in text.split(",")})
    except ValueError:
        raise UsageError(f"--ns {text!r}; give whole numbers with commas, such as 1,4,16") from None
    if sizes[0] < 1:
        raise UsageError(f"--ns {text!r}; the smallest size is 1")
    return sizes


def _search(bench: Bench, names: Sequence[str], sizes: Sequence[int]) -> Found:
    """Run what is not there yet, whole solutions first."""
    from surefoot.evals.matched.lines import BEST
    from surefoot.evals.matched.running import drawn, searched
    from surefoot.evals.matched.ways import SEARCHED

    draws = list(track(drawn(bench, sizes), f"{BEST}, n up to {sizes[-1]}"))
    found: Found = {BEST: {n: [row[i] for row in draws] for i, n in enumerate(sizes)}}
    for name in names:
        if name in SEARCHED:
            found[name] = {
                n: list(track(searched(bench, name, n), f"{name}, n = {n}")) for n in sizes
            }
    return found


def _judge(found: Found, world: str | None, algebra: bool, workers: int, timeout_s: float) -> Judge:
    from surefoot.evals.matched.judging import judge
    from surefoot.labels.answers.comparing import AnswerCheck
    from surefoot.worlds.last_digit import LastDigit

    return judge(
        list(every(found)),
        check=AnswerCheck(algebra=algebra),
        label=None if world is None else LastDigit().label,
        num_processes=workers,
        timeout_s=timeout_s,
    )


def _measure(
    found: Found, judge: Judge, aggregate: str | None, options: Options, rate: float
) -> dict[str, Any]:
    from surefoot.evals.matched.lines import BEST, line_of_search, lines_of_draws
    from surefoot.evals.matched.measuring import measure
    from surefoot.evals.matched.metrics import metrics

    lines: list[Line] = []
    for name, sized in found.items():
        if name == BEST:
            lines += lines_of_draws(sized, judge, aggregate=aggregate)
        else:
            lines.append(line_of_search(name, sized, judge))
    measured = metrics(measure(lines, options, exchange=rate))
    if judge.num_unknown:
        measured["warnings"].append(
            f"of {judge.num_unknown} answers it cannot be told whether they are right; taken as "
            "wrong"
        )
    if BEST not in found:
        measured["warnings"].insert(
            0, f"nothing is compared at equal tokens: there are no results of {BEST}"
        )
    return measured


def _finish(
    metrics: dict[str, Any],
    found: Found,
    judge: Judge,
    out: Path | None,
    skipped: Skipped,
    common: Common,
) -> None:
    """Write what belongs in the folder, and tell."""
    if out is not None:
        from surefoot.evals.run import SCORES_FILE, finish_run, read_run
        from surefoot.reports.run_page import write_run_page
        from surefoot.traces.store import TraceWriter

        chosen = list(_chosen(found, judge))
        with TraceWriter(str(out / SCORES_FILE)) as writer:
            for trace in chosen:
                writer.write(trace)
        finish_run(out, metrics)
        write_run_page(read_run(out), chosen)
    if common.json:
        print_json({**metrics, "out": None if out is None else str(out)})
        return
    from surefoot.cli.eval_search_table import show

    show(metrics)
    if skipped.rows:
        note(skipped.summary())
    if out is not None:
        note(f"the run is in {out}; open {out / 'report.html'}")


def _chosen(found: Found, judge: Judge) -> Iterator[Trace]:
    """The solutions that the first method of search chose at its largest size, judged."""
    name = next((one for one in found if one != "best-of-n"), "best-of-n")
    for result in found[name][max(found[name])]:
        trace = result.best
        if trace is None:
            continue
        if result.reference is not None:
            trace = replace(trace, outcome=judge.is_right(trace))
        meta = {**trace.meta, "search": {"method": name, "ended": result.ended}}
        trace = replace(trace, meta=meta)
        yield trace if judge.label is None else trace.with_labels(judge.label(trace))


def _rate(
    exchange: float | None, policy: Policy | None, scorer: RewardModel | None
) -> tuple[float, str]:
    """Tokens of the policy that one of the scorer counts for, and why so many."""
    if exchange is not None:
        return exchange, "given"
    theirs, ours = _num_parameters(policy), _num_parameters(scorer)
    if theirs and ours:
        return ours / theirs, f"{ours:,} parameters of the scorer, {theirs:,} of the policy"
    return 1.0, "token for token: the parameters are not known; --exchange says otherwise"


def _num_parameters(one: object) -> int | None:
    from torch.nn import Module

    module = getattr(one, "model", None)
    return sum(p.numel() for p in module.parameters()) if isinstance(module, Module) else None


def _config(
    files: Sequence[str],
    scorer: str,
    options: Options,
    given: dict[str, Any],
    tasks: Sequence[Task],
) -> Any:
    from surefoot.evals.matched.metrics import KIND
    from surefoot.evals.run import RunConfig

    text = json.dumps([[one.problem, one.reference] for one in tasks])
    data = hashlib.sha256(text.encode()).hexdigest()
    return RunConfig(
        kind=KIND,
        scorer=scorer,
        files=tuple(Path(one).name for one in files),
        options=options,
        more={**given, "data": data},
    )

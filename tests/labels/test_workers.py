"""Worker processes: order, limits of time and memory, crashes, ends of every kind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from surefoot.errors import UsageError, WorkerError
from surefoot.labels.workers import MAX_AHEAD, Crashed, TimedOut, Workers
from worker_calls import behave, modules, noting, process_id, square, start_another

TESTS = Path(__file__).resolve().parents[1]


def alive(pid):
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split()


def test_results_come_in_order_and_calls_are_spread() -> None:
    with Workers(2, 20) as workers:
        assert list(workers.map(square, range(300))) == [n * n for n in range(300)]
        assert len(set(workers.map(process_id, range(12)))) == 2


def test_a_danger_costs_its_own_result_and_no_other() -> None:
    orders = [1, "raise", 2, "hang in C", 3, "crash", 4, "exit", 5, "grow", 6, "deep", 7, "hang", 8]
    orders += ["exit at once", 9]
    with Workers(2, 1.0) as workers:
        results = dict(zip(orders, workers.map(behave, orders), strict=True))
    assert [results[n] for n in range(1, 10)] == [n * n for n in range(1, 10)]
    assert results["hang"] == results["hang in C"] == TimedOut(1.0)
    assert results["raise"] == Crashed("ValueError: no such luck")
    assert results["grow"] == Crashed("MemoryError")
    assert results["crash"] == Crashed("the worker process was killed by signal 11")
    assert results["exit"] == Crashed("SystemExit: 3")
    assert results["exit at once"] == Crashed("the worker process ended with code 3")
    assert "RecursionError" in results["deep"].cause


def test_the_others_of_a_batch_are_done_elsewhere_after_a_crash() -> None:
    orders = [*range(200), "crash", *range(200), "hang", *range(200)]
    with Workers(1, 1.0) as workers:
        results = list(workers.map(behave, orders))
    assert [one for one in results if isinstance(one, int)] == [n * n for n in range(200)] * 3
    assert isinstance(results[200], Crashed)
    assert isinstance(results[401], TimedOut)


def test_a_limit_is_kept_to_the_moment() -> None:
    with Workers(1, 0.5) as workers:
        list(workers.map(square, [1]))
        start = time.monotonic()
        assert list(workers.map(behave, ["hang in C"])) == [TimedOut(0.5)]
        assert 0.45 < time.monotonic() - start < 2.3


def test_a_call_that_turns_its_alarm_off_is_killed_all_the_same() -> None:
    with Workers(1, 0.3) as workers:
        assert list(workers.map(behave, ["deaf", 3])) == [TimedOut(0.3), 9]


def test_a_slow_taker_does_not_make_calls_late() -> None:
    with Workers(1, 0.5) as workers:
        results = workers.map(behave, range(200))
        assert next(results) == 0
        time.sleep(3.0)
        assert list(results) == [n * n for n in range(1, 200)]


def test_a_stream_without_end_is_read_only_so_far_ahead() -> None:
    taken = 0

    def numbers():
        nonlocal taken
        while True:
            yield taken
            taken += 1

    with Workers(2, 10) as workers:
        results = workers.map(square, numbers())
        for i, result in enumerate(islice(results, 5_000)):
            assert result == i * i
            assert taken - i <= 2 * MAX_AHEAD
        results.close()
        assert next(workers.map(square, [7])) == 49


def test_nothing_to_do_starts_nothing() -> None:
    before = children()
    with Workers(2, 10) as workers:
        assert list(workers.map(square, [])) == []
        assert children() == before


def test_no_process_stays_whatever_the_end(tmp_path: Path) -> None:
    before = set(children())

    def broken():
        yield from range(70)
        raise RuntimeError("the source broke")

    with Workers(2, 30) as workers:
        list(workers.map(process_id, range(4)))
    assert set(children()) == before
    with pytest.raises(RuntimeError, match="source broke"), Workers(2, 30) as workers:
        list(workers.map(square, broken()))
    assert set(children()) == before
    with Workers(1, 30) as workers:
        file = tmp_path / "pid"
        results = workers.map(start_another, [str(file)])
        with pytest.raises(KeyboardInterrupt):
            _interrupt_when(results, file)
        until(lambda: not alive(int(file.read_text(encoding="utf-8"))))
    assert set(children()) == before


def _interrupt_when(results, file):
    """Ctrl-C, as soon as a file is written."""

    def ring(signum, frame):
        if file.exists() and file.read_text(encoding="utf-8"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        next(results)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_processes_end_with_the_program_that_started_them(how: int, tmp_path: Path) -> None:
    file = tmp_path / "begun"
    program = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import worker_calls"
    with (tmp_path / "said").open("wb") as said:
        main = subprocess.Popen(
            [sys.executable, "-c", f"{program}; worker_calls.keep_two_busy({str(file)!r})"],
            stderr=said,
        )
    until(lambda: file.exists() and len(file.read_text(encoding="utf-8").split()) == 2)
    workers = [int(pid) for pid in file.read_text(encoding="utf-8").split()]
    assert all(alive(pid) for pid in workers)
    main.send_signal(how)
    main.wait(timeout=20)
    if how == signal.SIGINT:
        assert (tmp_path / "said").read_bytes().count(b"KeyboardInterrupt") == 1
        assert not any(alive(pid) for pid in workers)
    until(lambda: not any(alive(pid) for pid in workers), seconds=6)


def test_an_idle_process_that_is_killed_from_outside_is_replaced() -> None:
    with Workers(1, 10) as workers:
        (pid,) = workers.map(process_id, [0])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        assert list(workers.map(square, [3, 4])) == [9, 16]


def test_what_a_call_prints_does_not_reach_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with Workers(1, 10) as workers:
        assert list(workers.map(behave, ["print"])) == ["print"]
    said = capfd.readouterr()
    assert said.out == ""
    assert "a line on stdout" in said.err


def test_a_result_that_cannot_travel_is_a_crash_of_its_call() -> None:
    with Workers(1, 10) as workers:
        first, second = workers.map(behave, ["unpicklable", 2])
    assert isinstance(first, Crashed)
    assert second == 4


def test_a_process_imports_what_is_asked_and_nothing_heavy() -> None:
    with Workers(1, 10, imports=["colorsys"]) as workers:
        (names,) = workers.map(modules, [0])
    assert "colorsys" in names
    assert not {"torch", "transformers", "sympy", "numpy", "pyarrow"} & set(names)


def test_what_cannot_work_is_said() -> None:
    with pytest.raises(UsageError, match="inside `with"):
        Workers(1, 1).map(square, [1])
    with Workers(1, 5) as workers:
        with pytest.raises(UsageError, match="function of a module"):
            workers.map(lambda n: n, [1])
        first, second = workers.map(square, count()), workers.map(square, [1])
        next(first)
        with pytest.raises(UsageError, match="busy"):
            next(second)
    with pytest.raises(UsageError, match="not there"):
        next(first)
    absent = pytest.raises(UsageError, match="No module named 'no_such_module'")
    with absent, Workers(1, 5, imports=["no_such_module"]) as workers:
        list(workers.map(square, [1]))
    for settings in ({"num_processes": 0}, {"timeout_s": 0}, {"memory_mb": 1}):
        with pytest.raises(UsageError):
            Workers(**{"num_processes": 1, "timeout_s": 1, **settings})


def test_ten_thousand_cheap_calls_take_a_moment(tmp_path: Path) -> None:
    with Workers(2, 10) as workers:
        list(workers.map(square, range(4)))
        start = time.monotonic()
        assert sum(workers.map(square, range(10_000))) == sum(n * n for n in range(10_000))
        assert time.monotonic() - start < 5.0  # 0.4 s on two idle cores


def test_a_partial_function_keeps_its_arguments(tmp_path: Path) -> None:
    with Workers(1, 10) as workers:
        assert list(workers.map(partial(noting, str(tmp_path / "notes")), [5])) == [25]
    assert (tmp_path / "notes").exists()


def test_processes_that_cannot_begin_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fatal_module.py").write_text("import os; os._exit(7)", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WorkerError, match=r"3 worker processes could not begin, .* code 7"):  # noqa: SIM117
        with Workers(2, 5, imports=["fatal_module"]) as workers:
            list(workers.map(square, [1]))

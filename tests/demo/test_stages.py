"""Stages keep what is finished, add up times, and say so when a worker is gone."""

import multiprocessing
import multiprocessing.connection
import os
import shutil
import time

import pytest

from surefoot.demo import workers
from surefoot.demo.stages import Stages, Task
from surefoot.errors import StorageError, WorkerError


def test_a_worker_that_dies_is_a_clear_error(tmp_path):
    task = Task(os._exit, tmp_path / "never", {"status": 9})
    with (
        pytest.raises(WorkerError, match=r"during 'chains'.*run again to go on") as caught,
        Stages(tmp_path, lambda *_: None) as stages,
    ):
        stages.run("chains", [task, task])
    assert caught.value.__cause__ is None
    assert not multiprocessing.active_children()


def test_only_what_is_unfinished_is_done(tmp_path):
    source, done = tmp_path / "source", tmp_path / "done"
    source.write_text("new")
    done.write_text("old")
    told = []
    tasks = [
        Task(shutil.copyfile, made, {"src": source, "dst": made})
        for made in (done, tmp_path / "made")
    ]
    with Stages(tmp_path, lambda *one: told.append(one)) as stages:
        stages.run("copies", tasks)
        stages.run("copies", tasks)
        first = stages.seconds["copies"]
        assert stages.peak_rss_mb > 2 * 30
    assert told[0] == ("copies", 1, 2)
    assert told[-2:] == [("copies", 2, 2), ("copies", 2, 2)]
    assert done.read_text() == "old"
    assert (tmp_path / "made").read_text() == "new"
    (tmp_path / "made").unlink()
    with Stages(tmp_path, lambda *_: None) as again:
        assert again.seconds == {"copies": first}
        again.run("copies", tasks)
        assert again.seconds["copies"] > first


def test_an_error_ends_the_other_workers(tmp_path):
    missing = {"models": (), "data": tmp_path / "no.jsonl", "out": tmp_path / "out.jsonl"}
    tasks = [
        Task(multiprocessing.connection.wait, tmp_path / "a", {"object_list": [], "timeout": 300}),
        Task(workers.score, tmp_path / "b", missing),
    ]
    started = time.monotonic()
    with pytest.raises(StorageError, match=r"no\.jsonl"), Stages(tmp_path, print) as stages:
        stages.run("scores", tasks)
    assert time.monotonic() - started < 100
    assert not multiprocessing.active_children()


def test_work_in_this_process_is_timed(tmp_path):
    told = []
    with Stages(tmp_path, lambda *one: told.append(one)) as stages:
        assert stages.timed("figures", lambda: 7) == 7
    assert told == [("figures", 0, 1), ("figures", 1, 1)]
    assert Stages(tmp_path, print).seconds["figures"] >= 0

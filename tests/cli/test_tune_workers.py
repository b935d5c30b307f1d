"""Two workers on one study in a Postgres server, one of which is killed."""

import json
import os
import re
import signal
import subprocess
import time
from urllib.parse import quote

import pytest

from postgres_server import PASSWORD, USER, programs, serving
from surefoot.errors import StorageError, UsageError
from surefoot.training.tuning.database import address, database_errors, load_study, open_storage


@pytest.fixture(scope="module")
def server():
    """The address of a database."""
    folder = programs()
    if folder is None:
        pytest.skip("there is no Postgres server: neither initdb nor /usr/lib/postgresql")
    with serving(folder) as port:
        yield f"postgresql://{USER}:{quote(PASSWORD)}@127.0.0.1:{port}/postgres"


def worker(surefoot_path, command, storage, log):
    return subprocess.Popen(
        [surefoot_path, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=log.open("w"),
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SUREFOOT_STORAGE": storage},
    )


def ended(log):
    """The numbers of the trials that a worker told of."""
    return [int(one) for one in re.findall(r"^trial (\d+)", log.read_text(), re.MULTILINE)]


@pytest.mark.slow
def test_no_trial_is_done_twice_and_none_is_lost(server, surefoot_path, tune_command, tmp_path):
    out, logs = tmp_path / "study", [tmp_path / f"{name}.log" for name in "ab"]
    command = [*tune_command, "--out", out, "--trials", 5, "--json"]
    first, second = (worker(surefoot_path, command, server, log) for log in logs)
    try:
        while not (ended(logs[0]) and ended(logs[1])):
            assert first.poll() is None, logs[0].read_text()
            assert second.poll() is None, logs[1].read_text()
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        told, _ = second.communicate(timeout=120)
    finally:
        first.kill()
        second.kill()
    assert second.returncode == 0, logs[1].read_text()
    report = json.loads(told)
    one, other = map(ended, logs)
    assert sorted(one + other) == [*range(5)]
    assert report["counts"]["running"] == report["counts"]["waiting"] == 0
    assert len({json.dumps(trial["settings"]) for trial in report["trials"]}) == 5
    assert sorted(int(folder.name) for folder in out.glob("trials/*")) == [*range(5)]
    kept = json.loads((out / "study.json").read_text())
    assert kept["database"].startswith("postgresql+psycopg://tuner:***@127.0.0.1:")
    assert PASSWORD not in (out / "study.json").read_text() + told
    assert not (out / "study.db").exists()
    place = address(server, out)
    with database_errors(place):
        study = load_study(open_storage(place), kept["editions"][0]["study"])
        numbers = [trial.user_attrs["number"] for trial in study.get_trials()]
    assert numbers == [*range(5)]


def test_a_database_that_does_not_let_us_in(server, tmp_path):
    for wrong, said in (
        (server.replace(quote(PASSWORD), "guess"), "password authentication failed"),
        (server.replace("/postgres", "/elsewhere"), '"elsewhere" does not exist'),
        (re.sub(r":\d+/", ":1/", server), "onnection refused"),
    ):
        place = address(wrong, tmp_path)
        with pytest.raises(StorageError) as error, database_errors(place):
            open_storage(place)
        assert said in str(error.value)
        assert PASSWORD not in str(error.value)
        assert "guess" not in str(error.value)
    with pytest.raises(UsageError):
        address("postgresql+nothing://host", tmp_path)

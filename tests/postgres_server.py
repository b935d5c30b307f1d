"""A real Postgres server for tests: a cluster of its own on localhost, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "tuner", "p@ss word"


def programs() -> Path | None:
    """Where `initdb` and `postgres` are: on the path, or where Debian keeps them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    return kept[-1].parent if kept else None


@contextmanager
def serving(bin_folder: Path) -> Iterator[int]:
    """A server that takes `USER` with `PASSWORD`; gives its port. It does not run as root, so root
    lends it another user."""
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    user = _other_user()
    if user is not None:
        shutil.chown(folder, user)
    try:
        word = folder / "password"
        word.write_text(PASSWORD + "\n")
        word.chmod(0o644)
        data = folder / "data"
        make = ["initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", word, "-N"]
        _run([bin_folder / make[0], *make[1:]], user)
        port = _free_port()
        options = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
        server = subprocess.Popen(
            [bin_folder / "postgres", "-D", data, *options, "-F"],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
        )
        try:
            _wait(server, port, folder / "log")
            yield port
        finally:
            server.send_signal(signal.SIGINT)  # which does not wait for clients
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str | Path], user: str | None) -> None:
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and server.poll() is None:
        if "ready to accept connections" in log.read_text():
            return
        time.sleep(0.05)
    raise RuntimeError(f"no server on port {port}: {log.read_text()}")


def _other_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

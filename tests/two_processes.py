"""Two processes that train together on one CPU, as a launcher starts them."""

import signal
import socket
from pathlib import Path

from forked import Started


def started(data, out, *names):
    """Two processes that train as the configs `data / name.json` say, one after the other; the
    first one tells of every update."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    return [
        Started(
            train_all,
            *(data, out, names),
            environment={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]


def killed(pair, moment):
    """Kill both at once when the first one says a certain thing; gives all it said."""
    said = []
    for line in pair[0].lines():
        said.append(line.strip())
        if said[-1] == moment:
            for one in pair:
                one.kill()
    assert [one.ended() for one in pair] == [-signal.SIGKILL] * 2, said
    progress = moment.rpartition(" ")[0]  # of which the other one does not tell
    assert not any(line.startswith(progress) for line in pair[1].lines())
    return said


def train_all(data, out, names):
    """What each of them runs."""
    from surefoot.models import engine
    from surefoot.traces.store import read_traces
    from surefoot.training.config import RewardConfig
    from surefoot.training.reward import train

    engine.NARROW = 0
    traces, development = (list(read_traces(data / f"{one}.jsonl")) for one in ("train", "dev"))
    for name in names:
        config = RewardConfig.load(data / f"{Path(name).name}.json")
        train(
            traces,
            out / name,
            config,
            development=development,
            on_update=lambda done, *_, name=name: print(name, done, flush=True),
        )

import json
import subprocess
import sys

import surefoot

PROBE = """
import json, sys, time
started = time.perf_counter()
import surefoot
{use}
seconds = time.perf_counter() - started
heavy = {{"torch", "transformers", "numpy", "pyarrow", "matplotlib"}} & set(sys.modules)
print(json.dumps([seconds, sorted(heavy)]))
"""


def probe(use: str) -> tuple[float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(use=use)], capture_output=True, text=True, check=True
    )
    seconds, heavy = json.loads(done.stdout)
    return seconds, heavy


def test_import_is_light_and_quick():
    runs = [probe("") for _ in range(5)]
    assert all(heavy == [] for _, heavy in runs)
    assert min(seconds for seconds, _ in runs) < 0.3


def test_traces_and_their_store_are_light():
    use = (
        "surefoot.Trace('p', ['a']), surefoot.StepLabels((1,));"
        "surefoot.StepScores((.5,), 'm').loss();"
        "import surefoot.traces.store, surefoot.traces.split"
    )
    assert probe(use)[1] == []


def test_all_is_sorted_and_true():
    assert surefoot.__all__ == sorted(surefoot.__all__)
    assert dir(surefoot) == surefoot.__all__
    for name in surefoot.__all__:
        assert getattr(surefoot, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(surefoot, "no_such_name")

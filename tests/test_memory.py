import subprocess
import sys

CHILD = "from surefoot.memory import peak_rss_mb; {work}; print(peak_rss_mb())"


def child_peak(work):
    command = [sys.executable, "-c", CHILD.format(work=work)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_what_was_held_and_let_go_counts():
    small = child_peak("pass")
    large = child_peak("held = bytearray(b'x') * 200_000_000; del held")
    assert 180 < large - small < 230


def test_the_memory_of_the_parent_does_not_count():
    ballast = bytearray(b"x") * 300_000_000
    assert child_peak("pass") < 150
    assert len(ballast) == 300_000_000

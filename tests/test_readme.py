"""The README tells the truth: its program prints what stands below it, and its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
SUREFOOT = Path(sys.executable).with_name("surefoot")


def test_the_program_prints_what_stands_below_it():
    programs = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", README, flags=re.DOTALL)
    assert len(programs) == 1
    program, printed = programs[0]
    assert "0.7239" in printed
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == printed


def test_every_command_exists():
    verbs = set(re.findall(r"`surefoot ((?:eval )?[a-z]+)", README))
    assert {"score", "convert", "eval", "report"} <= verbs
    for verb in verbs:
        result = subprocess.run(
            [SUREFOOT, *verb.split(), "--help"], capture_output=True, text=True, timeout=60
        )
        assert result.returncode == 0, f"surefoot {verb}: {result.stderr}"
        assert f"Usage: surefoot {verb}" in result.stdout


def test_every_file_it_points_to_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).resolve().parents[1] / target).exists(), target

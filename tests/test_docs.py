"""The programs in the pages of `docs` run, one after the other as a reader would."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize(
    ("page", "printed"),
    [
        (
            "scoring.md",
            ["(0.95, 0.05) 1 0.05", "('3*4 = 12.', '12+5 = 17.', 'The answer is 17.')"],
        ),
        ("labels.md", ["4 first-error", "(1, -1, None)"]),
        ("training.md", ["60 True\n2\n"]),
        ("search.md", ["'The answer is 3.')\ndone 2 80\n"]),
        ("tuning.md", ["True {'loop.lr': 0."]),
        (
            "evaluation.md",
            [
                "Estimate(mean=1.0, low=1.0, high=1.0) True",
                "majority [0.4, 0.4, 0.3, 0.0]\nprm:min",
                "6 + 4 = 10.') ((0,), (2,))",
            ],
        ),
    ],
)
def test_the_programs_of_a_page_run(page, printed, tmp_path):
    program = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for one in printed:
        assert one in done.stdout


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_every_file_a_page_points_to_exists(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target

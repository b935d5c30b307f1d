"""The closing table of a run, as text."""

import io

from rich.console import Console

from surefoot.reports.terminal import summary_table


def printed(summary, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")
    console.print(summary_table(summary))
    return console.file.getvalue()


def lines(summary):
    text = Console(file=io.StringIO(), width=80)
    text.print(summary_table(summary))
    return [line.rstrip() for line in text.file.getvalue().splitlines()]


def row(summary, label):
    return next(line for line in lines(summary) if line.startswith(label + " ")).split("  ")


def test_right_and_sound_stand_side_by_side(summary):
    header = lines(summary)[1].split()
    assert header == ["N", "=", "1", "N", "=", "4", "N", "=", "16"]
    cells = [cell.strip() for cell in row(summary, "PRM vote")[1:] if cell]
    assert cells == ["40.0 / 30.0", "60.0 / 45.0", "80.0 / 60.0"]


def test_it_fits_a_terminal_even_at_one_hundred_percent(summary):
    summary["best_of_n"] = {
        name: {str(n): sizes["16"] for n in (1, 2, 4, 8, 16, 32, 64)}
        for name, sizes in summary["best_of_n"].items()
    }
    found = lines(summary)
    assert found[1].split() == ["N", "=", "1", "N", "=", "4", "N", "=", "16", "N", "=", "64"]
    assert max(map(len, found)) <= 80
    assert "…" not in "".join(found)
    assert "100.0 / 75.0" in "".join(found)


def test_the_largest_n_is_shown_whatever_it_is(summary):
    for sizes in summary["best_of_n"].values():
        sizes["24"] = sizes["16"]
    assert lines(summary)[1].split()[-1] == "24"


def test_the_best_is_bold_and_the_oracle_never_is(summary):
    for line in printed(summary).splitlines():
        if "oracle" in line:
            assert "\x1b[1m" not in line
        if "PRM vote" in line:
            assert "\x1b[1m 40.0" not in line  # with one candidate there is no best
            assert "\x1b[1m 80.0" in line
            assert "\x1b[1m 60.0\x1b[0m" in line
        if "PRM + log-prob" in line:
            assert "\x1b[1m 62.0" in line
            assert "\x1b[1m 70.0" not in line


def test_a_figure_that_is_not_known_is_a_dash(summary):
    summary["best_of_n"]["random"]["16"]["sound"] = None
    del summary["best_of_n"]["random"]["4"]
    cells = [cell.strip() for cell in row(summary, "random")[1:] if cell.strip()]
    assert cells == ["40.0 / 30.0", "– /", "–", "40.0 /", "–"]

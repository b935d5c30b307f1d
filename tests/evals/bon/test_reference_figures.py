"""The public pools with the cached scores of public models give the figures of another program."""

import pytest

from reference_pools import GSM8K, GSM8K_VOTES, MATH500, MATH500_VOTES, NS
from surefoot.evals.benchmark import Options
from surefoot.evals.bon.joining import join
from surefoot.evals.bon.measuring import BonOptions, measure
from surefoot.evals.bon.preparing import prepare
from surefoot.labels.answers import AnswerCheck
from surefoot.traces.convert import read_any

CLOSED, VOTES = 0.01, 0.5
"""Points by which rows in closed form, and votes, may differ."""

ROUNDED = {("math500", "qwen_prm:mean"): 0.017}
"""Where the other program let rounding break ties among means; ours tie where exact fractions do
(`test_pools`)."""


def measured(folder, data, answer_column):
    traces = list(read_any(str(folder / f"bon_{data}_32.jsonl.gz")))
    prepared = prepare(
        {data: traces}, check=AnswerCheck(algebra=False), answer_column=answer_column
    )
    files = [
        (str(file), file.name.removeprefix("scores_").removesuffix(f"_{data}.jsonl.gz"))
        for file in sorted(folder.glob(f"scores_*_{data}.jsonl.gz"))
    ]
    joined = join(prepared.traces, files, strict=True)
    assert all(one["joined"] == len(traces) for one in joined.files.values())
    options = BonOptions(options=Options(num_resamples=2), num_subsets=256)
    (result,) = measure(joined.traces, joined.models, options)
    return result


@pytest.mark.parametrize(
    ("data", "answer_column", "figures", "votes"),
    [
        ("gsm8k", "final_number", GSM8K, GSM8K_VOTES),
        ("math500", "boxed", MATH500, MATH500_VOTES),
    ],
)
def test_reference_figures(shared_data, data, answer_column, figures, votes):
    result = measured(shared_data, data, answer_column)

    def share(method, n):
        return 100 * result.estimate(method, n).mean

    for method, row in figures.items():
        allowed = VOTES if method == "majority" else ROUNDED.get((data, method), CLOSED)
        for n, expected in zip(NS, row, strict=True):
            assert share(method, n) == pytest.approx(expected, abs=allowed), (method, n)
    for method, row in votes.items():
        for n, expected in zip((8, 32), row, strict=True):
            assert share(f"{method}_vote", n) == pytest.approx(expected, abs=VOTES), (method, n)
    assert all(result.exact["majority"].values())
    assert share("majority", 32) == pytest.approx(figures["majority"][-1], abs=CLOSED)

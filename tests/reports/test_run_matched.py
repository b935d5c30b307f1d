"""The picture of methods of search: every line is there, over round numbers of tokens."""

import re

from surefoot.reports.run_matched import pictures


def estimate(mean):
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def line(name, kind, *points):
    return {
        "name": name,
        "kind": kind,
        "points": [
            {"n": n, "accuracy": estimate(right), "policy tokens": tokens and estimate(tokens)}
            for n, right, tokens in points
        ],
    }


def test_every_line_is_drawn_over_tokens_in_plain_numbers():
    found = {
        "lines": [
            line("beam", "search", (1, 0.4, 90.0), (16, 0.8, 1422.0)),
            line("best-of-n", "best of n", (1, 0.4, 90.0), (16, 0.7, 1445.0)),
            line("one <sample>", "control", (1, 0.35, 91.0)),
            line("unmeasured", "search", (1, 0.4, None)),
        ]
    }
    for picture in pictures(found):
        told = re.search(r"<title>(.*?)</title>", picture.svg)[1]
        assert "beam 80.0 % at 1,422 tokens; best-of-n 70.0 % at 1,445 tokens" in told
        assert "one &lt;sample&gt; 35.0 % at 91 tokens" in told
        assert "unmeasured" not in told
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)
        assert {"100", "200", "500", "1,000", "beam", "best-of-n"} <= set(texts)
        assert "mathdefault" not in picture.svg
    assert pictures(found)[0].svg != pictures(found)[1].svg

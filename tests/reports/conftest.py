"""A made summary of a run, small enough to reckon by hand."""

import pytest

MEANS = {
    "prm_vote": (0.40, 0.60, 0.80),
    "prm_logprob": (0.40, 0.62, 0.70),
    "prm_product": (0.40, 0.56, 0.30),
    "orm_vote": (0.40, 0.50, 0.55),
    "orm": (0.40, 0.38, 0.25),
    "majority": (0.40, 0.50, 0.58),
    "logprob": (0.40, 0.55, 0.60),
    "step_length": (0.40, 0.40, 0.41),
    "random": (0.40, 0.40, 0.40),
    "oracle": (0.40, 0.75, 1.00),
}
SIZES = (1, 4, 16)
FLAWED = 0.25


def estimate(mean, half=0.05):
    return {"mean": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half)}


def pair(method, against, n, figure, mean, half):
    difference = {"mean": mean, "low": mean - half, "high": mean + half}
    return {
        "method": method,
        "against": against,
        "n": n,
        "figure": figure,
        "difference": difference,
        "p_value": 0.002 if abs(mean) > half else 0.4,
    }


@pytest.fixture
def summary():
    best_of_n = {
        name: {
            str(n): {
                "accuracy": estimate(mean),
                "sound": estimate(mean * (1 - FLAWED)),
                "flawed_share": estimate(FLAWED),
            }
            for n, mean in zip(SIZES, means, strict=True)
        }
        for name, means in MEANS.items()
    }
    first_errors = {
        name: {
            "first_error_f1": estimate(f1),
            "first_error_f1_tuned": estimate(f1 + 0.05),
            "acc_error": estimate(f1 - 0.1),
            "acc_correct": estimate(f1 + 0.1),
        }
        for name, f1 in {"prm": 0.6, "orm": 0.2, "arithmetic": 0.4}.items()
    }
    return {
        "seed": 7,
        "config": {"preset": "quick", "policy": {"layers": 3}},
        "sizes": {"test problems": 12345},
        "seconds": {"policy": 65.25},
        "peak_rss_mb": 1312.5,
        "policy": {
            "accuracy": estimate(0.4),
            "sound": estimate(0.3),
            "flawed_share": estimate(FLAWED),
        },
        **first_errors,
        "best_of_n": best_of_n,
        "paired": [
            pair("prm_vote", "majority", 16, "accuracy", 0.22, 0.05),
            pair("prm_vote", "orm_vote", 16, "accuracy", 0.25, 0.3),
            pair("prm_logprob", "logprob", 16, "accuracy", -0.1, 0.02),
            pair("prm_vote", "majority", 16, "flawed_share", -0.1, 0.05),
            pair("prm_vote", "orm_vote", 16, "flawed_share", 0.1, 0.05),
        ],
    }

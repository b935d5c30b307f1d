"""`surefoot gateway`: what it refuses before it listens."""

import socket

import pytest

from abc_chains import abc_policy
from surefoot.cli import main


@pytest.fixture
def policy(small_model, tmp_path):
    abc_policy(small_model, five=2, six=1, end=3).save(tmp_path / "abc")
    return str(tmp_path / "abc")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--token-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE of --token-env is empty"),
        (["--method", "magic"], "there is no method 'magic'"),
        (["--method", "beam"], "'beam' without a reward model; there is majority"),
        (["--method", "majority-65"], "more than the 64 draws"),
        (["--max-tokens", "0"], "tokens is 0"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_loaded(capsys, policy, options, sentence):
    assert main(["gateway", "--policy", policy, "--port", "0", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys, policy):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["gateway", "--policy", policy, "--port", str(port)]) == 1
    assert "in use" in capsys.readouterr().err

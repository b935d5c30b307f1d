"""`surefoot move` writes settings that `surefoot train` takes."""

import json

from surefoot.training.config import RewardConfig

SCRIPT = "python prm.py --model_name_or_path BASE --dataset_name ROWS --max_steps 2 --new_option 1"


def test_settings_a_command_and_what_is_left_out(surefoot, tmp_path):
    file, out = tmp_path / "prm.sh", tmp_path / "training.json"
    file.write_text(SCRIPT)
    done = surefoot("move", "trl", file, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"surefoot train ROWS --config {out} --out prm\n"
    assert "--new_option: not known here, and left out" in done.stderr
    assert RewardConfig.load(out).base == "BASE"
    piped = surefoot("move", "trl", "-", "--out", out, "--json", stdin=SCRIPT)
    found = json.loads(piped.stdout)
    assert found["command"] == done.stdout.strip()
    assert found["notes"] == done.stderr.splitlines()


def test_what_cannot_move_is_refused_and_nothing_is_written(surefoot, tmp_path):
    file, out = tmp_path / "x.yaml", tmp_path / "training.json"
    file.write_text("reward_model: true\n")
    done = surefoot("move", "axolotl", file, "--out", out)
    assert done.returncode == 2
    assert f"error: {file}: only trainings that say" in done.stderr
    assert not out.exists()
    missing = surefoot("move", "axolotl", tmp_path / "none.yaml")
    assert missing.returncode == 1
    assert "none.yaml cannot be read" in missing.stderr

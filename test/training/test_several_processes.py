"""Several processes train as one does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from depth_perception.cli.main import main
from depth_perception.data.worlds import FolderOptions, write_folder
from depth_perception.geometry import Equirectangular

RECIPE = """
name: two
model: {name: panda-tiny}
data: {root: ROOT, val_root: ROOT, sizes: [{start: 0, height: 28}], sky: far}
losses: [{kind: l1}]
optim: {lr: 1.0e-3, clip: 1.0, ema: 0.9}
run: {steps: 3, batch: 4, accumulate: 2, val_every: 1, val_frames: 3, log_every: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    options = FolderOptions(frames_per_world=2, shadows=False, antialias=False)
    list(write_folder(tmp_path / "worlds", range(3), Equirectangular(28, 56), options))
    path = tmp_path / "two.yaml"
    path.write_text(RECIPE.replace("ROOT", str(tmp_path / "worlds")))
    return str(path)


def test_two_processes_give_the_loss_curve_of_one(recipe: str, tmp_path: Path) -> None:
    assert main(["train", recipe, "--out", str(tmp_path / "one"), "--device", "cpu"]) == 0
    command = [sys.executable, "-m", "depth_perception.cli.main", "train", recipe]
    options = ["--out", str(tmp_path / "two"), "--device", "cpu", "--devices", "2"]
    subprocess.run(command + options, check=True, timeout=120)
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [line["step"] for line in one] == [line["step"] for line in two] == [1, 2, 3]
    for first, second in zip(one, two, strict=True):
        for name in ("loss", "loss/l1", "val/abs_rel", "val/a1", "lr"):
            assert second[name] == pytest.approx(first[name], rel=1e-4), name
    assert (tmp_path / "two" / "last.safetensors").is_file()


@pytest.mark.parametrize("override", ["run.workers=2", "run.max_minutes=5"])
def test_what_is_for_one_process_is_refused_with_two(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str
) -> None:
    options = ["--out", str(tmp_path), "--device", "cpu", "--devices", "2"]
    assert main(["train", recipe, override, *options]) == 1
    assert "workers and max_minutes are for one process" in capsys.readouterr().err

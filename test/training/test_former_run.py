"""A run that version 0.1 began goes on."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import torch
from test_former_version import FORMER
from training.test_every_recipe import STEPS, small

from depth_perception.data.tiny import write_tiny
from depth_perception.training.run import train


def test_an_unfinished_run_goes_on(tmp_path: Path) -> None:
    write_tiny("3d60", tmp_path / "data")
    training, data = small("omnidepth-rectnet", lambda name: str(tmp_path / "data"), tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    state = lzma.decompress((FORMER / "run" / "last.ckpt.xz").read_bytes())
    (folder / "last.ckpt").write_bytes(state)
    former = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)
    assert former["global_step"] == STEPS // 2
    seen: list[int] = []
    before = former["state_dict"]
    training.on_train_batch_start = lambda *_: (
        seen.append(training.global_step) if not seen else None
    )
    train(training, data, folder, device="cpu", resume=True)
    assert seen[0] == STEPS // 2
    assert training.global_step == STEPS
    assert before.keys() == training.state_dict().keys()
    steps = [json.loads(line)["step"] for line in (folder / "history.jsonl").open()]
    assert min(steps) > STEPS // 2

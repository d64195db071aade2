"""``eval MODEL worlds --protocol panoptic``: segments of labelled worlds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.data.world_options import FolderOptions
from depth_perception.data.worlds import write_folder
from depth_perception.geometry import Equirectangular, Pinhole
from depth_perception.systems import build_network, save_network

CAMERAS = {
    "panolite-panoptic-tiny": Pinhole.from_fov(64, 128, 1.5),
    "panolite-panoptic-tiny-360": Equirectangular(64, 128),
}


@pytest.mark.parametrize("model", CAMERAS)
def test_segments_of_worlds_are_scored(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = FolderOptions("street", 1, labels=True, shadows=False, antialias=False)
    list(write_folder(tmp_path / "worlds", (0,), CAMERAS[model], options))
    torch.manual_seed(0)
    network = build_network(model)
    with torch.no_grad():
        network.panoptic["classes"].weight.zero_()
        network.panoptic["classes"].bias.zero_()
        network.panoptic["classes"].bias[8:12] = 5.0  # building everywhere
    save_network(network, tmp_path / "weights.safetensors")
    arguments = ["--protocol", "panoptic", "--checkpoint", str(tmp_path / "weights.safetensors")]
    arguments += ["--json", str(tmp_path / "found.json")]
    assert main(["eval", model, "worlds", str(tmp_path / "worlds"), *arguments]) == 0
    found = json.loads((tmp_path / "found.json").read_text())["evaluations"][0]
    building, road = (found["classes"][name] for name in ("building", "road"))
    assert building["matched"] + building["wrong"] == 1
    assert (road["matched"], road["missed"]) == (0, 1)
    assert found["found"]["cars"][0] == 0
    assert found["depth"]["abs_rel"] > 0
    assert "persons within 15 m found: 0 of" in capsys.readouterr().out


def test_models_without_segments_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "panolite-tiny", "worlds", str(tmp_path), "--protocol", "panoptic"]) == 1
    assert "panolite-tiny predicts no segments" in capsys.readouterr().err

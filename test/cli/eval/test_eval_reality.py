"""The command eval on real images with measured depth, and the height of the camera in eval."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.data.files import write_rgb
from depth_perception.data.tiny import write_tiny
from depth_perception.systems import build_network, save_network

MODEL = "panolite-tiny"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_network(build_network(MODEL), path)
    return path


def evaluated(data: str, root: Path, weights: Path, report: Path, *more: str) -> dict:
    args = ["eval", MODEL, data, str(root), "--checkpoint", str(weights), "--json", str(report)]
    assert main([*args, "--device", "cpu", *more]) == 0
    return json.loads(report.read_text())


def write_real(root: Path, name: str, depth_m: np.ndarray, **about: object) -> None:
    write_rgb(root / f"{name}.jpg", torch.full((3, 40, 120), 128, dtype=torch.uint8))
    np.savez_compressed(root / f"{name}.depth.npz", depth=depth_m.astype(np.float32))
    camera = {"model": "equirectangular", "fov_deg": [360, 120]}
    (root / f"{name}.camera.json").write_text(json.dumps(camera | about))


def test_each_real_image_is_scored_as_it_is_scaled_and_beside_a_constant(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "real" / "inner"
    depth_m = np.full((20, 60), 3.0)
    depth_m[:5], depth_m[5:8] = np.nan, 50.0
    write_real(root, "high", depth_m, camera_height_m=3.0)
    write_real(root, "low", depth_m, camera_height_m=0.3)
    write_real(root, "unscaled", depth_m, depth_scale_known=False)
    write_real(root, "narrow", depth_m, model="pinhole", K=None)
    content = evaluated("reality", tmp_path / "real", weights, tmp_path / "e.json")
    high, low, unscaled = content["images"]
    assert [one["name"] for one in content["images"]] == [
        "inner/high",
        "inner/low",
        "inner/unscaled",
    ]
    assert low["factor"] == pytest.approx(10 * high["factor"], rel=1e-4)
    assert low["scaled"] == pytest.approx(high["scaled"], rel=1e-3)
    assert np.isnan(unscaled["metric"]).all()
    assert high["constant"] == [0, 1]  # beyond 20 m does not count
    assert high["compared"] == 1
    assert "mean of 3" in capsys.readouterr().out
    assert main(["eval", "panda-small", "reality", str(root)]) == 1
    assert "is not metric" in capsys.readouterr().err


def test_a_file_without_depth_is_named(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_real(tmp_path, "one", np.full((20, 60), 3.0))
    np.savez_compressed(tmp_path / "one.depth.npz", range=np.ones((20, 60)))
    arguments = ["eval", MODEL, "reality", str(tmp_path), "--checkpoint", str(weights)]
    assert main([*arguments, "--device", "cpu"]) == 1
    assert f"{tmp_path / 'one.depth.npz'} holds no array depth but range" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is damaged"),
        ("[]", "states no model"),
        ("{}", "states no model"),
        ('{"model": "equirectangular"}', "states no fov_deg"),
    ],
)
def test_an_incomplete_file_about_a_camera_is_named(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    write_real(tmp_path, "one", np.full((20, 60), 3.0))
    (tmp_path / "one.camera.json").write_text(content)
    arguments = ["eval", MODEL, "reality", str(tmp_path), "--checkpoint", str(weights)]
    assert main([*arguments, "--device", "cpu"]) == 1
    assert f"{tmp_path / 'one.camera.json'} {told}" in capsys.readouterr().err


def test_the_height_of_the_camera_of_worlds_reaches_the_model(
    weights: Path, tmp_path: Path
) -> None:
    write_tiny("worlds", tmp_path / "worlds")
    index = tmp_path / "worlds" / "frames.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    before = evaluated("worlds", tmp_path / "worlds", weights, tmp_path / "a.json", "--median")
    for line in lines:
        line["camera_height_m"] *= 10
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scaled = evaluated("worlds", tmp_path / "worlds", weights, tmp_path / "b.json", "--median")
    taller = evaluated("worlds", tmp_path / "worlds", weights, tmp_path / "c.json")
    first, second, third = (d["evaluations"][0]["metrics"] for d in (before, scaled, taller))
    assert second["abs_rel"] == pytest.approx(first["abs_rel"], rel=1e-4)
    assert third["abs_rel"] > 2 * first["abs_rel"]

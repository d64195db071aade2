"""Data sets on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_perception.data.worlds import (
    FolderOptions,
    WorldFolder,
    make_world,
    render,
    sensor_effects,
    write_folder,
)
from depth_perception.data.worlds.folder import MAX_RANGE_M, frame_pose
from depth_perception.geometry import Equirectangular

CAMERA = Equirectangular(20, 40)
OPTIONS = FolderOptions(frames_per_world=2, split="val", labels=True, normals=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("worlds")
    assert list(write_folder(root, [4, 7], CAMERA, OPTIONS)) == [4, 7]
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "frames").iterdir()}


def test_frames_come_back_as_rendered(folder: Path) -> None:
    data = WorldFolder(folder)
    assert len(data) == 4
    for index, entry in enumerate(data.frames):
        world = make_world("any", entry["seed"])
        pose = frame_pose(world, entry["index"], 2)
        assert torch.equal(data.pose(index), pose)
        assert (entry["kind"], entry["split"]) == (world.kind, "val")
        frame = render(world, CAMERA, pose, antialias=True)
        item = data[index]
        assert item.name == entry["stem"]
        assert torch.equal(item.rgb, frame.rgb.permute(2, 0, 1))
        near = frame.range_m <= MAX_RANGE_M
        assert torch.equal(item.range_m > 0, near)
        assert float((item.range_m - frame.range_m)[near].abs().max()) < 6e-4
        assert torch.equal(data.classes(index), frame.classes)
        assert torch.equal(data.instances(index), frame.instances)


def test_what_is_there_is_kept_and_the_rest_is_added(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    list(write_folder(root, [4], CAMERA, OPTIONS))
    times = {p: p.stat().st_mtime_ns for p in (root / "frames").iterdir()}
    with (root / "frames.jsonl").open("a") as index:
        index.write('{"stem": "00000007_0')
    assert len(WorldFolder(root)) == 2
    assert list(write_folder(root, [4, 7], CAMERA, OPTIONS)) == [4, 7]
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert contents(root) == contents(folder)
    assert (root / "frames.jsonl").read_text() == (folder / "frames.jsonl").read_text()


def test_processes_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert sorted(write_folder(tmp_path / "set", [7, 4], CAMERA, OPTIONS, workers=1)) == [4, 7]
    assert contents(tmp_path / "set") == contents(folder)


def test_another_data_set_is_not_mixed_in(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(ValueError, match=r"dataset\.json describes another data set"):
        list(write_folder(folder, [5], Equirectangular(22, 44), OPTIONS))
    assert contents(folder) == before


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder of worlds"):
        WorldFolder(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"format": "other", "version": 1}))
    with pytest.raises(ValueError, match="other"):
        WorldFolder(tmp_path)


def test_sensor_effects_repeat_and_stay_mild() -> None:
    rgb = torch.from_numpy(np.tile(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (50, 1, 3)))
    noisy = sensor_effects(rgb, (1, 2))
    assert torch.equal(noisy, sensor_effects(rgb, (1, 2)))
    assert not torch.equal(noisy, sensor_effects(rgb, (1, 3)))
    assert float((noisy.float() - rgb.float()).abs().mean()) < 60
    assert torch.equal(sensor_effects(rgb, (1, 2), strength=0.0), rgb)


def test_workers_end_when_their_parent_was_killed() -> None:
    """A pool whose parent is gone would wait for work for ever."""
    text = "import os, time; from depth_perception.data.worlds.folder import _begin_worker; "
    text += "_begin_worker(os.getppid() + 1); time.sleep(300)"
    assert subprocess.run([sys.executable, "-c", text], timeout=250, check=False).returncode == 1

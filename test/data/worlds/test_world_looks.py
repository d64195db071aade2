"""Other looks of a world."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depth_perception.data.panoramas import open_images
from depth_perception.data.worlds import (
    FolderOptions,
    WorldFolder,
    make_world,
    render,
    write_folder,
)
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.data.worlds.looks import restyled, wild_camera, with_look
from depth_perception.geometry import Equirectangular

CAMERA = Equirectangular(24, 48)
GEOMETRY = ("range_m", "normals", "classes", "instances", "solids")


@pytest.mark.parametrize("kind", ["room", "street"])
def test_a_look_changes_the_picture_and_nothing_else(kind: str) -> None:
    world = make_world(kind, 3)
    pose = frame_pose(world, 0, 1)
    usual, wild, again, other = (
        render(w, CAMERA, pose)
        for w in (world, with_look(world, "wild"), restyled(world, 3), restyled(world, 4))
    )
    for name in GEOMETRY:
        assert torch.equal(getattr(usual, name), getattr(wild, name))
        assert torch.equal(getattr(usual, name), getattr(other, name))
    assert torch.equal(wild.rgb, again.rgb)
    for first, second in ((usual, wild), (wild, other)):
        assert float((first.rgb.float() - second.rgb.float()).abs().mean()) > 15
    assert with_look(world, "usual") is world
    with pytest.raises(ValueError, match="no look 'real'; take usual or wild"):
        with_look(world, "real")  # type: ignore[arg-type]


def test_haze_hides_what_is_far() -> None:
    world = make_world("street", 3)
    pose = frame_pose(world, 0, 1)
    clear = replace(world, light=replace(world.light, haze_m=1e9))
    misty = replace(world, light=replace(world.light, haze_m=20.0))
    first, second = (render(w, CAMERA, pose) for w in (clear, misty))
    change = (first.rgb.float() - second.rgb.float()).abs().mean(2)
    near = first.range_m < 2
    far = (first.range_m > 12) & torch.isfinite(first.range_m)
    sky = torch.isinf(first.range_m)
    assert all(part.any() for part in (near, far, sky))
    assert float(change[near].mean()) * 2 < float(change[far].mean())
    assert not change[sky].any()


def test_the_camera_of_the_wild_look_follows_its_seed() -> None:
    rgb = render(make_world("room", 3), CAMERA, frame_pose(make_world("room", 3), 0, 1)).rgb
    one, two, other = (wild_camera(rgb, seed) for seed in ((3, 8, 0), (3, 8, 0), (3, 8, 1)))
    assert (one.dtype, one.shape) == (torch.uint8, rgb.shape)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    dark = rgb // 6
    assert wild_camera(dark, (1,)).float().mean() > 1.5 * dark.float().mean()  # exposes it


def test_folders_of_both_looks_have_the_same_truth(tmp_path: Path) -> None:
    folders = {}
    for look in ("usual", "wild"):
        options = FolderOptions(frames_per_world=1, look=look, labels=True)
        list(write_folder(tmp_path / look, [3, 4], CAMERA, options))
        folders[look] = WorldFolder(tmp_path / look)
        assert folders[look].info["options"]["look"] == look
    for index in range(2):
        usual, wild = (folders[look][index] for look in ("usual", "wild"))
        assert torch.equal(usual.range_m, wild.range_m)
        assert torch.equal(folders["usual"].classes(index), folders["wild"].classes(index))
        assert not torch.equal(usual.rgb, wild.rgb)
    pictures = open_images("worlds", tmp_path / "wild")
    assert len(pictures) == 2
    assert torch.equal(pictures[1], folders["wild"][1].rgb)
    assert pictures.label_name(1) == "frames/00000004_000_rgb.npy"


def test_a_folder_written_before_there_were_looks_goes_on(tmp_path: Path) -> None:
    options = FolderOptions(frames_per_world=1)
    list(write_folder(tmp_path, [3], CAMERA, options))
    described = tmp_path / "dataset.json"
    info = json.loads(described.read_text())
    del info["options"]["look"]
    described.write_text(json.dumps(info))
    assert list(write_folder(tmp_path, [3, 4], CAMERA, options)) == [3, 4]
    with pytest.raises(ValueError, match="another data set"):
        list(write_folder(tmp_path, [5], CAMERA, replace(options, look="wild")))

"""Readers of panoramic data sets against the original ones, and in layouts written by ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
import torch
from golden.reference import Case, case

from depth_perception.data.panoramas import (
    PANORAMA_IMAGES,
    PANORAMAS,
    open_images,
    open_panoramas,
    write_panorama_images,
    write_panoramas,
)
from depth_perception.io.images import write_image
from depth_perception.training.panda.augment import turn
from depth_perception.training.panda.frames import DataRecipe, FrameFiles, make_target, normalise
from depth_perception.training.panda.student_task import LabelledImages, UnlabelledRecipe

SHORT = {
    "structured3d": "s3d", "deep360": "deep360", "matterport3d": "m3d", "stanford2d3d": "s2d",
}  # fmt: skip
TARGETS = {
    "structured3d": {"target": "quantiles", "max_depth_m": 100.0},
    "deep360": {"target": "quantiles", "max_depth_m": 100.0},
    "matterport3d": {"beyond": "ignore", "max_depth_m": 10.0},
    "stanford2d3d": {"beyond": "ignore", "max_depth_m": 10.0},
}


@dataclass(frozen=True)
class Item:
    rgb: torch.Tensor
    range_m: torch.Tensor


@pytest.fixture(scope="module")
def golden() -> Case:
    return case("datasets")


def items(count: int, height: int = 16, most_m: float = 9.0) -> list[Item]:
    """Smooth panoramas without range at the lower border."""
    found = []
    for number in range(count):
        waves = torch.linspace(0, 6.28, 2 * height).sin().expand(height, -1)
        range_m = most_m * (0.5 + 0.4 * waves.roll(number, 1))
        range_m[-1] = 0
        rgb = (25 * range_m / most_m * 9).to(torch.uint8).expand(3, -1, -1).clone()
        found.append(Item(rgb, range_m))
    return found


@pytest.mark.parametrize("changed", [False, True], ids=["plain", "augmented"])
@pytest.mark.parametrize("name", PANORAMAS)
def test_a_frame_is_that_of_the_original(
    golden: Case, tmp_path: Path, name: str, changed: bool
) -> None:
    g, short = golden.arrays, SHORT[name]
    image, depth = (tmp_path / part for part in PANORAMAS[name].place("train", 1))
    for path in (image, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    rgb = g["deep360_rgb" if name == "deep360" else "rgb"].numpy()
    write_image(image.with_suffix(".png"), rgb)  # without the loss of a JPEG
    image.with_suffix(".png").rename(image)
    if name == "deep360":
        np.savez(depth, g["deep360_depth"].numpy())
    else:
        cv2.imwrite(str(depth), g[f"{short}_depth_png"].numpy())
    frames = FrameFiles([open_panoramas(name, tmp_path)])
    rgb, range_m = frames.at((0,), golden.options["height"])
    if changed:
        rng = Random(golden.entry["input"]["python_random_seed"][f"{short}_train"])
        shift = torch.tensor([rng.randint(0, golden.options["width"])])
        mirror = torch.tensor([rng.random() > 0.5])
        rgb, range_m = turn(rgb, shift, mirror), turn(range_m, shift, mirror)
    target, mask = make_target(range_m, DataRecipe("x", **TARGETS[name]))
    kind = f"{short}_{'train' if changed else 'eval'}"
    torch.testing.assert_close(normalise(rgb)[0], g[f"{kind}_rgb"], atol=0.02, rtol=0)
    assert torch.equal(mask[0], g[f"{kind}_val_mask"])
    # Stanford2D3D marks unknown range by 65535, which the original takes for far.
    compared = range_m[0] > 0 if name == "stanford2d3d" else torch.ones_like(mask[0])
    expected = g[f"{kind}_gt_depth"]
    torch.testing.assert_close(
        target[0][compared], expected[compared], **golden.tolerance("gt_depth")
    )


def test_pseudo_labels_are_those_of_the_original(golden: Case, tmp_path: Path) -> None:
    g = golden.arrays
    name = PANORAMA_IMAGES["360x"].place(0)
    (tmp_path / name).parent.mkdir(parents=True)
    write_image(tmp_path / "image.png", g["unlab_rgb"].numpy())
    (tmp_path / "image.png").rename(tmp_path / name)
    for folder, array in (("labels/360x_frames", "unlab_pseudo"), ("360x_masks", "unlab_sky")):
        path = (tmp_path / name.replace("360x_frames", folder)).with_suffix(".npy")
        path.parent.mkdir(parents=True)
        np.save(path, g[array].numpy())
    source = UnlabelledRecipe("360x", str(tmp_path), str(tmp_path / "labels"))
    rgb, label, mask = LabelledImages([source]).at((0,), golden.options["height"])
    torch.testing.assert_close(normalise(rgb)[0], g["unlab_eval_raw_rgb"], atol=0.02, rtol=0)
    torch.testing.assert_close(label[0], g["unlab_eval_gt_depth"], **golden.tolerance("gt_depth"))
    assert torch.equal(mask[0], g["unlab_eval_val_mask"])


@pytest.mark.parametrize("name", PANORAMAS)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_what_is_written_is_read(tmp_path: Path, name: str, split: str) -> None:
    written = items(3)
    listing = write_panoramas(name, tmp_path, written, split)
    reader = open_panoramas(name, tmp_path, split)
    by_list = open_panoramas(name, tmp_path, "train", listing=listing)
    assert len(reader) == len(by_list) == 3
    assert {p for p, _ in reader.pairs} == {p for p, _ in by_list.pairs}
    for expected, frame in zip(written, by_list, strict=True):
        difference = (frame.range_m - expected.range_m).abs()
        if name == "deep360":  # written by nearest samples: off by a pixel or so
            assert difference.median() < 0.6
        else:
            assert difference.max() < 1e-3
            assert (frame.rgb.float() - expected.rgb.float()).abs().mean() < 3
        assert frame.rgb.dtype == torch.uint8
    others = {"train", "val", "test"} - {split}
    for other in others:
        with pytest.raises(FileNotFoundError, match=r"no .* frames in .* expected"):
            open_panoramas(name, tmp_path, other)


def test_farther_range_ends_at_the_cap(tmp_path: Path) -> None:
    write_panoramas("matterport3d", tmp_path, items(1, most_m=15.0))
    assert open_panoramas("matterport3d", tmp_path)[0].range_m.max() == 11.0
    whole = open_panoramas("matterport3d", tmp_path, max_range_m=100.0)[0]
    assert whole.range_m.max() > 13


def test_broken_scenes_of_structured3d_are_left_out(tmp_path: Path) -> None:
    write_panoramas("structured3d", tmp_path, items(2))
    (tmp_path / "scene_00001").rename(tmp_path / "scene_01155")
    assert len(open_panoramas("structured3d", tmp_path)) == 1


def test_stanford_as_published(tmp_path: Path) -> None:
    write_panoramas("stanford2d3d", tmp_path, items(1))
    (tmp_path / "area_1").rename(tmp_path / "pano")
    (tmp_path / "area_1").mkdir()
    (tmp_path / "pano").rename(tmp_path / "area_1" / "pano")
    (tmp_path / "area_1" / "pano" / "rgb_pre_").rename(tmp_path / "area_1" / "pano" / "rgb")
    assert len(open_panoramas("stanford2d3d", tmp_path)) == 1


def test_a_list_of_the_authors_names_the_images_without_holes(tmp_path: Path) -> None:
    listing = write_panoramas("stanford2d3d", tmp_path, items(2), "test")
    listing.write_text(listing.read_text().replace("rgb_pre_/", "rgb_/"))
    assert len(open_panoramas("stanford2d3d", tmp_path, listing=listing)) == 2


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    listing = write_panoramas("matterport3d", tmp_path, items(2))
    reader = open_panoramas("matterport3d", tmp_path)
    reader.pairs[1][1].unlink()
    with pytest.raises(FileNotFoundError, match=f"1 of 4 files are missing.*{reader.pairs[1][1]}"):
        open_panoramas("matterport3d", tmp_path)
    with pytest.raises(FileNotFoundError, match="no list"):
        open_panoramas("matterport3d", tmp_path, listing=tmp_path / "none.txt")
    listing.write_text("one two three\n")
    with pytest.raises(ValueError, match="line 1: expected 'image depth', got"):
        open_panoramas("matterport3d", tmp_path, listing=listing)
    with pytest.raises(ValueError, match="no split 'valid', only train, val, test"):
        open_panoramas("matterport3d", tmp_path, "valid")
    with pytest.raises(KeyError, match="no data set 'matterport'"):
        open_panoramas("matterport", tmp_path)


def test_picture_and_range_must_have_one_size(tmp_path: Path) -> None:
    write_panoramas("structured3d", tmp_path, items(1))
    reader = open_panoramas("structured3d", tmp_path)
    reader.write_range(reader.pairs[0][1], np.ones((8, 16), np.float32))
    with pytest.raises(ValueError, match=r"is \(8, 16\) but its image is \(16, 32\)"):
        reader[0]


@pytest.mark.parametrize("name", PANORAMAS)
def test_a_damaged_range_is_refused(tmp_path: Path, name: str) -> None:
    write_panoramas(name, tmp_path, items(1))
    reader = open_panoramas(name, tmp_path)
    reader.pairs[0][1].write_bytes(b"nothing")
    with pytest.raises(OSError, match="depth"):
        reader[0]


@pytest.mark.parametrize("name", PANORAMA_IMAGES)
def test_images_are_found(tmp_path: Path, name: str) -> None:
    images = [item.rgb for item in items(3)]
    write_panorama_images(name, tmp_path, images)
    reader = open_images(name, tmp_path)
    assert len(reader) == 3
    assert reader[0].shape == (3, 16, 32)
    assert {reader.sky(i) for i in range(3)} == {None}
    (tmp_path / "list.txt").write_text(f"{reader.names[2]}\n")
    listed = open_images(name, tmp_path, listing=tmp_path / "list.txt")
    assert listed.names == reader.names[2:]
    (tmp_path / "list.txt").write_text("nowhere.jpg\n")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg, which is missing"):
        open_images(name, tmp_path, listing=tmp_path / "list.txt")
    with pytest.raises(FileNotFoundError, match=r"no .* images in"):
        open_images(name, tmp_path / "empty")


def test_labels_of_zind_have_the_names_of_the_authors(tmp_path: Path) -> None:
    write_panorama_images("zind", tmp_path, [items(1)[0].rgb])
    label = open_images("zind", tmp_path).label_name(0)
    assert label == "0000/panos/floor_01_partial_room_01_depth_0.npy"


def test_recordings_that_the_authors_left_out_are_left_out(tmp_path: Path) -> None:
    write_panorama_images("360x", tmp_path, [item.rgb for item in items(4)])
    frames = tmp_path / "360x_frames"
    first = min(frames.iterdir())
    first.rename(frames / "d7bcd8d5-755e-4de1-9782-7ae8d030a0d9")
    assert len(open_images("360x", tmp_path)) == 2

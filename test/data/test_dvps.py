"""Readers of panoptic data sets, and synthetic streets in the layout of Cityscapes-DVPS."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from depth_perception.data.cityscapes import VOID_SEGMENT, CityscapesPanoptic, train_ids
from depth_perception.data.dvps import (
    CityscapesDvps,
    SemKittiDvps,
    index_path,
    street_sequences,
    write_cityscapes_dvps,
    write_index,
)
from depth_perception.data.panoptic import VOID_CLASS, PanopticFrame
from depth_perception.evaluation.panoptic import (
    CITYSCAPES_DVPS,
    PanopticCounter,
    PanopticResult,
    PanopticScore,
)
from depth_perception.geometry import Pinhole
from depth_perception.io.images import ImageReadError
from depth_perception.segment_classes import CITYSCAPES

CAMERA = Pinhole(64, 128, fx=100.0, fy=100.0, cx=64.0, cy=32.0)


@pytest.fixture(scope="module")
def videos() -> list[list[PanopticFrame]]:
    return list(street_sequences((3, 5), CAMERA, frames=2))


@pytest.fixture
def root(tmp_path: Path, videos: list[list[PanopticFrame]]) -> Path:
    assert write_cityscapes_dvps(tmp_path, "train", videos) == 4
    return tmp_path


def test_streets_have_the_classes_of_cityscapes(videos: list[list[PanopticFrame]]) -> None:
    frames = [frame for video in videos for frame in video]
    classes = torch.cat([frame.classes.flatten() for frame in frames])
    names = {CITYSCAPES[c].name for c in torch.unique(classes).tolist() if c != VOID_CLASS}
    assert {"road", "building", "sky"} <= names
    assert names & {"car", "person"}
    for frame in frames:
        things = (frame.classes >= 11) & (frame.classes != VOID_CLASS)
        assert (frame.instances[things] > 0).all()
        assert not frame.instances[~things].any()
        assert not frame.depth_m[frame.classes == 10].any()  # sky
        assert 0 < frame.depth_m.max() <= 80
    # the same object has the same number in both frames of a video
    shared = [
        set(torch.unique(a.segments()).tolist()) & set(torch.unique(b.segments()).tolist())
        for a, b in videos
    ]
    assert any(segment >= 11_000 and segment < VOID_SEGMENT for both in shared for segment in both)


def test_what_is_written_is_read(root: Path, videos: list[list[PanopticFrame]]) -> None:
    reader = CityscapesDvps(root, "train")
    names = [files.prefix.partition("_")[0] for files in reader.files]
    assert names == ["000000", "000000", "000001", "000001"]
    for found, expected in zip(reader, [f for video in videos for f in video], strict=True):
        assert torch.equal(found.rgb, expected.rgb)
        assert torch.equal(found.classes, expected.classes)
        assert torch.equal(found.segments(), expected.segments())
        assert (found.depth_m - expected.depth_m).abs().max() <= 0.5 / 256
    entry = json.loads(index_path(root, "train").read_text())[3]
    assert entry == {
        "height": 64,
        "width": 128,
        "image": "000001_000001_world_000001_000001_leftImg8bit.png",
        "depth": "000001_000001_world_000001_000001_depth.png",
        "seg": "000001_000001_world_000001_000001_gtFine_instanceTrainIds.png",
    }


def test_the_truth_is_judged_as_perfect(root: Path) -> None:
    judge, rows = PanopticCounter(CITYSCAPES_DVPS, depth=True), []
    for frame in CityscapesDvps(root, "train"):
        segments = frame.segments()
        rows.append(judge.row(PanopticResult(segments, segments, frame.depth_m, frame.depth_m)))
    score = PanopticScore.of(rows, CITYSCAPES_DVPS)
    quality = score.quality(0.1)
    assert quality.occurs.sum() > 4
    assert (quality.per_class[quality.occurs] == 100).all()
    assert score.dpq()[0] == pytest.approx(100 * int(quality.occurs.sum()) / 19)
    assert score.depth["abs_rel"] == 0


def test_without_a_list_frames_are_found_by_name(root: Path) -> None:
    listed = CityscapesDvps(root, "train").files
    index_path(root, "train").unlink()
    assert CityscapesDvps(root, "train").files == listed
    (root / "train" / "000001_000000_world_000001_000000_depth.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no partner 000001_.*depth\.png"):
        CityscapesDvps(root, "train")
    with pytest.raises(FileNotFoundError, match="has no partner"):
        write_index(root, "train")
    with pytest.raises(FileNotFoundError, match="no frames"):
        CityscapesDvps(root, "val")


def test_damaged_and_unequal_files_are_told(root: Path) -> None:
    files = CityscapesDvps(root, "train").files[0]
    files.depth.write_bytes(b"no picture")
    with pytest.raises(ImageReadError, match="no readable PNG"):
        CityscapesDvps(root, "train")[0]
    cv2.imwrite(str(files.depth), np.zeros((8, 8), np.uint16))
    with pytest.raises(ValueError, match="differ in size"):
        CityscapesDvps(root, "train")[0]
    with pytest.raises(ValueError, match="differ in size"):
        write_index(root, "train")


def test_semkitti_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "val"
    folder.mkdir()
    rng = np.random.default_rng(0)
    maps = {
        "leftImg8bit": rng.integers(0, 256, (6, 9, 3), dtype=np.uint8),
        "gtFine_class": np.array([[255, 0, 18]] * 6, np.uint8).repeat(3, 1),
        "gtFine_instance": np.full((6, 9), 300, np.uint16),
        "depth_718.8560180664062": np.full((6, 9), 512, np.uint16),
    }
    for name, values in maps.items():
        cv2.imwrite(str(folder / f"000008_000123_{name}.png"), values)
    (frame,) = SemKittiDvps(tmp_path, "val")
    assert frame.focal_px == pytest.approx(718.856, abs=1e-3)
    assert frame.classes[0].tolist() == [255] * 3 + [0] * 3 + [18] * 3
    assert (frame.depth_m == 2).all()
    assert frame.segments(2**20, 255)[0, [0, 3, 8]].tolist() == [
        (255 << 20) + 300,
        300,
        (18 << 20) + 300,
    ]
    assert frame.rgb[:, 0, 0].tolist() == maps["leftImg8bit"][0, 0, ::-1].tolist()


def test_cityscapes_is_read(tmp_path: Path) -> None:
    stem = "aachen_000000_000019"
    truth = tmp_path / "gtFine" / "cityscapes_panoptic_train"
    images = tmp_path / "leftImg8bit" / "train" / "aachen"
    truth.mkdir(parents=True)
    images.mkdir(parents=True)
    ids = np.array([[0, 7, 26], [26000, 26001, 33012]], np.uint32)
    colours = np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], -1).astype(np.uint8)
    cv2.imwrite(str(truth / f"{stem}_gtFine_panoptic.png"), colours[..., ::-1])
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    cv2.imwrite(str(images / f"{stem}_leftImg8bit.png"), rgb[..., ::-1])
    segments = [{"id": int(i), "iscrowd": int(i == 26)} for i in ids.flat if i]
    listing = tmp_path / "gtFine" / "cityscapes_panoptic_train.json"
    annotation = {"file_name": f"{stem}_gtFine_panoptic.png", "segments_info": segments}
    listing.write_text(json.dumps({"annotations": [annotation]}))
    (frame,) = CityscapesPanoptic(tmp_path, "train")
    assert np.array_equal(frame.rgb.permute(1, 2, 0).numpy(), rgb)
    assert frame.classes.tolist() == [[255, 0, 13], [13, 13, 18]]
    assert frame.segments().tolist() == [[32000, 0, 13000], [13001, 13002, 18013]]
    assert frame.crowds == ((13, 0),)
    assert frame.crowd_segments() == (13000,)
    assert not frame.depth_m.any()
    with pytest.raises(FileNotFoundError, match="createPanopticImgs"):
        CityscapesPanoptic(tmp_path, "val")
    listing.write_text("{}")
    with pytest.raises(ValueError, match="no annotations"):
        CityscapesPanoptic(tmp_path, "train")


def test_labels_that_do_not_count_are_void() -> None:
    found = train_ids(torch.tensor([0, 1, 29, 29000, 10, 7]))
    assert found.tolist() == [VOID_SEGMENT] * 5 + [0]

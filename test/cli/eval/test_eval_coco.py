"""``depth-perception eval`` of a panoptic model on COCO."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from bright_segments import BRIGHT, DARK, bright_eomt

from depth_perception.cli.main import main
from depth_perception.data.coco import CATEGORY_IDS, CocoPanoptic
from depth_perception.segment_classes import COCO_PANOPTIC
from depth_perception.systems import save_network

NUMBERS = {entry.name: number for number, entry in enumerate(COCO_PANOPTIC)}
PERSON, WALL, CROWD = 70_001, 300, 9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image with a person, a wall, and a crowd of persons without contrast to the wall."""
    image = np.full((120, 160, 3), 30, np.uint8)
    image[30:90, 40:100] = 255
    ids = np.full((120, 160), WALL)
    ids[30:90, 40:100], ids[:, 150:], ids[:10] = PERSON, CROWD, 0
    colours = np.stack([(ids >> shift) & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)
    folder = tmp_path / "coco" / "annotations" / "panoptic_val2017"
    images = tmp_path / "coco" / "val2017"
    folder.mkdir(parents=True)
    images.mkdir()
    cv2.imwrite(str(folder / "000000000139.png"), colours)
    cv2.imwrite(str(images / "000000000139.jpg"), image)
    labels = ((PERSON, BRIGHT, 0), (WALL, DARK, 0), (CROWD, BRIGHT, 1))
    segments = [
        {"id": number, "category_id": CATEGORY_IDS[NUMBERS[name]], "iscrowd": crowd}
        for number, name, crowd in labels
    ]
    annotation = {"file_name": "000000000139.png", "segments_info": segments}
    folder.with_suffix(".json").write_text(json.dumps({"annotations": [annotation]}))
    return tmp_path / "coco"


def test_labels_are_read(root: Path) -> None:
    (frame,) = CocoPanoptic(root, "val")
    segments = frame.segments(1000, 133)
    person, wall = NUMBERS[BRIGHT] * 1000, NUMBERS[DARK] * 1000
    assert segments[[0, 20, 60, 60], [0, 0, 60, 155]].tolist() == [
        133_000,
        wall,
        person + 1,
        person + 3,
    ]
    assert frame.crowds == ((NUMBERS[BRIGHT], 3),)
    assert not frame.depth_m.any()
    with pytest.raises(FileNotFoundError, match="panoptic annotations"):
        CocoPanoptic(root, "train")


def test_quality_of_a_known_network(root: Path, tmp_path: Path) -> None:
    save_network(bright_eomt(), tmp_path / "eomt.safetensors")
    report = tmp_path / "report.json"
    args = [
        "eval",
        "eomt-tiny",
        "coco-panoptic",
        root,
        "--checkpoint",
        tmp_path / "eomt.safetensors",
    ]
    assert main([str(a) for a in (*args, "--device", "cpu", "--json", report)]) == 0
    (result,) = json.loads(report.read_text())["evaluations"]
    assert result["occurring"]["rq"]["all"] == pytest.approx(100)
    assert 75 < result["occurring"]["pq"]["things"] < 100
    assert result["all"]["pq"]["all"] == pytest.approx(2 / 133 * result["occurring"]["pq"]["all"])
    assert result["depth"] is None

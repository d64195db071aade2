"""The command with a panoptic model: segments in the picture, their map, and their distances."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bright_segments import BRIGHT, save_pair
from golden.panopticdepth_reference import case

import depth_perception as dp
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.io.images import read_image, write_image
from depth_perception.systems import PanelsEstimator

Infer = Callable[..., int]
GOLDEN = case("infer-tiny-dps")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("weights") / "model_final.pth"
    torch.save({"model": GOLDEN.state(), "iteration": 9999}, path)
    return ["--model", "panopticdepth-tiny", "--checkpoint", str(path)]


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.png"
    write_image(path, np.ascontiguousarray(GOLDEN.image))
    return path


def check_list(path: Path, prediction: dp.Prediction, least: int) -> None:
    content = json.loads(path.read_text())
    height, width = prediction.segments.shape
    assert (content["frame"]["width"], content["frame"]["height"]) == (width, height)
    assert content["unit"] == "m"
    rows = {row["id"]: row for row in content["instances"]}
    assert len(rows) == len(content["instances"]) == len(prediction.instances) >= least
    found = prediction.segment_statistics()
    for place, instance in enumerate(prediction.instances):
        row = rows[instance.id]
        assert (row["label"], row["is_thing"]) == (instance.label, instance.is_thing)
        left, top, right, bottom = instance.box
        assert row["box"] == {"x": left, "y": top, "width": right - left, "height": bottom - top}
        assert row["point_count"] == int(found.count[place])
        if row["point_count"]:
            assert row["depth_median"] == pytest.approx(float(found.median[place]), abs=1e-5)
            assert row["centroid"] == pytest.approx(found.centroid[place].tolist(), abs=1e-5)
        else:
            assert row["depth_median"] is row["centroid"] is None
    near = [row["depth_min"] for row in content["instances"] if row["depth_min"] is not None]
    assert near == sorted(near)


def test_a_pinhole_picture(tmp_path: Path, infer: Infer, street: Path, model: list[str]) -> None:
    assert infer(street, *model, "--raw", "npy", "png16", "exr", "--fov", 60) == 0
    out = tmp_path / "out"
    assert {path.name.removeprefix("street") for path in out.iterdir()} == {
        "infer.jsonl",
        ".png",
        "_instances.json",
        "_segments.npy",
        "_segments.png",
        "_depth.npy",
        "_depth.png",
        "_depth.exr",
    }
    camera = dp.Pinhole.from_fov(128, 256, np.radians(60))
    prediction = dp.load("panopticdepth-tiny", model[3], "cpu")(read_image(street), camera)
    segments = np.load(out / "street_segments.npy")
    np.testing.assert_array_equal(segments, prediction.segments.numpy())
    png = cv2.imread(str(out / "street_segments.png"), cv2.IMREAD_UNCHANGED)
    assert png.dtype == np.uint16
    np.testing.assert_array_equal(png, segments)
    check_list(out / "street_instances.json", prediction, 4)
    shown = read_image(out / "street.png")
    assert shown.shape[0] == 128
    assert shown.shape[1] > 3 * 256 + 2 * 50 + 40  # and the bar
    middle = shown[:, 306:562]
    assert (middle != shown[:, :256]).any(-1)[segments > 0].mean() > 0.9
    options = ("--height", 32, "--resize", "--pred-only", "--overwrite")
    assert infer(street, *model, "--fov", 60, *options) == 0
    assert read_image(out / "street.png").shape[1] > 2 * 256 + 50


def test_a_panorama(tmp_path: Path, infer: Infer, street: Path, model: list[str]) -> None:
    options = ("--panels", "--height", 48, "--resize", "--raw", "npy")
    assert infer(street, *model, *options) == 0
    out = tmp_path / "out"
    pinhole = dp.load("panopticdepth-tiny", model[3], "cpu", height=48)
    around = PanelsEstimator(pinhole, surrounding_panels(48), output_size="input")
    prediction = around(read_image(street))
    np.testing.assert_array_equal(np.load(out / "street_segments.npy"), prediction.segments)
    check_list(out / "street_instances.json", prediction, 2)
    frame = json.loads((out / "street_instances.json").read_text())["frame"]
    assert (frame["camera"], frame["depth"]) == ("equirectangular", "range")


def test_a_video(tmp_path: Path, infer: Infer, street: Path, model: list[str]) -> None:
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (128, 64))
    for _ in range(2):
        writer.write(cv2.resize(cv2.imread(str(street)), (128, 64)))
    writer.release()
    assert infer(path, *model, "--height", 64) == 0
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*.*"))
    assert found == [
        "drive.mp4",
        "drive/000000_instances.json",
        "drive/000001_instances.json",
        "infer.jsonl",
    ]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "drive.mp4"))
    assert capture.read()[1].shape == (64, 3 * 128 + 2 * 50, 3)


def test_depth_of_another_model_around_a_panorama(tmp_path: Path, infer: Infer) -> None:
    eomt, da3 = save_pair(tmp_path)
    pixels = np.full((64, 128, 3), 30, np.uint8)
    pixels[20:44, :14] = pixels[20:44, -14:] = 255
    write_image(tmp_path / "panorama.png", pixels)
    pair = {"depth_model": "da3-tiny", "depth_checkpoint": da3}
    flags = ["--model", "eomt-tiny", "--checkpoint", eomt, "--panels", "--device", "cpu"]
    flags += ["--depth-model", "da3-tiny", "--depth-checkpoint", da3]
    assert infer(tmp_path / "panorama.png", *flags) == 0
    pinhole = dp.load("eomt-tiny", eomt, "cpu", output_size="network", **pair)
    expected = PanelsEstimator(pinhole, surrounding_panels(160))(pixels)
    content = json.loads((tmp_path / "out" / "panorama_instances.json").read_text())
    (person,) = (row for row in content["instances"] if row["label"] == BRIGHT)
    assert person["box"]["x"] + person["box"]["width"] > 128
    place = [i.label for i in expected.instances].index(BRIGHT)
    median = float(expected.segment_statistics().median[place])
    assert person["depth_median"] == pytest.approx(median, rel=1e-3)

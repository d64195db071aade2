"""The command eval on data sets with segments: its numbers are those of validation in training."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import case
from torch import Tensor

import depth_perception as dp
from depth_perception.cli.main import main
from depth_perception.data.cityscapes import LABEL_IDS
from depth_perception.data.dvps import write_cityscapes_dvps
from depth_perception.data.panoptic import VOID_CLASS, PanopticFrame
from depth_perception.evaluation.panoptic_sets import PANOPTIC_BENCHMARKS
from depth_perception.systems.panopticdepth.config import PanopticLimits
from depth_perception.training.panopticdepth.task import prepare
from depth_perception.training.recipe import load_recipe

MODEL, AREA = "panopticdepth-tiny", 300
GOLDEN = case("infer-tiny-dps")
KITTI = PANOPTIC_BENCHMARKS["semkitti-dvps"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model_final.pth"
    torch.save({"model": GOLDEN.state()}, path)
    return path


@pytest.fixture(scope="module")
def video(checkpoint: Path) -> list[PanopticFrame]:
    """Images whose truth is mostly what the model finds, so that scores lie between 0 and 100.

    A fifth of the columns belongs to something else, another has no label, and depth is up to
    40 % wrong to the right.
    """
    estimator = dp.load(MODEL, checkpoint, "cpu", limits=PanopticLimits(stuff_area_px=AREA))
    frames = []
    for place, image in enumerate((GOLDEN.image, GOLDEN.image[:, ::-1].copy())):
        found = estimator(image)
        height, width = found.segments.shape
        classes = torch.full((height, width), VOID_CLASS, dtype=torch.uint8)
        for entry in found.instances:
            classes[found.segments == entry.id] = entry.class_id
        instances = torch.where(classes.int() >= 11, found.segments, 0)
        instances[classes == VOID_CLASS] = 0
        classes[:, : width // 5], instances[:, : width // 5] = 13, 7
        blank = slice(width // 5, width * 2 // 5)
        classes[:, blank], instances[:, blank] = VOID_CLASS, 0
        error = torch.linspace(1, 1.4, width)
        rgb = torch.from_numpy(image).permute(2, 0, 1).contiguous()
        frames.append(
            PanopticFrame(rgb, classes, instances.int(), found.values * error, f"000000_{place}")
        )
    return frames


def _eval(dataset: str, root: Path, checkpoint: Path, *more: object, model: str = MODEL) -> int:
    args = ["eval", model, dataset, root, "--checkpoint", checkpoint, "--device", "cpu", *more]
    return main([str(arg) for arg in args])


def test_the_numbers_are_those_of_validation_in_training(
    video: list[PanopticFrame],
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_cityscapes_dvps(tmp_path, "val", [video])
    files = ["--json", tmp_path / "e.json", "--markdown", tmp_path / "e.md"]
    more = ["--stuff-area", AREA, "--window", "2", *files]
    assert _eval("cityscapes-dvps", tmp_path, checkpoint, *more) == 0
    content = json.loads((tmp_path / "e.json").read_text())
    (result,) = content["evaluations"]
    place = {"kind": "cityscapes-dvps", "root": str(tmp_path), "split": "val"}
    plan = [
        *(f"model.{key}" for key in (f"name={MODEL}", f"checkpoint={checkpoint}")),
        "model.segmentation=null",
        *(f"data.{part}={json.dumps(place)}" for part in ("train", "val")),
        *(f"limits.stuff_area_px={AREA}", "run.val_frames=2"),
    ]
    training, data = prepare(load_recipe("panopticdepth-depth", plan))
    numbers = training.eval().summary([training.evaluate(batch) for batch in data.held_out])
    expected = {
        "pq": result["occurring"]["pq"]["all"],
        "pq_things": result["occurring"]["pq"]["things"],
        "pq_stuff": result["occurring"]["pq"]["stuff"],
        "pq_all": result["all"]["pq"]["all"],
        **{f"dpq_{t}": result["occurring"][f"DPQ {t}"]["all"] for t in (0.5, 0.25, 0.1)},
        "dpq": result["occurring"]["dpq"]["all"],
        "dpq_all": result["all"]["dpq"]["all"],
        "abs_rel": result["depth"]["abs_rel"],
        "rmse": result["depth"]["rmse"],
    }
    assert numbers == pytest.approx(expected, rel=1e-3)  # rounding may move a pixel over a limit
    assert 2 < numbers["dpq_0.1"] < numbers["dpq_0.25"] < numbers["pq"] < 95
    assert 0 < numbers["pq_all"] < numbers["pq"]
    assert 0.05 < numbers["abs_rel"] < 0.3
    assert result["all"]["2 frames: VPQ"]["all"] > 0

    shown = capsys.readouterr().out
    assert f"{numbers['pq']:.1f}" in shown
    assert "numbers objects in every frame separately" in shown
    assert "2 frames, cityscapes-dvps val" in shown
    tables = (tmp_path / "e.md").read_text()
    assert f"| DPQ mean | {numbers['dpq_all']:.1f} |" in tables
    assert "| car | thing |" in tables
    assert f"{numbers['abs_rel']:.3f}" in tables


def test_semkitti_by_names_and_with_its_focal_length(
    video: list[PanopticFrame], checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "val"
    folder.mkdir()
    kitti = torch.tensor([VOID_CLASS if n is None else n for n in KITTI.numbers(_names())])
    for place, frame in enumerate(video):
        known = frame.classes != VOID_CLASS
        classes = torch.where(known, kitti[frame.classes.long().clamp(max=18)], VOID_CLASS)
        depth = torch.where(frame.classes == 10, 0, frame.depth_m / 2)
        for name, values in (
            ("gtFine_class", classes.numpy().astype(np.uint8)),
            ("gtFine_instance", frame.instances.numpy().astype(np.uint16)),
            ("depth_1000.0", (depth * 256).round().numpy().astype(np.uint16)),
            ("leftImg8bit", _bgr(frame.rgb)),
        ):
            cv2.imwrite(str(folder / f"000008_{place:06d}_{name}.png"), values)
    scores = []
    for more in ([], ["--reference-focal-px", "2000"]):
        report = ["--json", tmp_path / "e.json", "--stuff-area", AREA]
        assert _eval("semkitti-dvps", tmp_path, checkpoint, *report, *more) == 0
        scores.append(json.loads((tmp_path / "e.json").read_text())["evaluations"][0])
    plain, corrected = scores
    assert plain["all"]["pq"] == corrected["all"]["pq"]
    assert 5 < corrected["all"]["pq"]["all"] < 95
    # depth in these files is half of what the model says, as a focal length of 1000 to 2000
    assert plain["depth"]["abs_rel"] > 0.5
    assert corrected["depth"]["abs_rel"] < 0.3
    assert 2 * plain["all"]["dpq"]["all"] < corrected["all"]["dpq"]["all"]
    assert set(plain["classes"]) == set(KITTI.names)


def test_cityscapes_has_no_depth_and_published_figures_beside(
    video: list[PanopticFrame],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from depth_perception.evaluation import published

    truth = tmp_path / "gtFine" / "cityscapes_panoptic_val"
    images = tmp_path / "leftImg8bit" / "val" / "bern"
    truth.mkdir(parents=True)
    images.mkdir(parents=True)
    labels, annotations = torch.tensor([*LABEL_IDS, *[0] * 237]), []
    for place, frame in enumerate(video):
        stem = f"bern_{place:06d}_000019"
        ids = labels[frame.classes.long()]
        ids = torch.where(frame.instances > 0, ids * 1000 + frame.instances - 1, ids).numpy()
        colours = np.stack([(ids >> shift) & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)
        cv2.imwrite(str(truth / f"{stem}_gtFine_panoptic.png"), colours)
        cv2.imwrite(str(images / f"{stem}_leftImg8bit.png"), _bgr(frame.rgb))
        segments = [{"id": int(i), "iscrowd": 0} for i in np.unique(ids) if i]
        annotations.append({"file_name": f"{stem}_gtFine_panoptic.png", "segments_info": segments})
    truth.with_suffix(".json").write_text(json.dumps({"annotations": annotations}))
    figures = {MODEL: {"cityscapes": {"pq": (64.1, 58.8, 68.0)}}}
    monkeypatch.setitem(published.PUBLISHED, "panoptic", figures)
    report = tmp_path / "e.json"
    assert _eval("cityscapes", tmp_path, checkpoint, "--json", report) == 0
    (result,) = json.loads(report.read_text())["evaluations"]
    assert result["published"] == {"pq": {"all": 64.1, "things": 58.8, "stuff": 68.0}}
    assert 5 < result["occurring"]["pq"]["all"] < 95
    assert result["depth"] is None
    assert not any(key.startswith("dpq") for key in result["all"])
    shown = capsys.readouterr().out
    assert "all, published" in shown
    assert "over the occurring classes" in shown
    assert _eval("cityscapes", tmp_path, checkpoint, "--limit", "1", "--json", report) == 0
    assert json.loads(report.read_text())["evaluations"][0]["published"] is None


@pytest.mark.parametrize(
    ("model", "dataset", "options", "message"),
    [
        ("scaledepth-tiny", "cityscapes", [], "predicts no segments"),
        ("panda-tiny", "cityscapes", [], "is not a pinhole model"),
        (MODEL, "cityscapes", ["--window", "2"], "--window: not for cityscapes"),
        (MODEL, "cityscapes-dvps", ["--window", "0"], "--window must be at least 1, got 0"),
        (MODEL, "cityscapes-dvps", ["--window", "2", "--limit", "1"], "give one of them"),
        (MODEL, "cityscapes-dvps", ["--window", "3"], "no video has 3 successive frames"),
        (MODEL, "cityscapes-dvps", ["--split", "test"], "no frames"),
        (MODEL, "cityscapes-dvps", ["--protocol", "ppd"], "which has panoptic"),
        (MODEL, "cityscapes-dvps", ["--stuff-area", "-1"], "stuff_area_px must not be negative"),
        (MODEL, "nyu", ["--stuff-area", "1"], "--stuff-area: not for nyu"),
    ],
)
def test_what_does_not_fit_is_refused(
    model: str,
    dataset: str,
    options: list[str],
    message: str,
    video: list[PanopticFrame],
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if dataset == "cityscapes-dvps" and "--split" not in options:
        write_cityscapes_dvps(tmp_path, "val", [video])
    assert _eval(dataset, tmp_path, checkpoint, *options, model=model) == 1
    assert message in capsys.readouterr().err


def _names() -> tuple[str, ...]:
    return PANOPTIC_BENCHMARKS["cityscapes"].names


def _bgr(rgb: Tensor) -> np.ndarray:
    return cv2.cvtColor(rgb.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2BGR)

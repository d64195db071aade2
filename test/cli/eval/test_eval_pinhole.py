"""The command eval on KITTI raw, and by ScaleDepth's rules on the layouts of NYU and KITTI."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden.ppd_reference import case

import depth_perception as dp
from depth_perception.cli.main import main
from depth_perception.data.kitti_raw import KittiRaw, read_pairs, write_kitti_raw
from depth_perception.data.stereo import StereoFrame
from depth_perception.data.worlds import make_world, render
from depth_perception.evaluation import published
from depth_perception.evaluation.loop import Sample, evaluate
from depth_perception.evaluation.nyu_kitti import PROTOCOLS
from depth_perception.evaluation.stereo_metrics import EigenProtocol, predict_pairs
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.systems import build_network, save_network
from depth_perception.systems.image_input import plain_input

VGG = "blindspot-vgg-rectilinear"


@pytest.fixture(scope="module")
def kitti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of a street; the second has no lidar points."""
    world, camera, frames = make_world("street", 4), Pinhole.from_fov(48, 96, 1.4), []
    for place in range(3):
        seen = render(world, camera, world.pose(0.5 * place), shadows=False)
        depth = torch.where(torch.isfinite(seen.z_m), seen.z_m, 0) * (place != 1)
        rgb = seen.rgb.permute(2, 0, 1)
        frames.append(StereoFrame(rgb, rgb, depth, DepthKind.Z, camera, 0.5))
    root = tmp_path_factory.mktemp("kitti")
    write_kitti_raw(root, frames)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, files = tmp_path_factory.mktemp("weights"), {}
    moge = case("moge-tiny-infer")
    files["moge-2-tiny"] = folder / "moge.pt"
    content = {"model_config": moge.entry["constructor"], "model": moge.state()}
    torch.save(content, files["moge-2-tiny"])
    for name in ("scaledepth-tiny", "depth-anything-v2-small", "da3-tiny", VGG):
        torch.manual_seed(0)
        files[name] = folder / f"{name}.safetensors"
        save_network(build_network(name), files[name], dtype=torch.float16)
    return files


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images below images/test and input, with depth of 1 to 9 m in both layouts."""
    root = tmp_path_factory.mktemp("photos")
    rng, lines = np.random.default_rng(0), []
    for index in range(2):
        _pair(root, f"images/test/office/office_000{index}", "jpg", "annotations", (480, 640), rng)
        _pair(root, f"input/{index}", "png", "gt_depth", (360, 1220), rng)
        lines.append(f"{index}.png {index}.png 707.0")
    (root / "kitti_eigen_test.txt").write_text("\n".join([*lines, "2.png None"]))
    return root


def _pair(root: Path, stem: str, suffix: str, depths: str, size, rng: np.random.Generator) -> None:
    _, *inner = stem.split("/")
    image, depth = root / f"{stem}.{suffix}", root.joinpath(depths, *inner).with_suffix(".png")
    for path in (image, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(image), rng.integers(0, 256, (*size, 3), np.uint8))
    per_metre = 1000 if depths == "annotations" else 256
    cv2.imwrite(str(depth), (rng.uniform(1, 9, size) * per_metre).astype(np.uint16))


def _eval(model: str, dataset: str, root: Path, weights: dict[str, Path], *more: object) -> int:
    args = ["eval", model, dataset, root, "--checkpoint", weights[model], "--device", "cpu", *more]
    return main([str(arg) for arg in args])


@pytest.mark.parametrize(("crop", "median"), [("garg", False), ("eigen", True), ("none", True)])
def test_the_vgg_on_kitti_is_judged_as_monodepth_is(
    crop: str, median: bool, kitti: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "e.json"
    more = ["--list", kitti / "pairs.txt", "--crop", crop, "--height", "128", "--json", report]
    assert _eval(VGG, "kitti-raw", kitti, weights, *more, *["--median"] * median) == 0
    content = json.loads(report.read_text())
    (result,) = content["evaluations"]
    assert (result["frames"], result["skipped"]) == (2, 1)
    assert content["rules"]["crop"] == crop

    network = dp.load(VGG, weights[VGG], "cpu").network

    def disparity(sample: Sample) -> torch.Tensor:
        with torch.inference_mode():
            return network(plain_input(sample.image, (128, 256)), circular=False)[0][0, 0]

    reader = KittiRaw(read_pairs(kitti / "pairs.txt", kitti), truth=True)
    protocol = EigenProtocol(crop=crop, median=median)
    expected = evaluate(VGG, predict_pairs(disparity), reader, protocol)
    assert result["metrics"] == pytest.approx(expected.metrics, rel=1e-4)


def test_other_pinhole_models_on_kitti(
    kitti: Path, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _eval("moge-2-tiny", "kitti-raw", kitti, weights, "--limit", "1", "--median") == 0
    shown = capsys.readouterr().out
    assert "crop: garg, alignment: median" in shown
    assert "SILog" in shown
    model = "depth-anything-v2-small"
    assert _eval(model, "kitti-raw", kitti, weights, "--height", "28") == 1
    assert "depth without an unknown shift" in capsys.readouterr().err
    assert _eval(model, "kitti-raw", kitti, weights, "--height", "28", "--median") == 1
    assert "unknown scale and shift" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["nyu", "kitti"])
def test_scaledepth_by_its_own_rules(
    layout: str,
    photos: Path,
    weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, report = "scaledepth-tiny", tmp_path / "e.json"
    figures = {model: {layout: {"abs_rel": 0.7654}}}
    monkeypatch.setitem(published.PUBLISHED, "scaledepth", figures)
    files = ["--json", report, "--markdown", tmp_path / "e.md"]
    assert _eval(model, layout, photos, weights, "--protocol", "scaledepth", *files) == 0
    content = json.loads(report.read_text())
    assert content["rules"] == {"name": layout, **asdict(PROTOCOLS[layout])}
    assert content["published"] == {"abs_rel": 0.7654}
    assert "| published |  | 0.765 |  |" in (tmp_path / "e.md").read_text()
    (result,) = content["evaluations"]
    assert result["frames"] == 2
    assert len(result["metrics"]) == 10


def test_rules_of_other_sets_and_other_metric_models(
    photos: Path, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rules = ["--protocol", "scaledepth", "--rules"]
    for name, more in (("ibims", []), ("sunrgbd", ["--focal", "529.5"]), ("diml-outdoor", [])):
        args = [*rules, name, "--limit", "1", "--height", "96", *more]
        assert _eval("scaledepth-tiny", "nyu", photos, weights, *args) == 0
        shown = capsys.readouterr().out
        limits = PROTOCOLS[name]
        span = f"{limits.min_depth_m:g} to {limits.max_depth_m:g} m"
        assert f"{span}, protocol: scaledepth on {name}, crop: {limits.crop}" in shown
    args = ["--protocol", "scaledepth", "--limit", "1"]
    assert _eval("moge-2-tiny", "nyu", photos, weights, *args) == 0


def test_metres_of_depth_anything_3_need_the_focal_length(
    photos: Path, weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing, found = tmp_path / "list.txt", {}
    name = "office/office_0000"
    listing.write_text(f"images/test/{name}.jpg annotations/test/{name}.png -\n")
    plain = ["--list", listing, "--protocol", "plain"]
    for focal in (300, 600):
        report = tmp_path / f"{focal}.json"
        args = [*plain, "--focal", focal, "--json", report]
        assert _eval("da3-tiny", "nyu", photos, weights, *args) == 0
        assert f"focal length: {focal} px" in capsys.readouterr().out
        found[focal] = json.loads(report.read_text())["evaluations"][0]["metrics"]
    assert found[300] != found[600]
    assert _eval("da3-tiny", "nyu", photos, weights, *plain) == 0
    assert "else a view of 55 degrees" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "dataset", "options", "message"),
    [
        ("scaledepth-tiny", "nyu", ["--rules", "ibims"], "--rules: not for nyu"),
        ("scaledepth-tiny", "nyu", ["--protocol", "scaledepth", "--rules", "sunrgbd"], "--focal"),
        (
            "scaledepth-tiny",
            "nyu",
            ["--protocol", "scaledepth", "--focal", "500"],
            "--rules nyu does not use --focal",
        ),
        (
            "scaledepth-tiny",
            "kitti",
            ["--protocol", "scaledepth", "--list", "other.txt"],
            "no list other.txt",
        ),
        ("depth-anything-v2-small", "nyu", ["--protocol", "scaledepth"], "scores metres"),
        ("scaledepth-tiny", "eth3d", ["--protocol", "scaledepth"], "eth3d, which has plain or ppd"),
        ("scaledepth-tiny", "kitti-raw", ["--solid-angle"], "--solid-angle: not for kitti-raw"),
        ("scaledepth-tiny", "kitti-raw", ["--list", "none.txt"], "no list none.txt"),
        ("scaledepth-tiny", "kitti-raw", [], "no pairs below"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    model: str,
    dataset: str,
    options: list[str],
    message: str,
    photos: Path,
    weights: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _eval(model, dataset, photos, weights, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

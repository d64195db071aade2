"""Devices without float64: nothing asks for it there, and figures are as exact as elsewhere."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import case
from golden.ppd_reference import case as ppd_case
from pretend_mps import MPS, MpsTensor, pretend_mps
from published.video_windows import joined_windows

import depth_perception as dp
from depth_perception.data.worlds.make import make_world
from depth_perception.data.worlds.render import render
from depth_perception.geometry.outliers import outlier_mask
from depth_perception.geometry.segments import StatisticsOptions, segment_statistics
from depth_perception.ros.messages.instance_depth import instance_statistics
from depth_perception.scale.fits import FitModel, fit_depth
from depth_perception.scale.follow import Normalisation, follow
from depth_perception.scale.sources.camera_height import GroundOptions, ground_reference
from depth_perception.systems import build_network, card, save_network
from depth_perception.systems.moge.geometry import recover_focal_shift

TINY = (
    "panda-tiny",
    "da360-tiny",
    "dap-tiny",
    "da2-tiny",
    "scaledepth-tiny",
    "moge-2-tiny",
    "ppd-tiny",
    "panopticdepth-tiny",
    "omnidepth-rectnet-tiny",
    "blindspot-tiny",
)


def test_the_pretend_device_is_strict() -> None:
    with pretend_mps():
        values = torch.arange(3.0).to("mps")
        assert values.device == MPS
        assert (values + 1).cpu().tolist() == [1, 2, 3]
        assert torch.zeros(2, device=values.device).tolist() == [0, 0]
        values[1:] += 5
        assert values.tolist() == [0, 6, 7]
        with pytest.raises(TypeError, match="float64"):
            values.double()
        with pytest.raises(TypeError, match="float64"):
            values.to("cpu", torch.float64)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64).to(values.device)
        with pytest.raises(RuntimeError, match="mixes"):
            values + torch.zeros(3)
        with pytest.raises(TypeError, match="array"):
            values.numpy()


def test_figures_of_segments() -> None:
    world = make_world("street", 3)
    camera = dp.Pinhole.from_fov(192, 384, 1.4)
    frame = render(world, camera, world.pose(world.path_length_m / 3), shadows=False)
    ids = [i for i in frame.instances.unique().tolist() if i > 0]
    points = camera.unproject(frame.z_m, dp.DepthKind.Z)
    maps = (frame.instances, frame.z_m, points, frame.z_m > 0)
    options = StatisticsOptions()
    expected = segment_statistics(maps[0], ids, *maps[1:], options)
    with pretend_mps():
        segments, *others = (value.to(MPS) for value in maps)
        found = segment_statistics(segments, ids, *others, options)
        for field in fields(found):
            value = getattr(found, field.name)
            assert isinstance(value, MpsTensor)
            assert torch.equal(value.cpu().nan_to_num(), getattr(expected, field.name).nan_to_num())


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("panopticdepth") / "model_final.pth"
    torch.save({"model": case("infer-tiny-dps").state(), "iteration": 9999}, path)
    return path


def test_a_panoptic_model_and_what_the_node_measures(panoptic: Path) -> None:
    image, camera = case("infer-tiny-dps").image, dp.Pinhole(128, 256, 200.0, 200.0, 128.0, 64.0)
    for lean in (True, False):
        given = {"lean": lean, "reference_focal_px": 0.0}
        prediction = dp.load("panopticdepth-tiny", panoptic, "cpu", **given)(image, camera)
        expected = instance_statistics(prediction)
        assert sum(each.is_placed for each in expected) > 3
        with pretend_mps():
            prediction = dp.load("panopticdepth-tiny", panoptic, "mps", **given)(image, camera)
            found = instance_statistics(prediction)
            for one, other in zip(found, expected, strict=True):
                assert isinstance(one.instance.mask, MpsTensor)
                assert one.count == other.count
                assert one.instance.score == other.instance.score
                for name in ("median", "near", "far", "sigma", "centroid", "centre", "size"):
                    known = getattr(other, name)
                    assert getattr(one, name) == pytest.approx(known, nan_ok=True)


@pytest.mark.parametrize("name", TINY)
def test_every_estimator(name: str, tmp_path: Path) -> None:
    weights, moge, options = tmp_path / "weights.safetensors", tmp_path / "moge2.pt", {}
    torch.manual_seed(0)
    if name in ("moge-2-tiny", "ppd-tiny"):
        golden = ppd_case("moge-tiny-infer")
        content = {"model_config": golden.entry["constructor"], "model": golden.state()}
        torch.save(content, moge)
    if name == "moge-2-tiny":
        weights = moge
    else:
        save_network(build_network(name), weights)
    if name == "ppd-tiny":
        options = {"semantics_checkpoint": str(moge), "steps": 2}
    camera = dp.Pinhole(64, 128, 100.0, 100.0, 64.0, 32.0)
    image = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    is_pinhole = card(name).camera == "pinhole"

    def depth(device: str) -> torch.Tensor:
        estimator = dp.load(name, weights, device, **options)
        prediction = estimator(image, camera if is_pinhole else None)
        if name == "scaledepth-tiny":
            prediction = dp.systems.PanelsEstimator(estimator)(image)
        assert isinstance(prediction.values, MpsTensor) == (device == "mps")
        return prediction.values.cpu()

    expected = depth("cpu")
    with pretend_mps():
        found = depth("mps")
    near = 1e-2 if name == "da360-tiny" else 1e-4  # the levels of its input may differ by one
    torch.testing.assert_close(found, expected, atol=near, rtol=near, equal_nan=True)


def test_focal_length_and_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    v, u = torch.meshgrid(
        torch.linspace(-0.6, 0.6, 90), torch.linspace(-0.8, 0.8, 120), indexing="ij"
    )
    z = 2 + torch.rand((90, 120), generator=generator)
    points = torch.stack((u * z, v * z, z - 0.7), -1)
    expected = recover_focal_shift(points)
    assert float(expected[1]) == pytest.approx(0.7, abs=1e-3)
    with pretend_mps():
        found = recover_focal_shift(points.to(MPS), torch.ones_like(z, dtype=torch.bool).to(MPS))
        assert [value.device for value in found] == [MPS, MPS]
        assert [value.tolist() for value in found] == [value.tolist() for value in expected]


def test_scale_recovery() -> None:
    generator = torch.Generator().manual_seed(0)
    depth = 1 + 9 * torch.rand((40, 60), generator=generator)
    values = (1 / depth - 0.02) / 0.5
    before = 1.1 * values + 0.1
    windows = [torch.rand((16, 4, 6), generator=generator) for _ in range(2)]
    model, valid = FitModel.INVERSE_DEPTH, torch.ones_like(depth, dtype=torch.bool)
    arguments = (values, valid, before, model, (1.0, 0.0))
    expected = (
        fit_depth(values, depth, model, groups=torch.arange(2400).reshape(40, 60) // 60),
        Normalisation.of(values, valid, True),
        follow(*arguments),
        joined_windows(windows).tolist(),
        outlier_mask(torch.stack((values, depth, before), -1)).tolist(),
    )
    assert expected[0].scale == pytest.approx(0.5)
    with pretend_mps():
        there = [value.to(MPS) for value in (values, valid, before, depth)]
        groups = (torch.arange(2400).reshape(40, 60) // 60).to(MPS)
        points = torch.stack((there[0], there[3], there[2]), -1)
        assert fit_depth(there[0], there[3], model, groups=groups) == expected[0]
        assert Normalisation.of(*there[:2], True) == expected[1]
        assert follow(*there[:3], *arguments[3:]) == expected[2]
        joined = joined_windows([window.to(MPS) for window in windows])
        assert joined.device == MPS
        assert joined.tolist() == expected[3]
        assert outlier_mask(points).tolist() == expected[4]


def test_the_ground_in_sight() -> None:
    camera = dp.Pinhole.from_fov(60, 80, 1.4)
    down = camera.rays()[..., 1]
    depth = torch.where(down > 0.05, 1.2 / down.clamp_min(0.05), 8.0)

    def seen(values: torch.Tensor) -> dp.Prediction:
        return dp.Prediction(
            values=values,
            valid=values > 0,
            camera=camera,
            kind=dp.DepthKind.RANGE,
            space=dp.DepthSpace.DEPTH,
            scale=dp.ScaleKind.SCALE_INVARIANT,
        )

    options = GroundOptions(height_m=1.2)
    expected = ground_reference(seen(depth / 3), options)
    assert torch.isfinite(expected.depth_m).sum() > 1000
    with pretend_mps():
        found = ground_reference(seen((depth / 3).to(MPS)), options)
        assert found.depth_m.device == MPS
        torch.testing.assert_close(found.depth_m.cpu(), expected.depth_m, equal_nan=True)

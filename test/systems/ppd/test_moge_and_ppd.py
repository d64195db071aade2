"""MoGe-2 and Pixel-Perfect Depth behind the one door."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.ppd_reference import case
from torch import Tensor

import depth_perception as dp
from depth_perception.prediction import AffineInvariantError
from depth_perception.systems import (
    CheckpointError,
    MogeOptions,
    PpdEstimator,
    PpdOptions,
    build_network,
    card,
)
from depth_perception.systems.moge.network import MogeMaps, view_plane_uv
from depth_perception.systems.ppd.flow import noise_field

FOCAL = 1.2  # of the substituted MoGe-2, in units of half the diagonal
PIXELS = 64 * 96


@pytest.fixture(scope="module")
def moge_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reference = case("moge-tiny-infer")
    path = tmp_path_factory.mktemp("weights") / "moge2.pt"
    content = {"model_config": reference.entry["constructor"], "model": reference.state()}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def ppd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "ppd.pth"
    torch.save(_ppd_state(), path)
    return path


def _ppd_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = build_network("ppd-tiny")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    names = network.official_names()
    return {names[key]: value.detach().clone() for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return noise_image(80, 120, 1)


def _load_ppd(ppd_file: Path, moge_file: Path, **options: object) -> PpdEstimator:
    options = {"max_pixels": PIXELS, "steps": 2, "num_tokens": 30, **options}
    return dp.load("ppd-tiny", ppd_file, "cpu", semantics_checkpoint=moge_file, **options)


@pytest.fixture
def ppd(ppd_file: Path, moge_file: Path) -> PpdEstimator:
    return _load_ppd(ppd_file, moge_file)


def test_moge_is_the_original(moge_file: Path) -> None:
    reference = case("moge-tiny-infer")
    estimator = dp.load("moge-2-tiny", moge_file, "cpu", num_tokens=reference.options["num_tokens"])
    prediction = estimator(reference.image)
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.Z
    finite = torch.where(prediction.valid, prediction.depth, -1.0)
    reference.assert_close(finite, "out_current_depth")
    points = torch.nan_to_num(prediction.points(), nan=-1.0)
    reference.assert_close(points, "out_current_points")
    k = reference["out_current_intrinsics"]
    assert prediction.camera.fx == pytest.approx(float(k[0, 0]) * 112, rel=5e-3)
    assert (prediction.camera.cx, prediction.camera.cy) == (56, 42)


def test_a_known_camera_replaces_the_estimated_one(moge_file: Path) -> None:
    image = case("moge-tiny-infer").image
    estimator = dp.load("moge-2-tiny", moge_file, "cpu", num_tokens=48)
    camera = dp.Pinhole.from_fov(84, 112, math.radians(60))
    known, free = estimator(image, camera), estimator(image)
    assert known.camera == camera
    assert free.camera != camera
    both = known.valid & free.valid
    assert not torch.allclose(known.depth[both], free.depth[both], rtol=1e-3)
    same = estimator(image, free.camera)
    torch.testing.assert_close(same.depth[both], free.depth[both], rtol=1e-3, atol=1e-3)


def test_one_network_serves_several_options(moge_file: Path) -> None:
    estimator = dp.load("moge-2-tiny", moge_file, "cpu", num_tokens=48)
    twin = estimator.with_options(num_tokens=20)
    assert twin.network is estimator.network
    assert (twin.options.num_tokens, estimator.options.num_tokens) == (20, 48)
    with pytest.raises(ValueError, match="precision"):
        estimator.with_options(precision="bfloat16")
    with pytest.raises(ValueError, match="seam"):
        estimator.with_options(seam="blend")


def test_half_precision_moge_stays_close(moge_file: Path) -> None:
    image = case("moge-tiny-infer").image
    exact, rough = (
        dp.load("moge-2-tiny", moge_file, "cpu", num_tokens=48, precision=precision)(image)
        for precision in ("float32", "bfloat16")
    )
    both = exact.valid & rough.valid
    assert both.float().mean() > 0.9 * exact.valid.float().mean()
    ratio = rough.depth[both] / exact.depth[both]
    assert (ratio.median() - 1).abs() < 0.1


def _substitute(
    estimator: PpdEstimator, monkeypatch: pytest.MonkeyPatch, *, wall: bool = False
) -> Tensor:
    """Replaces both networks by ones that know the depth of a scene; returns that depth."""
    height, width = 64, 96
    v, u = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    depth = torch.full((height, width), 3.0) if wall else 1.5 + 2 * v + torch.sin(6 * u)
    rays = view_plane_uv(height, width) / FOCAL
    points = torch.cat((rays * depth[..., None], depth[..., None]), -1) / 2.0
    mask = torch.ones(1, height, width)
    mask[:, :4] = 0
    maps = MogeMaps(points[None], None, mask, torch.tensor([2.0]))
    monkeypatch.setattr(estimator.moge, "forward", lambda *_args, **_options: maps)
    noisy = depth + 0.01 * torch.randn(64, 96, generator=torch.Generator().manual_seed(0))
    relative = ((noisy.log1p() - 0.3) / 1.7)[None, None]
    monkeypatch.setattr(estimator.network, "forward", lambda *_args, **_options: relative)
    return depth


@pytest.mark.parametrize("align", ["robust", "ransac"])
def test_aligned_depth_is_metric(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch, align: str
) -> None:
    depth = _substitute(ppd, monkeypatch)
    prediction = ppd.with_options(align=align, output_size="network")(image)
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.note == ""
    assert prediction.valid.sum() == 60 * 96
    error = (prediction.depth - depth)[prediction.valid].abs()
    assert error.mean() < 0.02
    fx = FOCAL / 2 * math.hypot(1, 64 / 96) * 96
    assert prediction.camera.fx == pytest.approx(fx, rel=2e-3)
    assert prediction.fit.scale == pytest.approx(1.7, rel=0.01)
    assert prediction.fit.shift == pytest.approx(0.3, abs=0.01)
    assert prediction.fit.inlier_ratio > 0.9
    assert 0 < prediction.fit.scale_sigma < 0.01


def test_a_known_camera_counts_where_rounding_changes_the_shape(
    ppd: PpdEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    _substitute(ppd, monkeypatch)
    wide = noise_image(90, 150, 2)  # becomes 64 x 96
    whole = ppd.with_options(output_size="input")
    free = whole(wide)
    known = whole(wide, free.camera)
    both = known.valid & free.valid
    assert both.float().mean() > 0.9
    torch.testing.assert_close(known.depth[both], free.depth[both], rtol=2e-3, atol=0)


def test_results_at_the_size_of_the_image_keep_their_edges(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    _substitute(ppd, monkeypatch)
    small = ppd.with_options(output_size="network")(image)
    large = ppd.with_options(output_size="input")(image)
    assert tuple(large.values.shape) == (80, 120)
    assert set(large.values.unique().tolist()) <= set(small.values.unique().tolist())
    assert large.camera.fx == pytest.approx(small.camera.fx * 120 / 96)


@pytest.mark.parametrize("align", ["robust", "ransac"])
def test_a_poor_fit_is_reported_and_not_metric(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch, align: str
) -> None:
    _substitute(ppd, monkeypatch, wall=align == "robust")
    if align == "ransac":
        upside_down = -ppd.network.forward()
        monkeypatch.setattr(ppd.network, "forward", lambda *_args, **_options: upside_down)
    prediction = ppd.with_options(align=align)(image)
    assert not prediction.is_metric
    assert prediction.fit is None
    assert prediction.space is dp.DepthSpace.LOG1P_DEPTH
    assert "alignment to MoGe-2 failed" in prediction.note
    with pytest.raises(AffineInvariantError, match="alignment to MoGe-2 failed"):
        _ = prediction.depth


def test_all_sky_is_not_metric(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    _substitute(ppd, monkeypatch)
    maps = ppd.moge.forward()
    sky = maps._replace(mask=torch.zeros_like(maps.mask))
    monkeypatch.setattr(ppd.moge, "forward", lambda *_args, **_options: sky)
    for align in ("robust", "ransac"):
        prediction = ppd.with_options(align=align)(image)
        assert not prediction.is_metric
        assert "0 " in prediction.note


def test_the_real_networks_give_relative_depth(ppd: PpdEstimator, image: np.ndarray) -> None:
    relative = ppd.with_options(align="none", output_size="network")
    prediction = relative(image)
    assert tuple(prediction.values.shape) == (64, 96)
    assert prediction.scale is dp.ScaleKind.AFFINE_INVARIANT
    assert prediction.values.std() > 0.1
    assert torch.equal(prediction.values, relative(image).values)
    other_seed = relative.with_options(seed=1)(image).values
    assert not torch.equal(prediction.values, other_seed)
    given = relative(image, noise=noise_field(64, 96, 1))
    assert torch.equal(given.values, other_seed)
    smaller = relative.with_options(max_pixels=32 * 48)(image)
    assert tuple(smaller.values.shape) == (32, 48)


@pytest.mark.parametrize("share", [False, True])
def test_encoder_runs_once_when_it_is_shared(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch, share: bool
) -> None:
    calls = []
    encoder = ppd.moge.encoder
    run = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *inputs: calls.append(1) or run(*inputs))
    assert ppd.network.semantics.encoder is encoder
    ppd.with_options(share_encoder=share)(image)
    assert len(calls) == (1 if share else 2)


def test_steps_reach_the_network(
    ppd: PpdEstimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    velocity = ppd.network.dit.velocity
    monkeypatch.setattr(
        ppd.network.dit, "velocity", lambda *inputs: calls.append(1) or velocity(*inputs)
    )
    ppd.with_options(align="none", steps=29)(image)
    assert len(calls) == 29


def test_files_of_the_authors_load(
    tmp_path: Path, ppd_file: Path, moge_file: Path, image: np.ndarray
) -> None:
    state = _ppd_state()
    trainer = {
        "state_dict": {f"pipeline.{name}": value for name, value in state.items()},
        "epoch": 3,
    }
    passengers = {**state, "sem_encoder.norm.weight": torch.ones(4)}
    expected = _load_ppd(ppd_file, moge_file, align="none")(image).values
    for name, content in (("trainer.ckpt", trainer), ("whole.pth", passengers)):
        torch.save(content, tmp_path / name)
        estimator = _load_ppd(tmp_path / name, moge_file, align="none")
        assert torch.equal(estimator(image).values, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("model_config"), "has no model_config"),
        (lambda c: c["model_config"].update(remap_output="log"), "remap_output is 'log'"),
        (lambda c: c["model"].pop("neck.input_blocks.0.bias"), "1 parameters missing"),
        (lambda c: c["model"].update(extra=torch.ones(1)), "1 unexpected"),
    ],
)
def test_moge_files_that_do_not_fit_are_refused(
    tmp_path: Path, moge_file: Path, change, message: str
) -> None:
    content = torch.load(moge_file, weights_only=True)
    change(content)
    path = tmp_path / "broken.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        dp.load("moge-2-tiny", path, "cpu")


def test_ppd_files_that_do_not_fit_are_refused(tmp_path: Path, moge_file: Path) -> None:
    state = _ppd_state()
    state["dit.final_layer.linear.bias"] = torch.zeros(63)
    state["dit.refiner.weight"] = torch.zeros(2)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="1 unexpected, 1 of another shape"):
        _load_ppd(path, moge_file)


def test_missing_parts_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="weights fetch moge-2-vitl"):
        dp.load("moge-2-vitl", device="cpu")
    with pytest.raises(CheckpointError, match=r"weights fetch ppd-large"):
        dp.load("ppd-large", device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 56}, "use max_pixels"),
        ({"flip": True}, "flip"),
        ({"steps": 0}, "steps must lie between 1 and 200, got 0"),
        ({"max_pixels": -1}, "max_pixels must lie between 256"),
        ({"align": "magic"}, "align must be one of"),
    ],
)
def test_senseless_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PpdOptions(**options)


def test_moge_has_options_of_its_own() -> None:
    with pytest.raises(ValueError, match="use num_tokens"):
        MogeOptions(height=56)
    with pytest.raises(ValueError, match="num_tokens must lie between 1"):
        MogeOptions(num_tokens=0)
    with pytest.raises(TypeError, match="steps"):
        dp.load("moge-2-tiny", "none.pt", "cpu", steps=3)


def test_an_estimator_without_moge_is_relative(ppd: PpdEstimator, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needs MoGe-2"):
        PpdEstimator(card("ppd-tiny"), ppd.network, None)
    options = PpdOptions(align="none", max_pixels=PIXELS, steps=1)
    estimator = PpdEstimator(card("ppd-tiny"), ppd.network, None, options=options)
    assert not estimator(image).is_metric

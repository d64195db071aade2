"""The estimator: the originals' inference, options, and clear refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.reference import Case, case, case_id, cases, save_official

import depth_perception as dp
from depth_perception.data.worlds import make_world, render
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.geometry import Equirectangular, Pinhole
from depth_perception.systems import EstimatorOptions, build_network, card, save_network


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "panda_tiny.pth"
    return save_official(case("net_tiny_70x140").state(), path, "plain")


@pytest.fixture(scope="module")
def metric_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "metric.safetensors"
    save_network(build_network("panda-tiny-metric"), path)
    return path


@pytest.fixture(scope="module")
def pinhole(tmp_path_factory: pytest.TempPathFactory) -> dp.Estimator:
    """A pinhole estimator on a network small enough for tests."""
    torch.manual_seed(0)
    network = build_network("panda-tiny", max_depth=20.0)
    model = card("depth-anything-v2-metric-indoor-small")
    return dp.systems.DenseEstimator(
        model, network, options=EstimatorOptions(height=56, output_size="input")
    )


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return noise_image(60, 120, 0)


@pytest.mark.parametrize("reference", cases("run_image"), ids=case_id)
def test_without_a_seam_it_is_the_original_script(reference: Case, tmp_path: Path) -> None:
    path = save_official(reference.state(), tmp_path / "weights.pth", "data parallel")
    height = reference.options["height"]
    picture = reference.image
    camera = Equirectangular(*picture.shape[:2])
    estimator = dp.load(
        reference.model, path, "cpu", height=height, seam="off", output_size="input"
    )
    reference.assert_close(estimator(picture, camera).values, "depth_resized")
    estimator = estimator.with_options(output_size="network")
    prediction = estimator(picture, camera)
    reference.assert_close(prediction.values[None, None], "pred_depth")
    values = prediction.values
    gray = ((values - values.min()) / (values.max() - values.min()) * 255).to(torch.uint8)
    difference = (gray.int() - reference.arrays["gray"].int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() <= 0.005
    if "cloud_xyz" in reference.arrays:
        cloud = prediction.points(allow_affine=True).reshape(-1, 3)
        ours = cloud * torch.tensor([-1.0, -1.0, 1.0])  # their frame: x left, y up, z forward
        reference.assert_close(ours, "cloud_xyz")


@pytest.mark.parametrize("reference", cases("infer_image", "infer_image_dav2"), ids=case_id)
def test_aligned_corners_are_the_original_method(reference: Case, tmp_path: Path) -> None:
    path = save_official(reference.state(), tmp_path / "weights.pth", "plain")
    options = {"height": reference.options["input_size"], "align_corners": True, "seam": "off"}
    prediction = dp.load(reference.model, path, "cpu", **options, output_size="input")(
        reference.image
    )
    reference.assert_close(prediction.values, "depth")
    assert prediction.is_metric == ("metric" in reference.model)


def test_prediction_says_what_it_is(tiny_file: Path, metric_file: Path, image: np.ndarray) -> None:
    relative = dp.load("panda-tiny", tiny_file, "cpu", output_size="input")(image)
    assert relative.scale is dp.ScaleKind.AFFINE_INVARIANT
    assert relative.space is dp.DepthSpace.DEPTH
    with pytest.raises(dp.AffineInvariantError):
        relative.points()
    metric = dp.load("panda-tiny-metric", metric_file, "cpu", output_size="input")(image)
    assert metric.is_metric
    assert metric.kind is dp.DepthKind.RANGE
    assert metric.camera == Equirectangular(60, 120)
    assert metric.values.shape == (60, 120)
    assert 0 < metric.depth.min() < metric.depth.max() < 20
    torch.testing.assert_close(metric.points().norm(dim=-1), metric.depth)


def test_sky_of_a_model_that_marks_it_is_invalid(metric_file: Path, image: np.ndarray) -> None:
    estimator = dp.load("panda-tiny-metric", metric_file, "cpu")
    values = estimator(image).values
    limit = values.median().item()
    estimator.card = replace(estimator.card, sky_above_m=limit)
    prediction = estimator(image)
    assert torch.equal(prediction.valid, values < limit)
    assert 0.4 < prediction.valid.float().mean() < 0.6
    assert torch.equal(torch.isnan(prediction.points()[..., 0]), values >= limit)


def test_every_layout_of_an_image_gives_the_same(tiny_file: Path, image: np.ndarray) -> None:
    estimator = dp.load("panda-tiny", tiny_file, "cpu", height=70)
    expected = estimator(image).values
    read_only = image.copy()
    read_only.flags.writeable = False
    wide = np.zeros((60, 120, 4), np.uint8)
    wide[..., :3] = image
    layouts = {
        "mirrored view": image[::-1].copy()[::-1],
        "reversed channels": image[..., ::-1].copy()[..., ::-1],
        "fortran order": np.asfortranarray(image),
        "padded pixels": wide[..., :3],
        "read only": read_only,
        "tensor": torch.from_numpy(image),
        "permuted tensor": torch.from_numpy(image).permute(2, 0, 1).contiguous().permute(1, 2, 0),
    }
    for name, layout in layouts.items():
        assert torch.equal(estimator(layout).values, expected), name


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.zeros((60, 120), np.uint8), ValueError, "shape"),
        (np.zeros((60, 120, 4), np.uint8), ValueError, "shape"),
        (np.zeros((3, 60, 120), np.uint8), ValueError, "shape"),
        (np.zeros((1, 60, 120, 3), np.uint8), ValueError, "shape"),
        (np.zeros((0, 0, 3), np.uint8), ValueError, "no pixels"),
        (np.zeros((60, 120, 3), np.float32), TypeError, "float32"),
        (torch.zeros(60, 120, 3), TypeError, "float32"),
        (np.zeros((60, 120, 3), np.uint16), TypeError, "uint16"),
        ([[0, 0, 0]], TypeError, "list"),
        (np.zeros((60, 100, 3), np.uint8), ValueError, r"Equirectangular\.partial\(60, 100"),
    ],
)
def test_bad_images_are_refused(
    tiny_file: Path, bad: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        dp.load("panda-tiny", tiny_file, "cpu")(bad)


def test_cameras_must_belong_to_model_and_image(
    tiny_file: Path, pinhole: dp.Estimator, image: np.ndarray
) -> None:
    estimator = dp.load("panda-tiny", tiny_file, "cpu")
    with pytest.raises(ValueError, match="Equirectangular"):
        estimator(image, Pinhole.from_fov(60, 120, 1.0))
    with pytest.raises(ValueError, match="Pinhole"):
        pinhole(image, Equirectangular(60, 120))
    with pytest.raises(ValueError, match="120 x 60"):
        estimator(image, Equirectangular(70, 140))


def test_partial_panorama_is_sampled_as_densely_as_a_full_one(tiny_file: Path) -> None:
    estimator = dp.load("panda-tiny", tiny_file, "cpu", height=140, output_size="input")
    assert estimator.input_size(Equirectangular(60, 120)) == (140, 280)
    camera = Equirectangular.partial(60, 180, math.radians(270), math.radians(90))
    assert estimator.input_size(camera) == (70, 210)
    prediction = estimator(noise_image(60, 180, 1), camera)
    assert prediction.camera == camera
    assert prediction.values.shape == (60, 180)


def test_pinhole_without_camera_assumes_a_field_of_view(
    pinhole: dp.Estimator, caplog: pytest.LogCaptureFixture
) -> None:
    picture = noise_image(60, 88, 2)
    with caplog.at_level("WARNING"):
        first = pinhole(picture)
        pinhole(picture)
    assert first.camera.horizontal_fov == pytest.approx(math.radians(55))
    assert [record.getMessage() for record in caplog.records if "55" in record.getMessage()] != []
    assert len(caplog.records) == 1
    camera = Pinhole.from_fov(60, 88, math.radians(90))
    known = pinhole(picture, camera)
    assert known.camera == camera
    torch.testing.assert_close(known.values, first.values)
    torch.testing.assert_close(known.points()[..., 2], known.depth)
    assert pinhole.input_size(camera) == (56, 84)


def test_values_accept_autograd_and_writing(tiny_file: Path, image: np.ndarray) -> None:
    for options in ({}, {"output_size": "network"}):
        prediction = dp.load("panda-tiny", tiny_file, "cpu", height=28, **options)(image)
        prediction.values[0, 0] = 1.0
        factor = torch.ones((), requires_grad=True)
        (prediction.values * factor).sum().backward()
        assert factor.grad == prediction.values.sum()
        assert not prediction.values.is_inference()


def _seam_jump(values: torch.Tensor) -> float:
    """Step across the border in units of the usual step between neighbouring columns."""
    inside = (values[:, 1:] - values[:, :-1]).abs().mean()
    return float((values[:, 0] - values[:, -1]).abs().mean() / inside)


def test_seam_options_close_the_seam(tiny_file: Path, image: np.ndarray) -> None:
    jumps = {}
    for seam in ("off", "circular", "blend"):
        estimator = dp.load("panda-tiny", tiny_file, "cpu", height=70, seam=seam)
        jumps[seam] = _seam_jump(estimator(image).values)
    assert jumps["off"] > 2
    assert jumps["circular"] < 0.7 * jumps["off"]
    assert jumps["blend"] < 0.5 * jumps["off"]
    usual = dp.load("panda-tiny", tiny_file, "cpu", height=70)  # as in the nodes
    assert _seam_jump(usual(image).values) == jumps["circular"]


def test_blend_takes_each_column_from_the_run_that_sees_it_inside(
    tiny_file: Path, image: np.ndarray
) -> None:
    plain = dp.load("panda-tiny", tiny_file, "cpu", height=70, output_size="network", seam="off")
    blend = dp.load("panda-tiny", tiny_file, "cpu", height=70, output_size="network", seam="blend")
    picture = np.ascontiguousarray(noise_image(70, 140, 3))
    ahead = plain(picture).values
    behind = plain(np.roll(picture, 70, 1)).values.roll(-70, -1)
    mixed = blend(picture).values
    torch.testing.assert_close(mixed[:, 69:71], ahead[:, 69:71], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(mixed[:, :1], behind[:, :1], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(mixed[:, 35], (ahead + behind)[:, 35] / 2, atol=2e-3, rtol=1e-2)


def test_seam_is_left_alone_where_the_borders_do_not_meet(tiny_file: Path) -> None:
    camera = Equirectangular.partial(60, 90, math.radians(270), math.radians(180))
    picture = noise_image(60, 90, 4)
    expected = dp.load("panda-tiny", tiny_file, "cpu", height=70)(picture, camera).values
    for seam in ("circular", "blend"):
        estimator = dp.load("panda-tiny", tiny_file, "cpu", height=70, seam=seam)
        assert torch.equal(estimator(picture, camera).values, expected)


def test_heights_that_a_model_was_not_trained_for_are_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    usual = dp.load("panda-tiny-metric", device="cpu", height=112)
    assert (usual.remarks, caplog.text) == ((), "")
    (remark,) = dp.load("panda-tiny-metric", device="cpu", height=168).remarks
    assert "trained for 112 rows of its input only: depth with height 168" in remark
    assert remark in caplog.text


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000), (300, 20)])
def test_thin_images_are_refused_before_they_cost(size: tuple[int, int], tmp_path: Path) -> None:
    save_network(build_network("scaledepth-tiny"), tmp_path / "tiny.safetensors")
    estimator = dp.load("scaledepth-tiny", tmp_path / "tiny.safetensors", "cpu")
    with pytest.raises(ValueError, match=r"the limit is 10; DEPTH_PERCEPTION_ASPECT raises it"):
        estimator(np.zeros((*size, 3), np.uint8))


def test_flip_averages_both_ways(tiny_file: Path, image: np.ndarray) -> None:
    plain = dp.load("panda-tiny", tiny_file, "cpu", height=70)
    both = dp.load("panda-tiny", tiny_file, "cpu", height=70, flip=True)
    mirrored = plain(image[:, ::-1]).values.flip(-1)
    expected = (plain(image).values + mirrored) / 2
    torch.testing.assert_close(both(image).values, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        both(image[:, ::-1]).values.flip(-1), both(image).values, atol=1e-5, rtol=1e-4
    )
    combined = dp.load("panda-tiny", tiny_file, "cpu", height=70, flip=True, seam="blend")
    assert _seam_jump(combined(image).values) < _seam_jump(
        both.with_options(seam="off")(image).values
    )


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_stays_near(tiny_file: Path, image: np.ndarray, precision: str) -> None:
    exact = dp.load("panda-tiny", tiny_file, "cpu", height=70)(image).values
    estimator = dp.load("panda-tiny", tiny_file, "cpu", height=70, precision=precision)
    rough = estimator(image).values
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05
    assert estimator.network.head.neck.weight.dtype == torch.float32


def test_warm_up_prepares_this_size(
    tiny_file: Path, pinhole: dp.Estimator, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = dp.load("panda-tiny", tiny_file, "cpu", height=70)
    estimator.warm_up(60, 120)
    assert len(estimator.network.encoder._positions) == 1
    estimator(noise_image(60, 120, 5))
    assert len(estimator.network.encoder._positions) == 1
    pinhole.warm_up(40, 50)
    assert not caplog.records


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"precision": "int8"}, ValueError, "precision must be one of float32"),
        ({"seam": "mirror"}, ValueError, "seam must be one of auto, off"),
        ({"output_size": "half"}, ValueError, "output_size"),
        ({"height": 0}, ValueError, "height"),
        ({"height": "70"}, TypeError, "height must be a whole number, got '70'"),
        ({"height": 70.5}, TypeError, "height must be a whole number"),
        ({"height": True}, TypeError, "height must be a whole number"),
        ({"flip": "no"}, TypeError, "flip must be True or False, got 'no'"),
        ({"hight": 70}, TypeError, "hight"),
        ({"device": "cuda"}, ValueError, "no CUDA"),
        ({"device": "gpu"}, ValueError, "no device 'gpu'; take cpu, cuda"),
    ],
)
def test_bad_options_are_refused(
    tiny_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error, match=message):
        dp.load("panda-tiny", tiny_file, **options)


def test_seam_needs_a_panoramic_model() -> None:
    network = build_network("panda-tiny")
    with pytest.raises(ValueError, match="panoramic"):
        dp.systems.DenseEstimator(
            card("depth-anything-v2-small"), network, options=EstimatorOptions(seam="blend")
        )


def test_a_family_imports_only_its_own_estimator(tiny_file: Path) -> None:
    code = (
        "import sys, depth_perception as dp\n"
        f"dp.load('panda-tiny', {str(tiny_file)!r}, 'cpu')\n"
        "loaded = {name for name in sys.modules if name.endswith('.estimator')}\n"
        "sys.exit(0 if loaded == {'depth_perception.systems.estimator'} else f'imported: {loaded}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("degrees", "metric"),
    [((-180, 180, -14, 14), False), ((-180, 180, -90, 45), True), ((90, 270, -90, 90), True)],
)
def test_a_part_of_a_sphere_is_about_as_good_as_the_whole_one_or_not_called_metric(
    degrees: tuple[float, ...], metric: bool
) -> None:
    estimator = dp.load("panda-tiny-metric", device="cpu", output_size="input")
    height, width = 128, 256
    errors = []
    for seed, kind in enumerate(("room", "corridor")):
        world = make_world(kind, 500 + seed)
        camera = Equirectangular(height, width)
        frame = render(world, camera, frame_pose(world, 1, 3), shadows=False)
        whole = estimator(frame.rgb.numpy())
        left, right, top, bottom = degrees
        rows = round((top / 180 + 0.5) * height), round((bottom / 180 + 0.5) * height)
        columns = round((left / 360 + 0.5) * width), round((right / 360 + 0.5) * width)
        area = rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0]
        part = camera.crop(*area)

        def cut(values: torch.Tensor, area: tuple[int, ...] = area) -> torch.Tensor:
            return values.roll(-area[1], 1)[area[0] : area[0] + area[2], : area[3]]

        found = estimator(cut(frame.rgb).contiguous().numpy(), part)
        assert found.is_metric == metric
        assert ("of the sphere" in found.note) != metric
        truth = cut(frame.range_m)
        seen = torch.isfinite(truth) & (truth < 20)
        for depth in (found.depth, cut(whole.depth)):
            errors.append(((depth - truth).abs() / truth)[seen].mean().item())
    if metric:
        assert sum(errors[::2]) < 1.6 * sum(errors[1::2])


def test_max_depth_of_a_fine_tuned_network(tmp_path: Path, image: np.ndarray) -> None:
    """The weights file does not hold it; the network's own word is the truth."""
    torch.manual_seed(0)
    tuned = build_network("panda-tiny-metric", max_depth=40.0)
    save_network(tuned, tmp_path / "tuned.safetensors")
    usual, right = (
        dp.load("panda-tiny-metric", tmp_path / "tuned.safetensors", "cpu", **options)
        for options in ({}, {"max_depth": 40.0})
    )
    torch.testing.assert_close(right(image).values, 2 * usual(image).values)
    assert right.card.max_depth_m == 40.0
    with pytest.raises(ValueError, match="share its max_depth"):
        right.with_options(max_depth=10.0)
    with pytest.raises(TypeError, match="max_depth"):
        dp.load("panda-tiny", tmp_path / "tuned.safetensors", "cpu", max_depth=4.0)

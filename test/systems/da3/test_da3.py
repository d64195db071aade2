"""The monocular models of Depth Anything 3: files, metres, sky, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden.cases import FOLDER
from golden.fill import fill_manifest, load_manifest, noise_image
from safetensors.torch import save_file

import depth_perception as dp
from depth_perception.geometry import Pinhole
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.systems import (
    CheckpointError,
    PanelsEstimator,
    build_network,
    card,
    load_network,
)
from depth_perception.systems.da3.input import input_steps
from depth_perception.systems.da3.sky import filled, resized

MANIFESTS = {
    "da3-tiny": "da3_tiny",
    "da3-metric-large": "da3metric_large",
    "da3-mono-large": "da3metric_large",  # the same names and shapes
}
IMAGE = noise_image(80, 120, 1)


def manifest(name: str) -> dict[str, list]:
    return load_manifest(FOLDER / "da3" / f"manifest-{MANIFESTS[name]}.json")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with about 30 % of sky."""
    state = fill_manifest(manifest("da3-tiny"), 20)
    state["model.head.scratch.sky_output_conv2.2.bias"] += 0.17
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(state, path)
    return path


def camera_of(focal: float) -> Pinhole:
    return Pinhole(80, 120, focal, focal, 60.0, 40.0)


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_parameter_has_its_official_name_and_shape(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in manifest(name).items()}
    assert sum(p.numel() for p in network.parameters()) == card(name).parameters


def test_other_files_are_refused_with_the_differing_names(tmp_path: Path) -> None:
    state = fill_manifest(manifest("da3-tiny"), 0)
    value = state.pop("model.head.scratch.sky_output_conv2.2.bias")
    state["model.head.scratch.confidence.bias"] = value
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_network("da3-tiny", tmp_path / "other.safetensors")
    assert caught.value.missing == ("model.head.scratch.sky_output_conv2.2.bias",)
    assert caught.value.unexpected == ("model.head.scratch.confidence.bias",)


def test_metres_follow_the_focal_length_at_the_size_of_the_network(weights: Path) -> None:
    model = dp.load("da3-tiny", weights, "cpu", output_size="network", sky="filled")
    once, twice = (model(IMAGE, camera_of(focal)) for focal in (100.0, 200.0))
    torch.testing.assert_close(twice.values, 2 * once.values)
    steps = input_steps(80, 120, 126, "upper_bound_resize")
    assert (once.camera.height, once.camera.width) == steps.size == (84, 126)
    with torch.inference_mode():
        maps = model.network(steps.network_input(torch.from_numpy(IMAGE)))
    focal = 100 * (126 / 120 + 84 / 80) / 2
    expected = filled(maps.depth[0], maps.sky[0]) * focal / 300
    torch.testing.assert_close(once.values, expected)


def test_around_panoramas_the_focal_length_is_that_of_the_panels(weights: Path) -> None:
    model = dp.load("da3-tiny", weights, "cpu", process_res=56, sky="filled")
    panorama = noise_image(64, 128, 2)
    panels = surrounding_panels(56)
    found = PanelsEstimator(model, panels, joint_scale=False)(panorama)
    assert found.is_metric
    assert found.valid.all()
    front = panels[0]
    view = front.cut_image(torch.from_numpy(panorama).permute(2, 0, 1), found.camera)
    alone = model(view.permute(1, 2, 0).contiguous(), front.camera)
    # the middle of the image is seen best by the panel in front
    assert float(found.values[32, 64]) == pytest.approx(float(alone.values[28, 28]), rel=0.2)


def test_sky_is_invalid_unless_it_shall_be_filled(weights: Path) -> None:
    plain, whole = (
        dp.load("da3-tiny", weights, "cpu", sky=sky)(IMAGE, camera_of(100.0))
        for sky in ("invalid", "filled")
    )
    assert torch.equal(plain.values, whole.values)
    assert 0.05 < (~plain.valid).float().mean() < 0.95
    assert whole.valid.all()
    fill = whole.values[~plain.valid]
    torch.testing.assert_close(fill, fill[:1].expand_as(fill))


def test_sky_and_ground_do_not_mix_when_resized() -> None:
    depth = torch.full((4, 4), 2.0)
    beyond = torch.zeros((4, 4), dtype=torch.bool)
    depth[:2], beyond[:2] = 50.0, True
    values, mask = resized(depth, beyond, (9, 9))
    assert set(values.round(decimals=3).unique().tolist()) == {2.0, 50.0}
    assert torch.equal(values > 10, mask)


def test_borders_that_are_cut_off_are_not_valid(weights: Path) -> None:
    options = {"process_res": 60, "process_res_method": "lower_bound_crop", "sky": "filled"}
    options["output_size"] = "input"
    found = dp.load("da3-tiny", weights, "cpu", **options)(IMAGE, camera_of(100.0))
    assert found.values.shape == (80, 120)
    assert not found.valid[:, 0].any()
    assert found.valid[40, 60]
    assert found.valid.float().mean() == pytest.approx(56 * 84 / (60 * 90), abs=0.05)


def test_thin_images_have_at_least_one_patch(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_ASPECT", "200")
    thin = Pinhole(3, 400, 100.0, 100.0, 200.0, 1.5)
    found = dp.load("da3-tiny", weights, "cpu", sky="filled", output_size="input")(
        noise_image(3, 400, 0), thin
    )
    assert found.values.shape == (3, 400)
    assert torch.isfinite(found.values).all()


def test_metres_without_a_camera_are_warned_of(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dp.load("da3-tiny", weights, "cpu", process_res=56)(IMAGE)
    assert "no camera given: metres will assume a horizontal field of view of 55" in caplog.text


def test_relative_depth_has_no_metres() -> None:
    assert not card("da3-mono-large").is_metric
    assert card("da3-mono-large").space is dp.DepthSpace.DEPTH


def test_images_of_a_batch_have_a_sky_of_their_own(weights: Path) -> None:
    model = dp.load("da3-tiny", weights, "cpu", sky="filled")
    images = [IMAGE, noise_image(80, 120, 7)]
    together = model.batch(images, [camera_of(100.0)] * 2)
    for image, found in zip(images, together, strict=True):
        alone = model(image, camera_of(100.0))
        torch.testing.assert_close(found.values, alone.values, atol=1e-4, rtol=1e-3)

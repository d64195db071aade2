"""Pinhole models on panoramas, with the truth of a synthetic world in the place of a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import depth_perception as dp
from depth_perception.data.worlds import make_world, render
from depth_perception.geometry import DepthKind, Equirectangular, Panel, Pinhole, edge_mask
from depth_perception.geometry.agreement import Overlap, agreeing_factors
from depth_perception.geometry.panel_merge import PanelDepth, merge_panels, surrounding_panels
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind, Scene
from depth_perception.systems import build_network, card, save_network
from depth_perception.systems.card import ModelCard
from depth_perception.systems.panels import PanelsEstimator

WORLD = make_world("room", 3)
POSE = WORLD.pose(1.0)
CAMERA = Equirectangular(128, 256)
PANELS = surrounding_panels(96)


class Oracle:
    """A pinhole model that knows the world: it recognises the panel by the order of the calls."""

    device = torch.device("cpu")

    def __init__(self, scales: list[float], *, floor: int | None = None) -> None:
        self.card = card("scaledepth-tiny")
        self.scales, self.floor = scales, floor
        self.calls = 0

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        panel, scale = PANELS[self.calls], self.scales[self.calls]
        assert camera == panel.camera
        assert image.shape == (panel.height, panel.width, 3)
        pose = POSE.clone()
        pose[:3, :3] = POSE[:3, :3] @ panel.rotation.to(POSE)
        z_m = render(WORLD, camera, pose, shadows=False).z_m.float()
        scene = Scene(4.0 * scale, self.calls == self.floor, (0.25, 0.75), ("cafe", "office"))
        self.calls += 1
        return Prediction(
            z_m * scale,
            z_m > 0,
            camera,
            DepthKind.Z,
            DepthSpace.DEPTH,
            ScaleKind.METRIC,
            scene=scene,
        )


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return render(WORLD, CAMERA, POSE, shadows=False).range_m


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.zeros(CAMERA.height, CAMERA.width, 3, dtype=torch.uint8)


def relative_error(prediction: Prediction, truth: torch.Tensor) -> torch.Tensor:
    """Away from depth jumps, where a pixel of the panel and one of the panorama may differ."""
    usable = prediction.valid & ~edge_mask(truth, 0.05, wraps=True)
    assert usable.float().mean() > 0.7
    return ((prediction.depth - truth).abs() / truth)[usable]


def test_true_panels_make_the_true_panorama(truth: torch.Tensor, image: torch.Tensor) -> None:
    prediction = PanelsEstimator(Oracle([1.0] * 8), PANELS)(image)
    assert prediction.valid.all()
    assert prediction.kind is DepthKind.RANGE
    assert prediction.camera == CAMERA
    error = relative_error(prediction, truth)
    assert error.median() < 2e-4
    assert error.quantile(0.9) < 1e-3
    assert error.quantile(0.99) < 0.01  # what is left is where surfaces meet


def test_panels_of_different_scale_get_a_common_one(
    truth: torch.Tensor, image: torch.Tensor
) -> None:
    scales = [0.5, 2.0, 1.3, 0.9, 1.0, 1.7, 0.6, 1.1]
    mean = math.exp(sum(map(math.log, scales)) / len(scales))
    prediction = PanelsEstimator(Oracle(scales), PANELS)(image)
    scaled = replace(prediction, values=prediction.values / mean)
    assert relative_error(scaled, truth).quantile(0.95) < 0.01
    assert prediction.scene.scale_m == pytest.approx(4 * mean, rel=1e-6)
    assert prediction.scene.class_probabilities == (0.25, 0.75)
    assert prediction.scene.class_name == "office"
    own = PanelsEstimator(Oracle(scales), PANELS, joint_scale=False)(image)
    assert relative_error(replace(own, values=own.values / mean), truth).median() > 0.1


class Affine(Oracle):
    """Values with noise that lack a scale and a shift, others in each panel."""

    def __init__(self, space: DepthSpace, noise: float) -> None:
        super().__init__([1.0] * 8)
        affine = {"scale": ScaleKind.AFFINE_INVARIANT, "space": space}
        self.card, self.noise = replace(self.card, **affine), noise

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        generator = torch.Generator().manual_seed(self.calls)
        scale, shift = torch.rand(2, generator=generator).tolist()
        said = super().__call__(image, camera)
        z = said.values * (self.noise * torch.randn(said.values.shape, generator=generator)).exp()
        linear = self.card.space.from_depth(z)
        typical = linear[said.valid].median()
        values = linear / typical * (0.5 + scale) + 0.5 * shift
        return replace(said, values=values, space=self.card.space, scale=self.card.scale)


@pytest.mark.parametrize(("noise", "error"), [(0.0, 0.01), (0.05, 0.06)])
@pytest.mark.parametrize("space", [DepthSpace.DEPTH, DepthSpace.INVERSE_DEPTH])
def test_panels_of_unknown_scale_and_shift_agree(
    space: DepthSpace, noise: float, error: float, truth: torch.Tensor, image: torch.Tensor
) -> None:
    estimator = PanelsEstimator(Affine(space, noise), PANELS)
    assert estimator.card.scale is ScaleKind.SCALE_INVARIANT
    prediction = estimator(image)
    assert prediction.scale is ScaleKind.SCALE_INVARIANT
    assert prediction.space is DepthSpace.DEPTH
    known = prediction.valid & (truth > 0)
    assert known[truth > 0].float().mean() > 0.9
    factor = (truth / prediction.values)[known].median()
    scaled = replace(prediction, values=prediction.values * factor)
    assert relative_error(scaled, truth).median() < error


class Gradient(Affine):
    """An affine oracle that makes up depth where its view is black, outside of the image."""

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        said = super().__call__(image, camera)
        made_up = torch.linspace(0.2, 3.0, camera.height)[:, None].expand_as(said.values)
        return replace(said, values=torch.where(image.sum(-1) > 0, said.values, made_up))


@pytest.mark.parametrize("degrees", [(180, 90), (220, 110), (360, 120)])
def test_only_what_the_image_shows_decides_on_lines(
    degrees: tuple[int, int], truth: torch.Tensor
) -> None:
    rows, columns = (round(d * CAMERA.height / 180) for d in reversed(degrees))
    camera = Equirectangular.partial(rows, columns, *map(math.radians, degrees))
    top, left = (CAMERA.height - rows) // 2, (CAMERA.width - columns) // 2
    shown = truth[top : top + rows, left : left + columns]
    pixels = torch.full((rows, columns, 3), 200, dtype=torch.uint8)
    prediction = PanelsEstimator(Gradient(DepthSpace.DEPTH, 0.0), PANELS)(pixels, camera)
    known = prediction.valid & (shown > 0)
    assert known.float().mean() > 0.5
    error = prediction.values * (shown / prediction.values)[known].median() / shown - 1
    assert error.abs()[known].median() < 0.02


class _Saying:
    device = torch.device("cpu")

    def __init__(self, card: ModelCard, said: Prediction) -> None:
        self.card, self.said = card, said

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        return self.said


def test_panels_that_agree_on_nothing_have_no_depth(image: torch.Tensor) -> None:
    ahead = (Panel("ahead", 0.0, 0.0, 1.0, 96, 96), Panel("behind", math.pi, 0.0, 1.0, 96, 96))
    affine = replace(card("scaledepth-tiny"), scale=ScaleKind.AFFINE_INVARIANT)
    said = Prediction(
        torch.rand(96, 96), torch.ones(96, 96, dtype=torch.bool), ahead[0].camera, DepthKind.Z,
        DepthSpace.DEPTH, ScaleKind.AFFINE_INVARIANT,
    )  # fmt: skip
    prediction = PanelsEstimator(_Saying(affine, said), ahead)(image)
    assert not prediction.valid.any()
    assert "do not overlap" in prediction.note


def test_a_panel_that_does_not_know_its_scale_takes_that_of_the_others(
    truth: torch.Tensor, image: torch.Tensor
) -> None:
    scales = [1.0] * 7 + [0.01]
    prediction = PanelsEstimator(Oracle(scales, floor=7), PANELS)(image)
    assert relative_error(prediction, truth).quantile(0.95) < 0.01
    assert not prediction.scene.is_at_floor


def test_sky_and_what_no_panel_sees_are_not_valid(truth: torch.Tensor) -> None:
    up, *rest = reversed(PANELS)
    parts = [
        PanelDepth(panel, torch.ones(96, 96), torch.ones(96, 96, dtype=torch.bool), panel.camera)
        for panel in rest
    ]
    merged = merge_panels(parts, CAMERA)
    unseen = up.grid(CAMERA)
    assert not merged.valid[-1].any()
    assert torch.isnan(merged.range_m[-1]).all()
    assert merged.valid[0].all()
    assert unseen.v.max() > 120  # it is the panel that looks down that is missing
    sky = [
        replace(part, valid=part.valid & False) if i == 2 else part for i, part in enumerate(parts)
    ]
    ahead = merge_panels(sky, CAMERA).valid
    centre = CAMERA.project(sky[2].panel.rotation[:, 2])
    assert not ahead[int(centre[1]), int(centre[0])]


def test_two_surfaces_are_not_averaged() -> None:
    panels = [Panel("one", 0.0, 0.0, 1.5, 40, 40), Panel("other", 0.1, 0.0, 1.5, 40, 40)]
    parts = [
        PanelDepth(
            panel,
            torch.full((40, 40), far),
            torch.ones(40, 40, dtype=torch.bool),
            panel.camera,
            DepthKind.RANGE,
        )
        for panel, far in zip(panels, (2.0, 5.0), strict=True)
    ]
    merged = merge_panels(parts, CAMERA, joint_scale=False)
    known = merged.range_m[merged.valid]
    assert ((known - 2).abs() < 1e-4).logical_or((known - 5).abs() < 1e-4).all()
    assert merged.factors.tolist() == [1, 1]
    with pytest.raises(ValueError, match="no panels"):
        merge_panels([], CAMERA)


@pytest.mark.parametrize("side", [64, 200])
def test_the_surrounding_panels_see_every_direction(side: int) -> None:
    rays = Equirectangular(90, 180).rays(dtype=torch.float64)
    seen = torch.zeros(90, 180, dtype=torch.int64)
    for panel in surrounding_panels(side):
        u, v = panel.camera.project(rays @ panel.rotation)
        seen += (u > 0) & (u < side) & (v > 0) & (v < side)
    assert seen.min() >= 1


def test_factors_are_those_that_make_maps_agree() -> None:
    logs = torch.tensor([[0.3, -1.0], [0.0, 0.5], [-0.4, 0.2]])
    overlaps = [Overlap(i, j, logs[i] - logs[j], 0.1 + i) for i, j in ((0, 1), (1, 2))]
    factors = agreeing_factors(overlaps, 3)
    expected = (logs.mean(0) - logs).exp().double()
    torch.testing.assert_close(factors, expected, atol=1e-4, rtol=1e-4)
    second = agreeing_factors(overlaps, 3, (0.0, 1.0, 0.0))
    torch.testing.assert_close(second, (logs[1] - logs).exp().double(), atol=1e-4, rtol=1e-4)
    alone = agreeing_factors(overlaps[:1], 3)
    assert alone[2].tolist() == pytest.approx([1, 1], abs=1e-4)
    with pytest.raises(ValueError, match="no two maps"):
        agreeing_factors([], 3)


def test_a_network_runs_over_panels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_network(build_network("scaledepth-tiny"), tmp_path / "tiny.safetensors")
    pinhole = dp.load("scaledepth-tiny", tmp_path / "tiny.safetensors", "cpu", height=32)
    estimator = PanelsEstimator(pinhole, surrounding_panels(40))
    pixels = torch.randint(0, 256, (64, 128, 3), dtype=torch.uint8)
    said = [
        estimator(pixels),
        estimator(pixels.numpy()),
        estimator(pixels, Equirectangular(64, 128)),
    ]
    for prediction in said:
        assert prediction.is_metric
        assert prediction.valid.all()
        assert prediction.depth.min() > 0
        assert len(prediction.scene.class_probabilities) == 28
        assert torch.equal(prediction.depth, said[0].depth)
    part = Equirectangular.partial(32, 64, math.pi, math.pi / 2)
    assert estimator(pixels[:32, :64], part).valid.any()
    assert (estimator.card.camera, estimator.card.kind) == ("equirectangular", DepthKind.RANGE)
    estimator.warm_up(32, 64)


def _named(name: str, **changes: object) -> Callable[..., None]:
    oracle = Oracle([1.0] * 8)
    oracle.card = replace(card(name), **changes)
    return oracle


def test_what_panels_cannot_do_is_named(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needs no panels"):
        PanelsEstimator(_named("panda-tiny"))
    with pytest.raises(ValueError, match="at least one panel"):
        PanelsEstimator(Oracle([]), ())
    estimator = PanelsEstimator(Oracle([1.0] * 8), PANELS)
    with pytest.raises(ValueError, match="twice as wide"):
        estimator(image[:, :100])
    with pytest.raises(ValueError, match="Equirectangular camera of 256 x 128"):
        estimator(image, Pinhole.from_fov(128, 256, 1.0))
    with pytest.raises(ValueError, match="RGB"):
        estimator(image[..., 0])


def test_the_grid_may_be_as_dense_as_the_panels(image: torch.Tensor) -> None:
    large = torch.zeros(320, 640, 3, dtype=torch.uint8)
    prediction = PanelsEstimator(Oracle([1.0] * 8), PANELS, output_size="network")(large)
    assert prediction.camera == Equirectangular(151, 302)  # 48 pixels for each radian
    truth = render(WORLD, prediction.camera, POSE, shadows=False).range_m
    assert relative_error(prediction, truth).median() < 5e-4
    small = PanelsEstimator(Oracle([1.0] * 8), PANELS, output_size="network")(image)
    assert small.camera == CAMERA
    with pytest.raises(ValueError, match="output_size must be one of"):
        PanelsEstimator(Oracle([1.0] * 8), PANELS, output_size="large")


class Refused(Oracle):
    """Some of its panels could not be made metric."""

    def __init__(self, panels: range) -> None:
        super().__init__([1.0] * 8)
        self.refused = panels

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        said = super().__call__(image, camera)
        if self.calls - 1 not in self.refused:
            return said
        return replace(said, scale=ScaleKind.AFFINE_INVARIANT, note="the fit was refused")


def test_panels_without_metres_count_as_not_seen(truth: torch.Tensor, image: torch.Tensor) -> None:
    prediction = PanelsEstimator(Refused(range(7, 8)), PANELS)(image)
    assert prediction.is_metric
    assert not prediction.valid[-1].any()
    seen = prediction.valid & ~edge_mask(truth, 0.05, wraps=True)
    assert seen[:64].float().mean() > 0.7
    assert (prediction.depth / truth - 1).abs()[seen].median() < 2e-4
    nothing = PanelsEstimator(Refused(range(8)), PANELS)(image)
    assert not nothing.is_metric
    assert not nothing.valid.any()
    assert nothing.note == "no panel is metric: the fit was refused"

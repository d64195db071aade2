"""Training of PanoLite: frames, augmentation, losses, and the start from ImageNet weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from depth_perception.data.frames import PanoramaFrame
from depth_perception.data.tiny import write_tiny
from depth_perception.geometry import Equirectangular
from depth_perception.systems import CheckpointError, build_network
from depth_perception.systems.panolite.network import folded
from depth_perception.training.panolite.augment import AugmentRecipe, mounted, photographed
from depth_perception.training.panolite.encoder import load_encoder
from depth_perception.training.panolite.frames import (
    Batch,
    DataRecipe,
    PanoLiteData,
    SizePhase,
    Worlds,
    thin_and_near,
)
from depth_perception.training.panolite.losses import LossRecipe, losses
from depth_perception.training.stream import Draw, seeded


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("worlds") / "data"
    write_tiny("worlds", folder)
    return str(folder)


def test_batches_have_the_height_of_the_camera_and_one_size_of_their_phase(root: str) -> None:
    sizes = (SizePhase(0.0, (32,)), SizePhase(0.5, (64, 96)))
    data = PanoLiteData(DataRecipe((root, root), (root,), sizes), AugmentRecipe(), 0, 2)
    assert len(data) == 4

    def batch(step: int, progress: float) -> Batch:
        return data.batch(Draw(step, progress, (0, 3), (seeded(1), seeded(2))))

    first, *later = batch(0, 0.0), *(batch(step, 0.6) for step in range(8))
    assert first.images.shape == (2, 3, 32, 64)
    assert {b.images.shape[-2] for b in later} == {64, 96}
    heights = [Worlds((root,))[k].camera_height_m for k in (0, 1)]
    assert first.height_m.flatten().tolist() == pytest.approx(heights)
    assert torch.equal(batch(0, 0.0).images, first.images)
    assert data.held_out[0].images.shape == (1, 3, 96, 192)


def test_a_tilted_camera_sees_the_same_range_elsewhere() -> None:
    camera = Equirectangular(64, 128)
    rays = camera.rays()
    up = torch.tensor([0.0, -1.0, 0.0])
    below = (-(rays @ up)).clamp_min(1e-3)
    frame = PanoramaFrame((100 * rays.abs()).permute(2, 0, 1).byte(), 1 / below, "ground", 1.0)
    tilts = set()
    for seed in range(8):
        changed = mounted(frame, AugmentRecipe(), np.random.default_rng(seed))
        points = changed.range_m[..., None] * rays
        near = changed.range_m < 3
        plane = torch.linalg.lstsq(points[near], torch.ones(int(near.sum()), 1)).solution[:, 0]
        assert 1 / plane.norm() == pytest.approx(1.0, abs=0.03)  # metres above the ground
        tilts.add(round(float(torch.rad2deg(torch.acos(-plane @ up / plane.norm()))), 1))
    assert 0.0 in tilts
    assert 1 < max(tilts) < 15


def test_what_the_mount_hides_is_known() -> None:
    picture = np.full((64, 128, 3), 200, np.uint8)
    recipe = AugmentRecipe(cap=1.0, noise=0.0, jpeg=0.0, colour=0.0, blur_px=0.0, stitch=0.0)
    changed, free = photographed(picture, recipe, np.random.default_rng(0))
    assert changed.shape == picture.shape
    assert not free[0]
    assert not free[-1]
    assert np.array_equal(changed[free], picture[free])


def test_thin_things_are_thin_and_near() -> None:
    range_m = np.full((120, 240), 10.0, np.float32)
    range_m[:, 100:101] = range_m[:, :1] = 3.0  # 1.5 degrees
    range_m[:, 50:60] = 3.0
    mask = thin_and_near(range_m)
    assert mask[:, 100].all()
    assert mask[:, 0].all()
    assert not mask[:, 50:60].any()
    assert mask.sum() == 240


def test_losses_vanish_at_the_ground_truth_and_know_scale() -> None:
    rays = Equirectangular(32, 64).rays()
    log_ratio = (2 / rays.abs().amax(-1)).log()[None, None]
    surface = torch.ones_like(log_ratio, dtype=torch.bool)
    surface[..., :8, :] = False
    maps = (log_ratio + ~surface, torch.zeros_like(log_ratio), 20 * (2 * surface - 1.0))

    def terms(values: tuple[torch.Tensor, ...]) -> dict[str, float]:
        found = losses(values, log_ratio, surface, surface & False, LossRecipe())
        return {name: float(value) for name, value in found.items()}

    right = terms(maps)
    assert all(abs(right[name]) < 1e-4 for name in ("log_l1", "gradient", "normal", "valid"))
    scaled = terms((maps[0] + 0.5, *maps[1:]))
    assert scaled["log_l1"] == pytest.approx(0.5)
    assert scaled["gradient"] < 1e-4
    nothing = losses(maps, log_ratio, surface & False, surface & False, LossRecipe())
    assert all(value.isfinite() for value in nothing.values())


def test_the_encoder_starts_from_the_weights_of_a_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("panolite-tiny")
    classifier = timm.create_model(network.config.encoder)
    state = classifier.state_dict()
    torch.save({f"other.{k}": v for k, v in state.items()}, tmp_path / "by_order.pth")
    load_encoder(network, tmp_path / "by_order.pth")
    expected = timm.create_model(network.config.encoder, features_only=True)
    expected.load_state_dict({name: state[name] for name in expected.state_dict()})
    for name, value in folded(expected).state_dict().items():
        assert torch.equal(network.encoder.state_dict()[name], value), name
    torch.save({"conv": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="does not hold the weights of"):
        load_encoder(network, tmp_path / "other.pth")

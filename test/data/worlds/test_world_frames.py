"""Worlds from seeds, and what the renderer says about them."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from published.solids import surface_error

from depth_perception.data.worlds import CLASSES, KINDS, Frame, World, make_world, render
from depth_perception.data.worlds.paths import CLEARANCE_M, clearance
from depth_perception.data.worlds.primitives import unit_points
from depth_perception.geometry import DepthKind, Equirectangular, Pinhole

CAMERA = Equirectangular(48, 96)
CAMERA_HEIGHTS_M = (1.2, 1.6)


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {kind: make_world(kind, 11) for kind in KINDS}


@pytest.fixture(scope="module")
def frames(worlds: dict[str, World]) -> dict[str, Frame]:
    return {
        kind: render(world, CAMERA, world.pose(0.5 * world.path_length_m))
        for kind, world in worlds.items()
    }


def same_tables(first: object, second: object) -> bool:
    return all(torch.equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first))


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bytes(
    kind: str, worlds: dict[str, World], frames: dict[str, Frame]
) -> None:
    again = make_world(kind, 11)
    assert same_tables(again.primitives, worlds[kind].primitives)
    assert same_tables(again.materials, worlds[kind].materials)
    assert torch.equal(again.path, worlds[kind].path)
    frame = render(again, CAMERA, again.pose(0.5 * again.path_length_m))
    for name in ("rgb", "range_m", "z_m", "normals", "classes", "instances", "solids"):
        assert torch.equal(getattr(frame, name), getattr(frames[kind], name)), name


def test_seeds_differ_and_any_is_every_kind() -> None:
    made = [make_world("any", seed) for seed in range(24)]
    assert {world.kind for world in made} == set(KINDS)
    sizes = {(world.kind, len(world.primitives), world.path_length_m) for world in made}
    assert len(sizes) == len(made)
    assert len(make_world("room", 3).primitives) > 40


@pytest.mark.parametrize("kind", KINDS)
def test_ground_truth_lies_on_the_solids(
    kind: str, worlds: dict[str, World], frames: dict[str, Frame]
) -> None:
    frame = frames[kind]
    seen = torch.isfinite(frame.range_m)
    assert torch.equal(seen, frame.solids >= 0)
    local = CAMERA.unproject(frame.range_m.double())[seen]
    points = (local @ frame.pose[:3, :3].T + frame.pose[:3, 3]).float()
    error = surface_error(worlds[kind].primitives, frame.solids[seen], points)
    assert float(error.max()) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_z_and_normals(kind: str, frames: dict[str, Frame]) -> None:
    frame, rays = frames[kind], CAMERA.rays()
    seen = torch.isfinite(frame.range_m)
    assert torch.allclose(frame.z_m[seen], frame.range_m[seen] * rays[..., 2][seen], atol=1e-5)
    assert torch.allclose(frame.normals[seen].norm(dim=1), torch.ones(int(seen.sum())), atol=1e-4)
    assert float((frame.normals * rays).sum(-1)[seen].max()) < 1e-2
    assert (frame.normals[~seen] == 0).all()


def test_pinhole_z_is_what_the_camera_converts_to(worlds: dict[str, World]) -> None:
    camera = Pinhole.from_fov(30, 40, math.radians(80))
    frame = render(worlds["room"], camera, worlds["room"].pose(1.0))
    converted = camera.convert(frame.range_m, DepthKind.RANGE, DepthKind.Z)
    assert torch.allclose(frame.z_m, converted, atol=1e-5)
    assert float(frame.z_m.min()) > 0.2


def test_panorama_and_pinhole_agree_in_the_same_direction(
    worlds: dict[str, World], frames: dict[str, Frame]
) -> None:
    world, frame = worlds["room"], frames["room"]
    for row, column in ((5, 10), (20, 80), (24, 47), (30, 3), (40, 60)):
        ray = CAMERA.rays(dtype=torch.float64)[row, column]
        side = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), ray)
        side = side / side.norm()
        turn = torch.stack((side, torch.linalg.cross(ray, side), ray), dim=1)
        pose = frame.pose.clone()
        pose[:3, :3] = frame.pose[:3, :3] @ turn
        one = render(world, Pinhole.from_fov(3, 3, 0.2), pose)
        assert float(one.range_m[1, 1]) == pytest.approx(
            float(frame.range_m[row, column]), abs=1e-4
        )
        assert int(one.instances[1, 1]) == int(frame.instances[row, column])
        assert int(one.classes[1, 1]) == int(frame.classes[row, column])


def test_turning_left_rolls_the_columns_right(worlds: dict[str, World]) -> None:
    world = worlds["courtyard"]
    ahead = render(world, CAMERA, world.pose(1.0))
    left = render(world, CAMERA, world.pose(1.0, yaw=math.pi / 2))
    rolled = torch.roll(ahead.range_m, CAMERA.width // 4, dims=1)
    same = torch.isclose(rolled, left.range_m, atol=1e-3)
    assert float(same.float().mean()) > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_consistent(kind: str, worlds: dict[str, World], frames: dict[str, Frame]) -> None:
    frame, things = frames[kind], {entry.id: entry.is_thing for entry in CLASSES}
    solids = worlds[kind].primitives
    for class_id, instance in zip(
        solids.class_id.tolist(), solids.instance_id.tolist(), strict=True
    ):
        assert (instance > 0) == things[class_id]
    seen = frame.solids >= 0
    assert torch.equal(frame.classes[seen], solids.class_id[frame.solids[seen]])
    assert torch.equal(frame.instances[seen], solids.instance_id[frame.solids[seen]])
    for instance in frame.instances.unique().tolist():
        if instance:
            assert len(frame.classes[frame.instances == instance].unique()) == 1
    sky = next(entry.id for entry in CLASSES if entry.name == "sky")
    assert (frame.classes[~seen] == sky).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_the_camera_touches_nothing(kind: str, seed: int) -> None:
    world = make_world(kind, seed)
    path = world.path
    assert len({float(z) for z in path[:, 2]}) == 1
    eye = float(path[0, 2])
    floor = 0.1 if kind == "street" and eye - 0.1 >= CAMERA_HEIGHTS_M[0] else 0.0
    low, high = CAMERA_HEIGHTS_M
    assert low <= eye <= high + 0.1
    free = clearance(world.primitives, path[:, :2].numpy(), floor + 0.13, eye + 0.3)
    assert free.min() >= CLEARANCE_M
    for row in range(len(world.primitives)):
        owner = torch.full((len(path),), row)
        assert (
            unit_points(world.primitives, owner, path.float()).abs().max(dim=1).values > 1
        ).all()
    assert world.path_length_m > 1.0


def test_the_body_is_level_and_looks_along_the_path() -> None:
    world = make_world("street", 2)
    for distance in (0.0, 1.0, world.path_length_m):
        pose = world.pose(distance)
        right, down, forward = pose[:3, :3].T
        assert torch.allclose(down, torch.tensor([0.0, 0, -1], dtype=torch.float64), atol=1e-12)
        assert float(torch.linalg.det(pose[:3, :3])) == pytest.approx(1.0)
        assert abs(float(right[2])) < 1e-12
        assert abs(float(forward[2])) < 1e-12
    start, ahead = world.pose(1.0), world.pose(1.3)
    step = ahead[:3, 3] - start[:3, 3]
    assert float(step @ start[:3, 2]) > 0.9 * float(step.norm())


def test_shadows_and_smooth_borders_change_colours_only(worlds: dict[str, World]) -> None:
    world = worlds["street"]
    pose = world.pose(2.0)
    plain = render(world, CAMERA, pose, shadows=False)
    shaded = render(world, CAMERA, pose, shadows=True)
    smooth = render(world, CAMERA, pose, shadows=True, antialias=True)
    assert (shaded.rgb.int() <= plain.rgb.int()).all()
    assert float((shaded.rgb.int() < plain.rgb.int()).float().mean()) > 0.01
    assert not torch.equal(smooth.rgb, shaded.rgb)
    for other in (plain, smooth):
        assert torch.equal(other.range_m, shaded.range_m)
        assert torch.equal(other.instances, shaded.instances)


def test_pictures_are_not_flat(frames: dict[str, Frame]) -> None:
    for frame in frames.values():
        colours = len(frame.rgb.reshape(-1, 3).unique(dim=0))
        assert colours > 800
        assert len(frame.classes.unique()) >= 4


def test_wrong_requests_are_named() -> None:
    with pytest.raises(ValueError, match="castle"):
        make_world("castle", 0)
    with pytest.raises(ValueError, match="-3"):
        make_world("room", -3)

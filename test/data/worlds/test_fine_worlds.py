"""Worlds of version 2: the compiled tracer, ground truth, thin structures, options, cameras."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from published.solids import surface_error

from depth_perception.data.worlds import (
    CLASSES,
    FINE_KINDS,
    FolderOptions,
    WorldFolder,
    make_world,
    render,
    samples,
    write_folder,
)
from depth_perception.data.worlds import tracer as tracer_module
from depth_perception.data.worlds.figures import POSES, draw_figure
from depth_perception.data.worlds.fittings import draw_thin_chair
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.data.worlds.images import load_images
from depth_perception.data.worlds.make import _chosen
from depth_perception.data.worlds.primitives import first_hits, in_shadow
from depth_perception.data.worlds.rig import panoramic_camera, patched, with_mount
from depth_perception.data.worlds.scene import Scene
from depth_perception.data.worlds.street_things import draw_railing
from depth_perception.data.worlds.tracer import Tracer
from depth_perception.data.worlds.weather import light_of
from depth_perception.data.worlds.world import World, camera_pose
from depth_perception.geometry import Equirectangular

CAMERA = Equirectangular(64, 128)
CLASS = {entry.name: entry.id for entry in CLASSES}
MOST_SOLIDS, MOST_LAMPS = 9000, 120


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {kind: make_world(kind, 5) for kind in FINE_KINDS}


def fine_scene(seed: int = 0) -> Scene:
    scene = Scene(np.random.default_rng(seed), fine=True, glass=Scene(np.random.default_rng(0)))
    scene.glass.plain((1.0, 1.0, 1.0))
    return scene


def world_of(scene: Scene, height_m: float = 1.0) -> World:
    path = torch.tensor([[-0.5, 0, height_m], [0.5, 0, height_m]], dtype=torch.float64)
    half = torch.full((3,), 0.5)
    light = replace(
        light_of(scene, False), zenith=half, horizon=half, ambient_up=half, ambient_down=half,
        sun_colour=torch.ones(3), haze_m=1e5, clouds=0.0,
    )  # fmt: skip
    panes = scene.glass.primitives() if scene.glass and scene.glass.solids else None
    table = scene.material_table()
    return World("custom", 0, scene.primitives(), table, light, path, 0.0, 2, panes)


def flat_ground(scene: Scene) -> None:
    scene.pen("road").box((0, 0, -1), (200, 200, 1), scene.plain((0.3, 0.3, 0.3)))


def sphere(camera: Equirectangular = CAMERA) -> torch.Tensor:
    return camera.rays().reshape(-1, 3)


def test_compiled_and_plain_intersections_agree(worlds: dict[str, World]) -> None:
    for kind in ("flat", "square"):
        solids = worlds[kind].primitives
        origin = worlds[kind].path[0].float()
        hits = Tracer(solids).trace(origin, sphere())
        expected, owner = first_hits(solids, origin, sphere().T.contiguous())
        assert float((hits.owner == owner).float().mean()) > 0.998
        same = (hits.owner == owner) & (owner >= 0) & (expected < 100)
        assert torch.allclose(hits.range_m[same], expected[same], atol=2e-4)
        points = origin + sphere() * hits.range_m[:, None]
        near = (owner >= 0) & (hits.range_m < 60)
        error = surface_error(solids, hits.owner[near], points[near])
        assert float(error.max()) < 1e-3
        facing = (hits.normals * sphere()).sum(1)[hits.owner >= 0]
        assert bool((facing <= 1e-4).all())
        lengths = hits.normals[hits.owner >= 0].norm(dim=1)
        assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4)


def test_rays_may_start_anywhere(worlds: dict[str, World]) -> None:
    tracer = Tracer(worlds["flat"].primitives)
    origin = worlds["flat"].path[0].float()
    first = tracer.trace(origin, sphere())
    seen = torch.isfinite(first.range_m)
    moved = origin + 0.5 * sphere()[seen] * first.range_m[seen, None]
    second = tracer.trace(moved, sphere()[seen])
    assert torch.allclose(second.range_m, first.range_m[seen] / 2, atol=1e-3, rtol=1e-4)


def test_sunlight_is_where_no_shadow_is(worlds: dict[str, World]) -> None:
    world = worlds["square"]
    sun = torch.nn.functional.normalize(torch.tensor([0.4, 0.3, 0.5]), dim=0)
    light = replace(world.light, sun_direction=sun, sun_colour=torch.ones(3))
    light = replace(light, lamps=torch.zeros(0, 3), lamp_colours=torch.zeros(0, 3))
    light = replace(light, lamp_boxes=torch.zeros(0, 6))
    tracer, origin = Tracer(world.primitives), world.path[0].float()
    hits = tracer.trace(origin, sphere())
    seen = torch.isfinite(hits.range_m) & (hits.range_m < 40)
    points, normals = (origin + sphere() * hits.range_m[:, None])[seen], hits.normals[seen]
    received, _, _ = tracer.light(points, normals, sphere()[seen], light)
    facing = (normals @ sun).clamp_min(0)
    lifted = (points + normals * 2e-3).T.contiguous()
    expected = torch.where(in_shadow(world.primitives, lifted, sun), 0.0, facing)
    assert float(((received[:, 0] - expected).abs() < 1e-3).float().mean()) > 0.995


@pytest.mark.parametrize("kind", FINE_KINDS)
def test_worlds_are_deterministic_bounded_and_labelled(kind: str, worlds: dict[str, World]) -> None:
    world, again = worlds[kind], make_world(kind, 5)
    for name in vars(world.primitives):
        assert torch.equal(getattr(world.primitives, name), getattr(again.primitives, name))
    assert torch.equal(world.path, again.path)
    pose = frame_pose(world, 0, 1, tilt_deg=10, turn=True)
    frame, twin = (render(w, CAMERA, pose, antialias=True) for w in (world, again))
    assert torch.equal(frame.rgb, twin.rgb)
    assert torch.equal(frame.range_m, twin.range_m)
    assert len(world.primitives) < MOST_SOLIDS
    assert len(world.light.lamps) < MOST_LAMPS
    known = torch.isfinite(frame.range_m)
    assert float(frame.range_m[known].min()) > 0.05
    assert set(frame.classes.unique().tolist()) <= set(CLASS.values())
    assert not frame.instances[~known].any()
    things = {entry.id for entry in CLASSES if entry.is_thing}
    counted = torch.isin(frame.classes, torch.tensor(sorted(things)))
    assert bool((frame.instances > 0).eq(counted).all())
    assert len(frame.rgb.unique()) > 20


@pytest.mark.parametrize("height_m", [0.2, 1.4, 2.5])
def test_ground_truth_follows_height_and_tilt(height_m: float) -> None:
    world = make_world("lawn", 3, (height_m, height_m))
    assert float(world.path[0, 2]) - world.floor_m == pytest.approx(height_m)
    for angles in ((0.0, 0.0), (0.17, -0.1)):
        pose = world.pose(0.5, 0.7, *angles)
        frame = render(world, CAMERA, pose)
        down = -(CAMERA.rays() @ pose[:3, :3].float().T)[..., 2]
        steep = (down > 0.3) & (frame.classes == CLASS["terrain"])
        assert steep.sum() > 200
        error = (frame.range_m - height_m / down)[steep].abs()
        assert float(error.median()) < 1e-3


def test_heights_stay_below_ceilings_and_within_bounds() -> None:
    for seed in range(4):
        high = make_world("flat", seed, (2.4, 2.5))
        assert 1.6 < float(high.path[0, 2]) < 2.5
        low = make_world("street", seed, (0.3, 0.4))
        assert 0.3 <= float(low.path[0, 2]) - low.floor_m <= 0.4
    with pytest.raises(ValueError, match="heights_m"):
        make_world("flat", 0, (2.0, 1.0))


def test_thin_bars_are_in_the_ground_truth() -> None:
    """A railing three metres away, and the legs of a chair."""
    scene = fine_scene(3)
    flat_ground(scene)
    draw_railing(scene, scene.pen("fence"), (3, -4, 0), (3, 4, 0))
    draw_thin_chair(scene, scene.pen("chair", 0, 2.0, 0.3), 0.45, 0.45)
    world, camera = world_of(scene), Equirectangular(256, 512)
    frame = render(world, camera, world.pose(0.5))
    rail = frame.classes == CLASS["fence"]
    away = (camera.rays() @ frame.pose[:3, :3].float().T * frame.range_m[..., None])[..., 0]
    assert rail.sum() > 300
    assert bool(((away[rail] - 3).abs() < 0.06).all())
    legs = (frame.classes == CLASS["chair"])[140:]
    assert legs.any(1).sum() > 20
    assert float(frame.range_m[140:][legs].min()) > 1.2


def test_glass_hides_nothing_and_mirrors_have_no_range() -> None:
    scene = fine_scene()
    flat_ground(scene)
    scene.pen("wall").box((6, 0, 0), (0.2, 20, 4), scene.plain((0.8, 0.2, 0.2)))
    scene.glass.pen("window").box((3, 0, 0), (0.01, 20, 3), 0)
    silver = scene.plain((0.8, 0.8, 0.8), mirror=0.95)
    scene.pen("mirror").box((-3, 0, 0), (0.1, 2, 2.5), silver)
    world = world_of(scene)
    frame = render(world, CAMERA, world.pose(0.5))
    wall = frame.classes == CLASS["wall"]
    assert float(frame.range_m[wall].min()) == pytest.approx(5.9, abs=0.05)
    mirror = frame.classes == CLASS["mirror"]
    assert mirror.sum() > 20
    assert not torch.isfinite(frame.range_m[mirror]).any()
    red = frame.rgb[30][mirror[30]].float().mean(0)  # the wall behind the camera
    assert red[0] > red[2] + 10


@pytest.mark.parametrize("pose", sorted(set(POSES)))
def test_people_have_a_believable_size(pose: str) -> None:
    for seed in range(6):
        scene = fine_scene(seed)
        draw_figure(scene, scene.pen("person"), pose)
        solids = scene.primitives()
        reach = (solids.rotation.abs() @ solids.half[:, :, None])[:, :, 0]
        low, high = (solids.centre - reach).amin(0), (solids.centre + reach).amax(0)
        assert -0.12 < float(low[2]) < 0.35, "feet"
        assert 0.25 < float(high[2]) < 2.5
        assert float((high - low)[:2].max()) < 2.3


def test_kinds_can_be_mixed() -> None:
    chosen = [_chosen("flat:3,town:1", seed) for seed in range(200)]
    assert 0.6 < chosen.count("flat") / 200 < 0.9
    assert set(chosen) == {"flat", "town"}
    assert {_chosen("fine", seed) for seed in range(200)} == set(FINE_KINDS)
    assert {_chosen("any:1,lawn:1", seed) for seed in range(100)} > {"lawn", "room", "street"}
    for wrong in ("flat:x", "flat,nothing", "flat:-1,town:2", "flat:0"):
        with pytest.raises(ValueError, match="no world of kind"):
            make_world(wrong, 0)


def test_mounts_and_patches_have_no_range(worlds: dict[str, World]) -> None:
    world, seen = worlds["lawn"], 0
    for seed in range(6):
        pose = frame_pose(world, 0, 1, 10)
        frame = render(with_mount(world, pose, (seed,)), CAMERA, pose)
        ego = frame.classes == CLASS["ego"]
        seen += bool(ego.any())
        assert not torch.isfinite(frame.range_m[ego]).any()
        bare = render(world, CAMERA, pose)
        assert torch.equal(frame.range_m[~ego], bare.range_m[~ego])
        rgb, hidden = patched(bare.rgb, (seed,))
        assert hidden[-1].all()
        assert float(hidden.float().mean()) < 0.5
        assert torch.equal(patched(bare.rgb, (seed,))[0], rgb)
        shot = panoramic_camera(bare.rgb, (seed,))
        assert torch.equal(shot, panoramic_camera(bare.rgb, (seed,)))
        assert 0 < float((shot.float() - bare.rgb.float()).abs().mean()) < 40
    assert seen >= 4


def test_folder_and_samples_agree(tmp_path: Path) -> None:
    options = FolderOptions(
        "flat:1,lawn:1", 1, labels=True, camera_heights_m=(0.4, 0.6), tilt_deg=8, turn=True,
        rig=1.0, camera=0.5, sensor=0.5,
    )  # fmt: skip
    assert list(write_folder(tmp_path, [1, 2], CAMERA, options)) == [1, 2]
    folder = WorldFolder(tmp_path)
    for index, seed in enumerate((1, 2)):
        (sample,) = samples(seed, CAMERA, options)
        item, entry = folder[index], folder.frames[index]
        assert torch.equal(item.rgb, sample.rgb.permute(2, 0, 1))
        known = sample.valid & (sample.range_m < 65)
        assert torch.equal(item.range_m > 0, known)
        assert torch.allclose(item.range_m[known], sample.range_m[known], atol=6e-4)
        assert torch.equal(folder.classes(index), sample.classes)
        assert 0.4 <= entry["camera_height_m"] <= 0.6
        up = -sample.pose[:3, 1]  # of the camera, in the world
        assert 0.95 < float(up[2]) < 1.0
        assert not (sample.sky & sample.valid).any()


def test_older_folders_can_be_continued(tmp_path: Path) -> None:
    list(write_folder(tmp_path, [1], CAMERA, FolderOptions("room", 1)))
    path = tmp_path / "dataset.json"
    before = json.loads(path.read_text())
    before["options"] = {
        name: before["options"][name] for name in list(asdict(FolderOptions()))[:7]
    }
    before["classes"] = [entry for entry in before["classes"] if entry["id"] < 15]
    path.write_text(json.dumps(before))
    assert list(write_folder(tmp_path, [2], CAMERA, FolderOptions("room", 1))) == [2]


def test_textures_of_a_folder_replace_synthetic_ones(tmp_path: Path) -> None:
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 2] = 200
    cv2.imwrite(str(tmp_path / "old-bricks.png"), red)
    images = load_images(tmp_path)
    assert images.count.sum() == load_images().count.sum() - 1
    wanted = torch.tensor([4.0])  # the first of the bricks
    place = torch.tensor([[0.3], [0.8], [0.01]])
    own = images.paint(wanted, place, torch.ones(1, 3), torch.ones(1, 1))
    assert own[0].tolist() == pytest.approx([(200 / 255) ** 2.2, 0, 0], abs=1e-3)
    tinted = images.paint(wanted + 0.99, place, torch.full((1, 3), 0.3), torch.zeros(1, 1))
    assert 0.05 < float(tinted.mean()) < 0.9
    with pytest.raises(FileNotFoundError, match="brick"):
        load_images(tmp_path.parent)


def test_small_images_have_the_mean_of_large_footprints() -> None:
    images, places = load_images(), torch.rand(3, 500, generator=torch.Generator().manual_seed(0))
    places[2] = 3.0
    for group in range(len(images.count)):
        wanted = torch.full((500,), float(group))
        colours = images.paint(wanted, places, torch.ones(500, 3), torch.ones(500, 1))
        mean = images.means[images.first[group]]
        assert torch.allclose(colours, mean.expand_as(colours), atol=1e-4)


def test_no_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    tracer_module.library.cache_clear()
    try:
        with pytest.raises(RuntimeError, match="install g"):
            tracer_module.library()
    finally:
        monkeypatch.undo()
        tracer_module.library.cache_clear()


def test_camera_pose_tilts_as_documented() -> None:
    pose = camera_pose(torch.zeros(3, dtype=torch.float64), 0.0, math.radians(10), 0.0)
    assert float(pose[2, 2]) == pytest.approx(-math.sin(math.radians(10)))  # looks down

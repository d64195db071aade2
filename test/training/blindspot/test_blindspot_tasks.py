"""Training of the blind-spot VGG and of OmniDepth: from worlds, KITTI's and 3D60's layouts."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import golden
import numpy as np
import pytest
import torch
from published.stereo import warp_range

import depth_perception as dp
from depth_perception.cli.main import main
from depth_perception.data.kitti_raw import write_kitti_raw
from depth_perception.data.stereo import StereoFrame
from depth_perception.data.threed60 import Placement, Views, read_list
from depth_perception.data.worlds import make_world, render
from depth_perception.data.worlds.stereo import shifted
from depth_perception.geometry import DepthKind, Equirectangular, Pinhole
from depth_perception.geometry.stereo import RectilinearStereo, SphericalStereo
from depth_perception.systems.blindspot.estimator import BlindSpotOptions
from depth_perception.training.blindspot import task as stereo
from depth_perception.training.blindspot.data import (
    DataRecipe,
    PanoramaData,
    StereoAugmentation,
    StereoData,
)
from depth_perception.training.omnidepth import task as omnidepth
from depth_perception.training.recipe import load_recipe
from depth_perception.training.run import train
from depth_perception.training.stream import Draw, seeded

QUIET = StereoAugmentation(mirror=0.0, color=0.0)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("3d60")
    args = ["--count", "2", "--places", "1", "--height", "32", "--kind", "room", "--seed", "3"]
    assert main(["worlds", "stereo", str(root), *args]) == 0
    return str(root)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    world, camera = make_world("street", 4), Pinhole.from_fov(32, 64, 1.4)
    frames = []
    for distance in (0.0, 0.5):
        pose = world.pose(distance)
        left = render(world, camera, pose, shadows=False)
        right = render(world, camera, shifted(pose, torch.tensor((0.5, 0, 0))), shadows=False)
        depth = torch.where(torch.isfinite(left.z_m), left.z_m, 0)
        views = (v.rgb.permute(2, 0, 1) for v in (left, right))
        frames.append(StereoFrame(*views, depth, DepthKind.Z, camera, 0.5))
    root = tmp_path_factory.mktemp("kitti")
    write_kitti_raw(root, frames)
    return str(root)


def small(name: str, root: str, *overrides: str):
    kitti = "kitti" in name
    model = "omnidepth-rectnet-tiny" if "net" in name else "blindspot-tiny"
    return load_recipe(
        name,
        [
            f"model.name={model}",
            f"data.root={root}",
            f"data.train={'null' if kitti else 'split.txt'}",
            f"data.val={'pairs.txt' if kitti else 'split.txt'}",
            "data.val_root=null",
            f"data.height={64 if model.startswith('blind') else 32}",
            f"data.width={128 if model.startswith('blind') else 64}",
            "data.keep=true",
            "run={steps: 4, batch: 2, val_every: 2, val_frames: 2, save_every: 2, log_every: 1}",
            *overrides,
        ],
    )


def prepared(recipe):
    task = stereo if recipe.task == "blindspot" else omnidepth
    return task.prepare(recipe)


@pytest.mark.parametrize(
    "name", ["blindspot-worlds", "rectnet-worlds", "blindspot-kitti", "blindspot-kitti-panorama"]
)
def test_resumed_and_uninterrupted_runs_give_the_same_bits(name, places, pairs, tmp_path) -> None:
    recipe = small(name, pairs if "kitti" in name else places, "optim.ema=0.9")
    states = []
    for folder, stops in (("whole", [None]), ("parts", [2, None])):
        for number, stop in enumerate(stops):
            training, data = prepared(recipe)
            train(training, data, tmp_path / folder, device="cpu", resume=number > 0, stop_at=stop)
        states.append(training.state_dict())
    assert training.global_step == 4
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    last = json.loads((tmp_path / "parts" / "history.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 4
    kitti = {"val/abs_rel", "val/sq_rel", "val/rmse", "val/rmse_log", "val/d1"}
    panoramas = {"val/abs_rel", "val/abs_rel_metric", "val/abs_rel_constant", "val/a1"}
    assert (kitti if name.endswith("kitti") else panoramas) <= set(last)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("blindspot-worlds", 0.9),
        ("rectnet-worlds", 0.6),
        ("blindspot-kitti", 0.9),
        ("blindspot-kitti-panorama", 0.9),
    ],
)
def test_the_loss_falls_and_the_weights_load(name, share, places, pairs, tmp_path) -> None:
    recipe = small(
        name, pairs if "kitti" in name else places, f"optim.lr={2e-3 if 'rect' in name else 5e-4}",
        "run={steps: 40, batch: 2, val_every: 40, val_frames: 2, save_every: 40}", "optim.ema=null",
        "augment={mirror: 0.0, color: 0.0}", "optim.schedule={kind: constant}",
    )  # fmt: skip
    if name.endswith("worlds"):
        recipe = replace(recipe, turn=False)
    training, data = prepared(recipe)
    draw = Draw(0, 0.0, (0, 1), (seeded(1), seeded(2)))
    batch = data.batch(draw)
    before = sum(float(v.detach()) for v in training.losses(batch).values())
    train(training, data, tmp_path, device="cpu")
    after = sum(float(v.detach()) for v in training.losses(batch).values())
    assert after < share * before
    if name.endswith("worlds"):
        estimator = dp.load(
            recipe.model.name, tmp_path / "last.safetensors", "cpu", seam="circular",
            output_size="network", height=recipe.data.height, **_full_turn(name),
        )  # fmt: skip
        held_out = data.held_out[0]
        image = held_out.here if name.startswith("blind") else held_out.images
        pixels = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0)
        expected = training._range(held_out) if "rect" in name else held_out.geometry.range(
            training._disparity(held_out), held_out.baseline_m
        )  # fmt: skip
        torch.testing.assert_close(
            estimator(pixels).depth, expected[0, 0].detach(), atol=1e-3, rtol=1e-3
        )


def _full_turn(name: str) -> dict[str, object]:
    if not name.startswith("blind"):
        return {}
    return {
        "formula": "training", "training_fov_deg": 360.0, "latitudes_deg": None,
        "anisotropy": 1.0, "baseline_m": 0.26, "flip": False,
    }  # fmt: skip


def test_the_fixture_of_3d60_trains_through_the_command(tmp_path: Path) -> None:
    fixture = Path(golden.__path__[0]) / "blindspot" / "fixture-3d60"
    root = tmp_path / "3D60"
    shutil.copytree(fixture, root)
    lines = (root / "split.txt").read_text().split("\n")
    strange = [
        "\n".join(" ".join("D:\\Data\\3D60\\" + w.lstrip("./").replace("/", "\\") for w in
                           line.split()) for line in lines if line),
        "\n".join(" ".join("/" + w.lstrip("./").replace("Matterport3D", "Matteport3D") for w in
                           line.split()) for line in lines if line),
    ]  # fmt: skip
    for number, text in enumerate(strange):
        (root / f"list{number}.txt").write_text(text + "\n")
        out = tmp_path / f"run{number}"
        code = main(
            [
                "train", "rectnet-worlds", f"data.root={root}", f"data.train=list{number}.txt",
                f"data.val=list{number}.txt", "data.val_root=null", "data.height=8",
                "data.width=16", "run={steps: 2, batch: 3, val_every: 2, val_frames: 3}",
                "--out", str(out), "--device", "cpu",
            ]
        )  # fmt: skip
        assert code == 0
        assert (out / "last.safetensors").is_file()
        assert "val/abs_rel" in (out / "history.jsonl").read_text()


def test_pairs_of_kitti_train_and_are_judged_through_the_command(pairs: str, tmp_path) -> None:
    out, listing = tmp_path / "run", f"{pairs}/pairs.txt"
    code = main(
        [
            "train", "blindspot-kitti", f"data.root={pairs}", "data.train=null",
            "data.val=pairs.txt", "data.height=128", "data.width=256",
            "run={steps: 1, batch: 1, val_every: 1, val_frames: 1}",
            "--out", str(out), "--device", "cpu",
        ]
    )  # fmt: skip
    assert code == 0
    (row,) = map(json.loads, (out / "history.jsonl").read_text().splitlines())
    report = tmp_path / "report.json"
    weights = ["--checkpoint", str(out / "best.safetensors"), "--device", "cpu"]
    rules = ["--list", listing, "--limit", "1", "--height", "128", "--json", str(report)]
    assert main(["eval", "blindspot-vgg-rectilinear", "kitti-raw", pairs, *weights, *rules]) == 0
    (result,) = json.loads(report.read_text())["evaluations"]
    assert result["frames"] == 1
    assert result["metrics"]["abs_rel"] == pytest.approx(row["val/abs_rel"], rel=0.1)


def test_turn_and_mirror_keep_the_geometry(places: str) -> None:
    """Where truth warps one view into the other, so it does after every change of the pair."""
    data = DataRecipe("threed60", places, "split.txt", height=32, width=64, seconds=("right", "up"))
    changed = StereoData(data, StereoAugmentation(mirror=1.0, color=0.0), True, 5, 1)
    plain = StereoData(data, QUIET, False, 5, 1)
    listed = read_list(Path(places) / "split.txt", places)
    for step, mirrored in enumerate((Placement.RIGHT, Placement.CENTRE)):  # which is seen first
        draw = Draw(step, 0.0, (0,), (seeded(1),))
        a, b = plain.batch(draw), changed.batch(draw)
        views = {place: Views(listed, place)[0] for place in (Placement.CENTRE, mirrored)}
        truth = views[Placement.CENTRE].range_m[None, None]
        turned = views[mirrored].range_m[None, None].flip(-1)
        first = views[mirrored].rgb[None].float().flip(-1) / 255
        columns = next(k for k in range(64) if torch.equal(first.roll(k, -1), b.here))
        assert columns > 0
        errors = []
        for batch, range_m in ((a, truth), (b, turned.roll(columns, -1))):
            warped = warp_range(batch.geometry, batch.there, range_m, batch.baseline_m)
            errors.append(float((warped.image - batch.here).abs().mean()))
        unmoved = float((a.there - a.here).abs().mean())
        assert errors[1] == pytest.approx(errors[0], rel=0.02 if step else 0.3)
        assert max(errors) < 0.7 * unmoved


def test_a_mirrored_pair_side_by_side_has_its_second_view_on_the_right(places: str) -> None:
    data = DataRecipe("threed60", places, "split.txt", height=32, width=64)
    batch = StereoData(data, StereoAugmentation(mirror=1.0, color=0.0), False, 5, 1).batch(
        Draw(0, 0.0, (0,), (seeded(1),))
    )
    assert batch.geometry.direction == (1, 0, 0)


def test_the_warp_of_pinhole_pairs_as_panoramas(pairs: str) -> None:
    """The lidar's range warps one view into the other, where both show something."""
    recipe = small("blindspot-kitti-panorama", pairs)
    data = stereo.prepare(recipe).data
    batch = data.held_out[0]
    camera = Equirectangular.partial(64, 128, math.radians(82.5), math.radians(29.7))
    assert batch.geometry == SphericalStereo(camera)
    assert batch.covered.any()
    assert not batch.covered[..., 0].any()
    assert not batch.target_m[~batch.covered].any()
    both = torch.cat((batch.there, batch.covered.float()), 1)
    warped = warp_range(batch.geometry, both, batch.target_m, batch.baseline_m)
    seen = (warped.valid & (warped.image[:, 3:] > 0.999) & batch.covered)[:, 0]
    assert seen.float().mean() > 0.2
    error = (warped.image[:, :3] - batch.here).abs().mean(1)[seen].mean()
    unmoved = (batch.there - batch.here).abs().mean(1)[seen].mean()
    assert error < 0.6 * unmoved


def test_what_is_beyond_the_pinhole_view_does_not_train(pairs: str) -> None:
    recipe = small("blindspot-kitti-panorama", pairs, "losses.smoothness=0", "augment.mirror=1")
    training, data = prepared(recipe)
    batch = data.batch(Draw(0, 0.0, (0,), (seeded(1),)))
    other = data.held_out[0].covered.flip(-1)
    assert torch.equal(batch.covered, other)
    losses = [training.losses(replace(batch, covered=c))["stereo"] for c in (other, None)]
    assert losses[0] != losses[1]
    nothing = training.losses(replace(batch, covered=torch.zeros_like(other)))["stereo"]
    assert float(nothing.detach()) == 0


def test_networks_say_how_they_were_trained(places: str, pairs: str) -> None:
    training, _ = prepared(small("blindspot-worlds", places, "data.baseline_m=0.5"))
    full = json.loads(training.metadata()["options"])
    assert (full["baseline_m"], full["training_fov_deg"]) == (0.5, 360)
    training, _ = prepared(small("blindspot-kitti-panorama", pairs))
    partial = json.loads(training.metadata()["options"])
    assert partial["anisotropy"] == pytest.approx(2 * 29.7 / 82.5)
    assert partial["formula"] == "consistent"
    BlindSpotOptions(**partial)
    training, _ = prepared(small("blindspot-kitti", pairs))
    assert "options" not in training.metadata()


def test_the_baseline_of_panoramas_is_an_option(places: str) -> None:
    data = DataRecipe("threed60", places, "split.txt", height=32, width=64, baseline_m=0.5)
    batch = StereoData(data, QUIET, False, 5, 1).batch(Draw(0, 0.0, (0,), (seeded(1),)))
    assert batch.baseline_m == 0.5


def test_mirrored_pinhole_pairs_change_places(pairs: str) -> None:
    data = DataRecipe("kitti", pairs, height=32, width=64)
    draw = Draw(0, 0.0, (0,), (seeded(1),))
    plain = StereoData(data, QUIET, False, 5, 1).batch(draw)
    mirrored = StereoData(data, StereoAugmentation(1.0, 0.0), False, 5, 1).batch(draw)
    assert isinstance(mirrored.geometry, RectilinearStereo)
    assert torch.equal(mirrored.here, plain.there.flip(-1))
    assert torch.equal(mirrored.there, plain.here.flip(-1))


def test_validation_has_a_folder_of_its_own(places: str, tmp_path: Path) -> None:
    other = tmp_path / "val"
    shutil.copytree(places, other)
    for picture in other.rglob("*color*.png"):
        cv2.imwrite(str(picture), np.zeros((32, 64, 3), np.uint8))
    data = DataRecipe("threed60", places, "split.txt", "split.txt", str(other), 32, 64)
    draw = Draw(0, 0.0, (0,), (seeded(1),))
    for reader in (StereoData(data, QUIET, False, 5, 1), PanoramaData(data, QUIET, False, 1)):
        train, held_out = reader.batch(draw), reader.held_out[0]
        images = ("here", "there") if isinstance(reader, StereoData) else ("images",)
        assert all(getattr(train, name).any() for name in images)
        assert not any(getattr(held_out, name).any() for name in images)


def test_panoramas_turn_with_their_range(places: str) -> None:
    data = DataRecipe("threed60", places, "split.txt", height=32, width=64)
    draw = Draw(0, 0.0, (0,), (seeded(3),))
    plain = PanoramaData(data, QUIET, False, 1).batch(draw)
    turned = PanoramaData(data, QUIET, True, 1).batch(draw)
    columns = next(k for k in range(64) if torch.equal(plain.images.roll(k, -1), turned.images))
    assert columns > 0
    assert torch.equal(plain.range_m.roll(columns, -1), turned.range_m)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("blindspot-worlds", "model.name=panda-tiny", "not trained by task blindspot"),
        ("blindspot-worlds", "data.height=96", "multiples of 64"),
        ("blindspot-worlds", "model.views=left", "must not change"),
        ("blindspot-worlds", "model.first_disparity=0.5", "first_disparity"),
        ("rectnet-worlds", "data.width=63", "multiples of 4"),
        ("rectnet-worlds", "data.kind=kitti", "threed60"),
        ("blindspot-kitti", "model.circular=true", "model.views: left"),
        ("rectnet-worlds", "data.train=none.txt", "none.txt"),
        ("blindspot-worlds", "data.panorama_fov_deg=[82.5, 29.7]", "for pinhole pairs"),
        ("blindspot-kitti-panorama", "data.panorama_fov_deg=[82.5, 190]", "between 0 and 180"),
        ("blindspot-kitti-panorama", "losses.masked=false", "losses.masked: true"),
    ],
)
def test_what_is_wrong_is_named(name, override, message, places, tmp_path, capsys) -> None:
    roots = [f"data.{key}={places}" for key in ("root", "val_root")]
    args = ["train", name, *roots, override, "--out", str(tmp_path), "--device", "cpu"]
    assert main(args) == 1
    assert message in capsys.readouterr().err


def test_one_step_sees_one_geometry(places: str) -> None:
    data = DataRecipe("threed60", places, "split.txt", height=32, width=64, seconds=("right", "up"))
    reader = StereoData(data, QUIET, False, 5, 1)
    directions = []
    for step in range(3):
        batch = reader.batch(Draw(step, 0.0, (0, 1), (seeded(1), seeded(2))))
        assert isinstance(batch.geometry, SphericalStereo)
        assert batch.geometry.camera == Equirectangular(32, 64)
        directions.append(batch.geometry.direction)
    assert directions[0] == directions[2] == (1, 0, 0)
    assert directions[1] == (0, -1, 0)

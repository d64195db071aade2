"""Training of PanoLite with segments: targets, frames of both cameras, losses, and its start."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from depth_perception.data.labelled_worlds import UNKNOWN, LabelledWorlds
from depth_perception.data.world_options import FolderOptions
from depth_perception.data.worlds import write_folder
from depth_perception.evaluation.panoptic import match_segments
from depth_perception.evaluation.panoptic_worlds import found_counts, true_segments, world_rules
from depth_perception.geometry import Equirectangular, Pinhole
from depth_perception.segment_classes import STREETS_AND_ROOMS as CLASSES
from depth_perception.systems import CheckpointError, build_network, save_network
from depth_perception.systems.panolite.config import CentreLimits
from depth_perception.systems.panolite.panoptic_network import PanopticMaps
from depth_perception.systems.panolite.segments import OFFSETS_PER_HEIGHT, panoptic_map
from depth_perception.training.panolite.augment import AugmentRecipe
from depth_perception.training.panolite.frames import SizePhase
from depth_perception.training.panolite.panoptic_frames import (
    PanopticBatch,
    PanopticData,
    PanopticDataRecipe,
)
from depth_perception.training.panolite.panoptic_losses import (
    PanopticLossRecipe,
    centre_error,
    panoptic_losses,
)
from depth_perception.training.panolite.panoptic_task import load_depth
from depth_perception.training.panolite.thing_targets import thing_targets
from depth_perception.training.stream import Draw, seeded

NAMES = [entry.name for entry in CLASSES]
IS_THING = np.array([entry.is_thing for entry in CLASSES] + [False] * (256 - len(CLASSES)))
PLAIN = AugmentRecipe(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
ROWS = 48


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Panoramas and pinhole images of a street."""
    folder = tmp_path_factory.mktemp("worlds")
    options = FolderOptions("street", 1, labels=True, shadows=False, antialias=False)
    cameras = {"around": Equirectangular(ROWS, 2 * ROWS), "ahead": Pinhole.from_fov(ROWS, 96, 1.5)}
    for name, camera in cameras.items():
        list(write_folder(folder / name, (0, 1), camera, options))
    return str(folder / "around"), str(folder / "ahead")


def data_of(roots: tuple[str, str], changes: AugmentRecipe = PLAIN, **more: object) -> PanopticData:
    plan = {"roots": roots[:1], "pinhole_roots": roots[1:], "sizes": (SizePhase(0.0, (64,)),)}
    plan |= {"val_roots": roots[:1], "pinhole_val_roots": roots[1:], **more}
    return PanopticData(PanopticDataRecipe(**plan), changes, CLASSES, 0, 4)


def perfect(batch: PanopticBatch) -> PanopticMaps:
    """The maps that say what a batch says."""
    labels = batch.labels.long().clamp(max=len(CLASSES))
    logits = 40.0 * F.one_hot(labels, len(CLASSES) + 1).movedim(-1, 1)
    ratio = (batch.range_m.clamp_min(1e-3) / batch.height_m).log()
    valid = 40.0 * (2 * (batch.range_m > 0) - 1.0)
    centre = torch.where(batch.centre == 1, 20.0, torch.logit(0.9 * batch.centre, 1e-6))
    return PanopticMaps(torch.cat((ratio, 0 * ratio, valid), 1), logits, centre, batch.offset)


def test_targets_lead_back_to_the_segments_of_both_cameras(roots: tuple[str, str]) -> None:
    data, rules = data_of(roots), world_rules(CLASSES)
    kinds, things, missed = set(), 0, 0
    for batch in (data.held_out[k] for k in range(4)):
        maps = perfect(batch)
        unit = batch.labels.shape[-2] / OFFSETS_PER_HEIGHT
        segments, found = panoptic_map(
            maps.classes[0], maps.centre[0, 0], maps.offset[0] * unit, CLASSES,
            CentreLimits(thing_area_px=0, stuff_area_px=0, window=1), wraps=not batch.is_pinhole,
        )  # fmt: skip
        table = torch.full((len(found) + 1,), -1)
        for entry in found:
            table[entry.id] = 1000 * entry.class_id + entry.id * CLASSES[entry.class_id].is_thing
        truth = true_segments(batch.labels[0], batch.instances[0], rules)
        counts = match_segments(table[segments.long()], truth, rules)
        stuff = list(rules.stuff)
        assert counts.fn[stuff].sum() == counts.fp[stuff].sum() == 0
        things += counts.tp[list(rules.things)].sum()
        missed += counts.fn[list(rules.things)].sum()  # those of less than four pixels
        kinds.add(batch.is_pinhole)
        found_near = found_counts(table[segments.long()], truth, batch.range_m[0, 0], NAMES, rules)
        assert found_near["cars"][0] <= found_near["cars"][1]
    assert kinds == {False, True}
    assert things > 2 * missed


def test_a_thing_over_the_seam_has_one_centre() -> None:
    labels = np.full((16, 32), NAMES.index("road"), np.uint8)
    instances = np.zeros((16, 32), np.int32)
    columns = [29, 30, 31, 0, 1]
    labels[6:9, columns], instances[6:9, columns] = NAMES.index("car"), 7
    closed = thing_targets(labels, instances, IS_THING, closed=True)
    assert np.argwhere(closed.centre[0] == 1).tolist() == [[7, 31]]
    assert closed.offset[1, 7, 1] == pytest.approx(-2 * OFFSETS_PER_HEIGHT / 16)
    assert closed.offset[0, 6, 31] == pytest.approx(1 * OFFSETS_PER_HEIGHT / 16)
    assert (closed.weight[0] > 0).sum() == 15
    opened = thing_targets(labels, instances, IS_THING, closed=False)
    assert np.argwhere(opened.centre[0] == 1).tolist() == [[7, 18]]
    nothing = thing_targets(labels, 0 * instances, IS_THING, closed=True)
    assert not nothing.centre.any()
    assert not nothing.weight.any()


def test_batches_hold_one_kind_of_image(roots: tuple[str, str]) -> None:
    data = data_of(roots, AugmentRecipe(), sizes=(SizePhase(0.0, (32,)), SizePhase(0.5, (64,))))
    assert len(data) == 4

    def batch(step: int, progress: float = 0.0) -> PanopticBatch:
        return data.batch(Draw(step, progress, (0, 3), (seeded(1), seeded(2))))

    kinds = {batch(step).is_pinhole: batch(step) for step in range(12)}
    assert kinds[False].images.shape == (2, 3, 32, 64)
    assert kinds[True].images.shape == (2, 4, 32, 64)
    assert batch(0, 0.6).images.shape[-2:] == (64, 128)
    assert torch.equal(batch(3).images, batch(3).images)
    rays = kinds[True].rays
    below = math.pi * (kinds[True].images[:, 3:] - 0.5)
    torch.testing.assert_close(below, rays[:, 1:2].asin(), atol=1e-5, rtol=1e-5)


def test_a_cut_pinhole_image_keeps_its_geometry(roots: tuple[str, str]) -> None:
    data = data_of(roots)
    worlds = LabelledWorlds(roots[1:], CLASSES, Pinhole)
    frame = worlds[0]
    points = frame.camera.rays() * frame.range_m[..., None]
    for seed in range(4):
        cut = data._cut(frame, np.random.default_rng(seed))
        near = (cut.range_m > 0).nonzero()[::50]
        seen = cut.camera.rays() * cut.range_m[..., None]
        for row, column in near.tolist():
            mirrored = seen[row, column] * torch.tensor([-1.0, 1.0, 1.0])
            places = (seen[row, column], mirrored)
            assert min(float((points - p).norm(dim=-1).min()) for p in places) < 1e-3


def test_losses_vanish_at_the_ground_truth(roots: tuple[str, str]) -> None:
    data, factors = data_of(roots), torch.ones(256)
    for index in (0, 3):
        batch = data.held_out[index]
        maps = perfect(batch)
        recipe = PanopticLossRecipe()
        right = panoptic_losses(maps, batch, factors, recipe)
        for name in ("log_l1", "gradient", "normal", "valid", "classes", "offset"):
            assert float(right[name]) < 1e-3, name
        assert float(right["centre"]) < 0.1
        other = maps._replace(classes=maps.classes.roll(1, 1), offset=maps.offset + 0.5)
        wrong = panoptic_losses(other, batch, factors, recipe)
        assert float(wrong["classes"]) > 1
        assert float(wrong["offset"]) == pytest.approx(1.0)
    hidden = replace(batch, labels=torch.full_like(batch.labels, UNKNOWN))
    assert float(panoptic_losses(maps, hidden, factors, recipe)["classes"]) == 0


def test_a_missed_centre_costs_more_than_a_wide_one() -> None:
    target = torch.zeros(1, 1, 9, 9)
    target[..., 4, 4], target[..., 4, 5] = 1.0, 0.6
    empty = torch.full_like(target, -6.0)
    found, wide, wrong = (empty.clone() for _ in range(3))
    found[..., 4, 4] = 6.0
    wide[..., 4, 4:6] = 6.0
    wrong[..., 4, 4], wrong[..., 0, 0] = 6.0, 6.0
    losses = [float(centre_error(x, target)) for x in (found, wide, wrong, empty)]
    assert losses[0] < losses[1] < losses[2]
    assert losses[1] < losses[3]


def test_near_things_are_counted() -> None:
    rules = world_rules(CLASSES)
    car, road = NAMES.index("car"), NAMES.index("road")
    truth = torch.full((8, 16), road * rules.divisor)
    truth[:, :2], truth[:, 4:6], truth[:, 8:10] = (car * rules.divisor + k for k in (1, 2, 3))
    range_m = torch.full((8, 16), 10.0)
    range_m[:, 8:10] = 30.0
    segments = truth.clone()
    segments[:, 4:6] = road * rules.divisor
    assert found_counts(segments, truth, range_m, NAMES, rules) == {
        "cars": (1.0, 2.0),
        "persons": (0.0, 0.0),
    }
    segments = torch.where(truth == car * rules.divisor + 1, truth, -1)
    segments[:, 2:5] = car * rules.divisor + 1  # more road than car
    assert found_counts(segments, truth, range_m, NAMES, rules)["cars"] == (0.0, 2.0)


def test_wrong_folders_are_named(roots: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has images of Pinhole, but Equirectangular is wanted"):
        LabelledWorlds(roots[1:], CLASSES, Equirectangular)
    options = FolderOptions("room", 1, shadows=False, antialias=False)
    list(write_folder(tmp_path / "plain", (0,), Equirectangular(24, 48), options))
    with pytest.raises(ValueError, match="has no labels: write it with --labels"):
        LabelledWorlds((str(tmp_path / "plain"),), CLASSES, Equirectangular)
    with pytest.raises(ValueError, match="give roots, pinhole_roots or both"):
        PanopticDataRecipe()


def test_training_starts_from_the_weights_of_depth(tmp_path: Path) -> None:
    torch.manual_seed(0)
    depth, network = build_network("panolite-tiny"), build_network("panolite-panoptic-tiny")
    branch = {n: v.clone() for n, v in network.state_dict().items() if n.startswith("panoptic.")}
    save_network(depth, tmp_path / "depth.safetensors")
    load_depth(network, str(tmp_path / "depth.safetensors"))
    state = network.state_dict()
    for name, value in {**depth.state_dict(), **branch}.items():
        assert torch.equal(state[name], value), name
    save_network(build_network("panda-tiny"), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="does not fit this network"):
        load_depth(network, str(tmp_path / "other.safetensors"))

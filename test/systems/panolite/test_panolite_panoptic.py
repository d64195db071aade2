"""PanoLite with segments: from maps to segments, its network, and its estimator."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden.fill import noise_image
from unlimited import run_unlimited

import depth_perception as dp
from depth_perception.ros.nodes.panoptic import load_panoptic
from depth_perception.ros.nodes.panoramic import load_model
from depth_perception.ros.nodes.segments import NodeSegments
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.pinhole import PanopticSettings
from depth_perception.segment_classes import STREETS_AND_ROOMS
from depth_perception.systems import build_network, save_network
from depth_perception.systems.panolite.config import CentreLimits
from depth_perception.systems.panolite.network import SphereConv, open_borders, pad_sphere
from depth_perception.systems.panolite.panoptic_estimator import latitude_plane
from depth_perception.systems.panolite.segments import panoptic_map

PINHOLE, PANORAMIC = "panolite-panoptic-tiny", "panolite-panoptic-tiny-360"
NUMBER = {entry.name: number for number, entry in enumerate(STREETS_AND_ROOMS)}
NOTHING = len(STREETS_AND_ROOMS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network(PINHOLE)
    with torch.no_grad():
        network.head.weight.normal_(0, 0.1)
        network.head.bias[8:] = 0  # some pixels are valid
        network.panoptic["things"].bias[:4] = 1.0  # many centres
    path = tmp_path_factory.mktemp("panolite") / "tiny.safetensors"
    save_network(network, path)
    return path


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps (16, 32): road, some pixels of no segment, a person over the seam, a car whose upper
    half looks like a bus in fewer pixels."""
    owner = torch.full((16, 32), NUMBER["road"])
    owner[:2] = NOTHING
    owner[4:8, [30, 31, 0, 1]] = NUMBER["person"]
    owner[10:14, 10:16] = NUMBER["car"]
    owner[10, 10:16] = NUMBER["bus"]
    centre, offset = torch.full((16, 32), -9.0), torch.zeros(2, 16, 32)
    rows, columns = torch.arange(16.0)[:, None], torch.arange(32.0)
    things = (owner != NOTHING) & (owner != NUMBER["road"])
    person = owner == NUMBER["person"]
    for row, column, part in ((5, 31, person), (12, 12, things & ~person)):
        centre[row, column] = 3.0
        across = (column - columns + 16) % 32 - 16
        offset[0][part] = (row - rows).expand(16, 32)[part]
        offset[1][part] = across.expand(16, 32)[part]
    logits = F.one_hot(owner, NOTHING + 1).movedim(-1, 0) * 20.0
    return logits, centre, offset


@pytest.mark.parametrize("turn", [0, 7])
def test_things_are_counted_and_may_lie_over_the_seam(turn: int) -> None:
    limits = CentreLimits(stuff_area_px=1)
    logits, centre, offset = (m.roll(turn, -1) for m in scene())
    segments, found = panoptic_map(logits, centre, offset, STREETS_AND_ROOMS, limits, wraps=True)
    assert segments.dtype == torch.int32
    names = [STREETS_AND_ROOMS[entry.class_id].name for entry in found]
    assert sorted(names) == ["car", "person", "road"]
    areas = {name: int((segments == e.id).sum()) for name, e in zip(names, found, strict=True)}
    assert areas == {"car": 24, "person": 16, "road": 16 * 32 - 64 - 40}
    assert (segments == 0).sum() == 64
    assert all(0.9 < entry.score <= 1 for entry in found)


def test_limits_of_segments() -> None:
    def names(limits: CentreLimits, wraps: bool = True) -> list[str]:
        _, found = panoptic_map(*scene(), STREETS_AND_ROOMS, limits, wraps=wraps)
        return sorted(STREETS_AND_ROOMS[entry.class_id].name for entry in found)

    assert names(CentreLimits(thing_area_px=17)) == ["car", "road"]
    assert names(CentreLimits(stuff_area_px=409)) == ["car", "person"]
    assert len(names(CentreLimits(top=1))) == 2
    assert names(CentreLimits().changed(0.97, 500)) == []
    assert CentreLimits().changed(None, None) == CentreLimits()
    with pytest.raises(ValueError, match="window must be odd and positive, got 4"):
        CentreLimits(window=4)


def test_borders_are_open_for_pinhole_images_in_their_own_thread_only() -> None:
    conv = SphereConv(2, 3, 3, stride=2)
    x = torch.rand(1, 2, 8, 16)
    closed = conv(x)
    with open_borders(True):
        opened = conv(x)
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(conv, x).result()
    torch.testing.assert_close(elsewhere, closed)
    torch.testing.assert_close(conv(x), closed)
    padded = F.conv2d(F.pad(x, (0, 1, 0, 1)), conv.weight, conv.bias, 2)
    torch.testing.assert_close(opened, padded)
    padded = F.conv2d(pad_sphere(x, 0, 1, 0, 1), conv.weight, conv.bias, 2)
    torch.testing.assert_close(closed, padded)


def test_depth_weights_are_those_of_the_model_without_segments() -> None:
    torch.manual_seed(0)
    plain, panoptic = build_network("panolite-tiny").eval(), build_network(PINHOLE).eval()
    panoptic.load_state_dict(plain.state_dict(), strict=False)
    images = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        maps = panoptic(images)
        torch.testing.assert_close(maps.depth, plain(images))
    assert maps.classes.shape == (1, NOTHING + 1, 32, 64)
    assert maps.centre.shape == (1, 1, 32, 64)
    assert maps.offset.shape == (1, 2, 32, 64)


def test_turning_the_panorama_turns_the_segments(checkpoint: Path) -> None:
    estimator = dp.load(PANORAMIC, checkpoint, "cpu")
    picture = noise_image(64, 128, 1)
    plain, turned = estimator(picture), estimator(np.roll(picture, 64, 1))
    torch.testing.assert_close(turned.values, plain.values.roll(64, 1), atol=1e-5, rtol=1e-4)

    def classes(prediction: dp.Prediction) -> torch.Tensor:
        table = torch.full((1 + max(i.id for i in prediction.instances),), -1)
        for instance in prediction.instances:
            table[instance.id] = instance.class_id
        return table[prediction.segment_map.long()]

    same = classes(turned) == classes(plain).roll(64, 1)
    assert same.float().mean() > 0.99  # scores that are nearly equal may change places
    assert plain.kind is dp.DepthKind.RANGE
    assert len(plain.instances) > 1


def test_a_pinhole_image_has_z_and_segments_of_its_size(checkpoint: Path) -> None:
    camera = dp.Pinhole.from_fov(60, 100, math.radians(80))
    estimator = dp.load(PINHOLE, checkpoint, "cpu", output_size="network")
    assert estimator.input_size(camera) == (64, 96)
    picture = noise_image(60, 100, 2)
    prediction = estimator(picture, camera)
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.is_metric
    assert prediction.values.shape == prediction.sigma.shape == (64, 96)
    assert prediction.segment_map.shape == (64, 96)
    whole = estimator.with_options(output_size="input")(picture, camera)
    assert whole.segment_map.shape == whole.values.shape == (60, 100)
    low = estimator.with_options(camera_height_m=0.3)(picture, camera)
    torch.testing.assert_close(low.depth * 5, prediction.depth)
    assert torch.equal(low.segment_map, prediction.segment_map)
    first, second = estimator.batch([picture, noise_image(60, 100, 3)], [camera, camera])
    torch.testing.assert_close(first.values, prediction.values, atol=1e-5, rtol=1e-4)
    assert second.values.shape == (64, 96)


def test_the_latitude_of_a_pinhole_image_is_that_of_its_rays() -> None:
    plane = latitude_plane(dp.Pinhole.from_fov(64, 128, math.pi / 2))
    assert plane.shape == (1, 1, 64, 128)
    below = math.pi * (plane[0, 0] - 0.5)
    assert below[63, 64] == pytest.approx(math.atan(31.5 / 64), abs=1e-4)
    assert below[0, 0] == pytest.approx(-math.asin(31.5 / math.hypot(31.5, 63.5, 64)), abs=1e-4)


def test_a_panorama_has_the_depth_of_the_model_itself(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="depth_model moge-2-tiny is for pinhole images"):
        dp.load(PANORAMIC, checkpoint, "cpu", depth_model="moge-2-tiny")


def test_both_nodes_find_segments(checkpoint: Path) -> None:
    around = load_model(PanoramicSettings(model=PANORAMIC, checkpoint=str(checkpoint)))
    ahead = load_panoptic(PanopticSettings(model=PINHOLE, checkpoint=str(checkpoint)))
    settings = PanopticSettings().segments
    for estimator in (around, ahead):
        segments = NodeSegments(estimator, "", settings)
        assert segments.changed_limits(settings) is None
        limits = segments.changed_limits(replace(settings, min_score=0.99))
        assert estimator.with_options(limits=limits).options.limits.score == 0.99
    with pytest.raises(ValueError, match="is for equirectangular images"):
        load_panoptic(PanopticSettings(model=PANORAMIC, checkpoint=str(checkpoint)))


_COMPARE = """
import numpy as np, sys, torch
import depth_perception as dp
from depth_perception.systems import card
model, checkpoint, backend, image = sys.argv[1:]
picture = np.load(image)
camera = dp.Pinhole.from_fov(64, 128, 1.5) if card(model).camera == "pinhole" else None
plain, other = (
    dp.load(model, checkpoint, "cpu", backend=b)(picture, camera) for b in ("torch", backend)
)
torch.testing.assert_close(other.values, plain.values, atol=1e-3, rtol=1e-3)
assert (other.segment_map == plain.segment_map).float().mean() > 0.98
"""


@pytest.mark.parametrize(("backend", "model"), [("openvino", PINHOLE), ("onnxruntime", PANORAMIC)])
def test_backends_of_segments(backend: str, model: str, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    np.save(tmp_path / "image.npy", noise_image(64, 128, 3))
    args = (model, str(checkpoint), backend, str(tmp_path / "image.npy"))
    run_unlimited(_COMPARE, *args, graphs=tmp_path)
    assert list(tmp_path.glob(f"*-{backend}-*")), "a graph was made and kept"

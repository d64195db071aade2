"""The lean way makes the same maps as the plain one."""

from __future__ import annotations

import dataclasses
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from golden.panopticdepth_reference import case
from hypothesis import given, settings
from hypothesis import strategies as st
from systems.panopticdepth.test_panopticdepth_maps import (
    SIZES,
    check_map,
    fixed_features,
    generators,
)
from systems.panopticdepth.test_panopticdepth_network import network_of

from depth_perception.systems.panopticdepth import lean_maps as panopticdepth_lean
from depth_perception.systems.panopticdepth.config import PanopticLimits
from depth_perception.systems.panopticdepth.input import panoptic_input
from depth_perception.systems.panopticdepth.kernels import segment_kernels
from depth_perception.systems.panopticdepth.lean_maps import Resampler, lean_map
from depth_perception.systems.panopticdepth.maps import PanopticMap, View, plain_map
from depth_perception.systems.panopticdepth.network import PanopticDepth, PanopticFeatures

__all__ = ["generators"]  # a fixture

LIMITS = PanopticLimits()
GOLDEN = case("infer-tiny-dps-pad")


def both_maps(
    network: PanopticDepth,
    features: PanopticFeatures,
    view: View,
    limits: PanopticLimits = LIMITS,
) -> tuple[PanopticMap, PanopticMap]:
    things, stuff = segment_kernels(network, features, limits)
    arguments = (things, stuff, features, view, network.config, limits)
    return plain_map(*arguments).map, lean_map(*arguments)


def assert_same(plain: PanopticMap, lean: PanopticMap, *, differing: int = 0) -> None:
    """``differing`` pixels may lie so near to a threshold that rounding decides."""
    same = (plain.ids == lean.ids) & (plain.classes == lean.classes)
    assert int((~same).sum()) <= differing
    if differing == 0:
        assert plain.segments == lean.segments
    assert (plain.depth is None) == (lean.depth is None)
    if plain.depth is not None:
        torch.testing.assert_close(
            lean.depth[same], plain.depth[same], atol=2e-4, rtol=1e-5, equal_nan=True
        )


@pytest.mark.parametrize("crop_depth", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [True, False])
def test_fixed_features(
    generators: PanopticDepth, depth: bool, size: str, crop_depth: bool
) -> None:
    view = View(*SIZES[size], crop_depth=crop_depth)
    assert_same(*both_maps(generators, fixed_features(depth=depth), view))


@pytest.fixture(scope="module")
def pictured() -> tuple[PanopticDepth, PanopticFeatures]:
    network = network_of(GOLDEN).requires_grad_(False)
    return network, network(panoptic_input(torch.from_numpy(GOLDEN.image)))


@pytest.mark.parametrize("output", [(118, 230), (236, 460), (90, 333), (40, 64), (7, 3)])
@pytest.mark.parametrize("strip", [1 << 18, 1000])
def test_pictures_of_many_sizes(pictured, output: tuple[int, int], strip: int) -> None:
    network, features = pictured
    limits = dataclasses.replace(LIMITS, stuff_area_px=output[0] * output[1] // 100)
    with mock.patch.object(panopticdepth_lean, "_STRIP_PX", strip):
        plain, lean = both_maps(network, features, View((118, 230), output), limits)
    assert_same(plain, lean, differing=2)
    assert len(lean.segments) > 1


def test_the_lean_way_equals_the_original_too(pictured) -> None:
    network, features = pictured
    view = View((118, 230), (236, 460), crop_depth=False)
    things, stuff = segment_kernels(network, features, LIMITS)
    found = lean_map(things, stuff, features, view, network.config, LIMITS)
    check_map(GOLDEN, found)


@pytest.mark.parametrize("depth", [True, False])
@pytest.mark.parametrize("what", ["things", "stuff", "both"])
def test_nothing_found_is_a_valid_result(generators: PanopticDepth, what: str, depth: bool) -> None:
    features = fixed_features(depth=depth, minus=0 if what == "stuff" else 20)
    if what != "things":
        features = features._replace(stuff=tuple(level - 30 for level in features.stuff))
    view = View(*SIZES["full"])
    plain, lean = both_maps(generators, features, view)
    assert_same(plain, lean)
    classes = {segment.class_id for segment in lean.segments}
    assert all(c < 11 for c in classes) if what == "things" else all(c >= 11 for c in classes)
    if what == "both":
        assert (lean.ids == -1).all()
        assert lean.segments == ()
        assert depth == (lean.depth is not None)
        assert lean.depth is None or lean.depth.isnan().all()
    # segments there are, but none large or sure enough
    strict = PanopticLimits(combine_score=1.0, stuff_area_px=10**6)
    for found in both_maps(generators, features, view, strict):
        assert found.segments == ()
        assert (found.ids == -1).all()


@settings(max_examples=25)
@given(
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    short=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    output=st.none() | st.tuples(st.integers(1, 40), st.integers(1, 40)),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 99),
)
def test_crops_and_owners(cells, short, output, corner, seed) -> None:
    image = (4 * cells[0] - short[0], 4 * cells[1] - short[1])
    output = output or image
    maps = torch.rand((4, *cells), generator=torch.Generator().manual_seed(seed)) ** 3
    full = F.interpolate(maps[None], scale_factor=4, mode="bilinear", align_corners=False)
    full = full[..., : image[0], : image[1]]
    full = F.interpolate(full, output, mode="bilinear", align_corners=False)[0]
    grid = Resampler(cells, View(image, output))
    top, bottom = sorted(int(c * output[0]) for c in corner[:2])
    left, right = sorted(int(c * output[1]) for c in corner[2:])
    box = (min(top, output[0] - 1), min(left, output[1] - 1), bottom + 1, right + 1)
    box = (*box[:2], min(box[2], output[0]), min(box[3], output[1]))
    expected = full[:, box[0] : box[2], box[1] : box[3]]
    torch.testing.assert_close(grid.crop(maps, box), expected, atol=1e-5, rtol=0)
    owner = grid.owner(maps)
    chosen = full.gather(0, owner[None])[0]
    assert (full.amax(0) - chosen).max() <= 1e-5

"""The network of PanopticDepth: parity with the original, names, forms."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from golden.fill import manifest_of
from golden.panopticdepth_reference import Case, case, manifest

from depth_perception.systems.panopticdepth.config import (
    PANOPTICDEPTH,
    PANOPTICDEPTH_SEG,
    PANOPTICDEPTH_TINY,
    PanopticDepthConfig,
    PanopticLimits,
)
from depth_perception.systems.panopticdepth.input import panoptic_input
from depth_perception.systems.panopticdepth.network import PanopticDepth

CONFIGS = {
    "tiny-dps": PANOPTICDEPTH_TINY,
    "tiny-ps": dataclasses.replace(PANOPTICDEPTH_TINY, depth=False),
    "dps-r50": PANOPTICDEPTH,
    "ps-r50": PANOPTICDEPTH_SEG,
    "ps-r50-stage1": PanopticDepthConfig(depth=False, norm="batch"),
}


def network_of(golden: Case) -> PanopticDepth:
    """The network of a case with the parameters that the original had."""
    with torch.device("meta"):
        network = PanopticDepth(CONFIGS[golden.entry["variant"]])
    network.to_empty(device="cpu")
    names, state = network.official_names(), golden.state()
    assert set(names.values()) == set(state)
    network.load_state_dict({ours: state[official] for ours, official in names.items()})
    return network.eval()


def check_network(golden: Case) -> None:
    """All arrays of a case of the bare network."""
    network = network_of(golden)
    with torch.inference_mode():
        images = panoptic_input(torch.from_numpy(golden.image))
        features = network(images)
        levels = network.levels(images)
        found = {"input_tensor": images, "encode_feat": features.masks}
        if "semantic_fpn" in golden.arrays:
            found["semantic_fpn"] = network.semantic(levels[:4])
    found |= {f"p{index + 2}": level for index, level in enumerate(levels)}
    for name, maps in (
        ("center", features.things),
        ("region", features.stuff),
        ("weight", features.kernels),
        ("depth_kernel", features.depth_kernels),
    ):
        found |= {f"{name}_{index}": value for index, value in enumerate(maps)}
    if features.depths is not None:
        found["encode_depth"] = features.depths
    assert set(golden.arrays) <= set(found)
    for array in golden.arrays:
        golden.assert_close(found[array], array)


def test_network_equals_the_original() -> None:
    check_network(case("net-tiny-dps"))


@pytest.mark.parametrize("variant", CONFIGS)
def test_names_and_shapes_are_those_of_the_published_files(variant: str) -> None:
    with torch.device("meta"):
        network = PanopticDepth(CONFIGS[variant])
    mapped = network.official_names()
    official = {mapped[name]: value for name, value in network.state_dict().items()}
    assert manifest_of(official) == manifest(variant)


def test_images_of_a_batch_do_not_know_each_other() -> None:
    torch.manual_seed(0)
    network = PanopticDepth(PANOPTICDEPTH_TINY).eval()
    images = torch.randn(2, 3, 64, 96) * 50
    with torch.inference_mode():
        both = network(images)
        second = network(images[1:])
    for mine, alone in zip(both.image(1), second, strict=True):
        for a, b in zip(mine, alone, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_all_but_depth_runs_in_half_precision() -> None:
    golden = case("infer-tiny-dps")
    network = network_of(golden)
    images = panoptic_input(torch.from_numpy(golden.image[:64, :96]))
    with torch.inference_mode():
        full = network(images)
        network.set_precision(torch.bfloat16)
        half = network(images)
    assert half.masks.dtype == half.kernels[0].dtype == torch.bfloat16
    assert half.depths.dtype == half.depth_kernels[0].dtype == torch.float32
    assert (half.depths - full.depths).std() < 0.1 * full.depths.std()


def test_every_parameter_is_trained_but_the_frozen_ones() -> None:
    torch.manual_seed(0)
    network = PanopticDepth(PANOPTICDEPTH_TINY)
    network.backbone.freeze(2)
    features = network(torch.randn(1, 3, 64, 64))
    embedded = network.thing_embedding(features.kernels[0]).mean()
    embedded = embedded + network.stuff_embedding(features.kernels[0]).mean()
    total = embedded + features.masks.mean() + features.depths.mean()
    for levels in (features.things, features.stuff, features.kernels, features.depth_kernels):
        total = total + sum(level.square().mean() for level in levels)
    total.backward()
    without = {name for name, value in network.named_parameters() if value.grad is None}
    assert without == {
        name
        for name, _ in network.named_parameters()
        if name.startswith(("backbone.stem.", "backbone.stages.0."))
    }


def test_wrong_sizes_and_limits_are_refused() -> None:
    network = PanopticDepth(PANOPTICDEPTH_TINY)
    with pytest.raises(ValueError, match="multiples of 32"):
        network(torch.zeros(1, 3, 64, 90))
    for wrong in ({"head": 40}, {"blocks": (1, 2, 3)}, {"norm": "sync"}, {"stem": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PanopticDepthConfig(**wrong)
    for wrong in ({"top": 1}, {"overlap": 2.0}, {"stuff_area_px": -1}, {"max_depth_m": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PanopticLimits(**wrong)

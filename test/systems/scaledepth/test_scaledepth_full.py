"""ScaleDepth in its published size against the original."""

from __future__ import annotations

import pytest
import torch
from golden.scaledepth_reference import case
from systems.scaledepth.test_scaledepth_network import check_network, network_of

from depth_perception.systems.scaledepth.network import ScaleDepth
from depth_perception.systems.scaledepth.options import Windows
from depth_perception.systems.scaledepth.windows import scene_depth


@pytest.fixture(scope="module")
def network() -> ScaleDepth:
    golden, windowed = case("net-nk"), case("infer-nk-slideflip")
    for entry in ("variant", "fill_seed", "overrides"):
        assert golden.entry[entry] == windowed.entry[entry]
    return network_of(golden)


def test_network_equals_the_original(network: ScaleDepth) -> None:
    check_network(network, case("net-nk"))


def test_windows_and_flip_equal_the_original(network: ScaleDepth) -> None:
    golden = case("infer-nk-slideflip")
    with torch.inference_mode():
        result = scene_depth(network, golden.batch, windows=Windows(scale="own"), flip=True)
    golden.assert_close(result.depth_m[0, 0, ::2, ::2], "depth")

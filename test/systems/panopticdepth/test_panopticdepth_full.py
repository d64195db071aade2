"""PanopticDepth in its published size against the original."""

from __future__ import annotations

import pytest
from golden.panopticdepth_reference import case
from systems.panopticdepth.test_panopticdepth_maps import check_inference
from systems.panopticdepth.test_panopticdepth_network import check_network


@pytest.mark.parametrize("name", ["net-r50-dps", "net-r50-ps", "net-r50-ps-stage1"])
def test_networks_equal_the_original(name: str) -> None:
    check_network(case(name))


@pytest.mark.parametrize("name", ["infer-r50-dps", "infer-r50-ps"])
def test_pictures_become_the_maps_of_the_original(name: str) -> None:
    check_inference(case(name))

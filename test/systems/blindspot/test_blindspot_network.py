"""The blind-spot VGG against the original."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import Case, case, manifest
from golden.fill import manifest_of

from depth_perception.systems import build_network
from depth_perception.systems.blindspot.config import BLINDSPOT_TINY, BLINDSPOT_VGG, BlindSpotConfig
from depth_perception.systems.blindspot.network import DISPARITY_LIMIT, BlindSpotVgg
from depth_perception.systems.checkpoints import load_strictly


def network_of(golden: Case) -> BlindSpotVgg:
    """The network with the parameters of a case."""
    with torch.device("meta"):
        network = BlindSpotVgg()
    network.to_empty(device="cpu")
    load_strictly(network, golden.state(), network.official_names(), golden.entry["case"])
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def network() -> BlindSpotVgg:
    return network_of(case("vgg-ring-128x256"))


def check_scales(golden: Case, disparities: tuple[torch.Tensor, ...]) -> None:
    assert len(disparities) == 4
    for scale, disparity in enumerate(disparities):
        golden.assert_close(disparity, f"out_disp_s{scale}")


@pytest.mark.parametrize(("name", "circular"), [("ring", True), ("zero", False)])
def test_network_equals_the_original(network: BlindSpotVgg, name: str, circular: bool) -> None:
    golden = case(f"vgg-{name}-128x256")
    assert golden.entry["fill_seed"] == 0
    check_scales(golden, network(golden.batch(), circular=circular))


def test_linear_head_equals_the_original() -> None:
    golden = case("vgg-ring-linear-128x256")
    disparities = network_of(golden)(golden.batch(), circular=True, linear=True)
    assert disparities[0].max() > DISPARITY_LIMIT
    check_scales(golden, disparities)


def test_turning_a_panorama_turns_the_disparities_exactly(network: BlindSpotVgg) -> None:
    images = case("vgg-ring-128x256").batch()
    plain, turned = network(images, circular=True), network(images.roll(128, -1), circular=True)
    for scale in range(4):
        assert torch.equal(turned[scale], plain[scale].roll(128 >> scale, -1))
    with_zeros = network(images), network(images.roll(128, -1))
    assert (with_zeros[1][0] - with_zeros[0][0].roll(128, -1)).abs().max() > 1e-3


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        network = BlindSpotVgg()
    mapped = network.official_names()
    official = {mapped[name]: value for name, value in network.state_dict().items()}
    assert manifest_of(official) == manifest("vgg")


@pytest.mark.parametrize("config", [BLINDSPOT_TINY, BlindSpotConfig((4, 6, 8, 8))])
def test_narrow_networks_have_the_same_form(config: BlindSpotConfig) -> None:
    torch.manual_seed(0)
    network = BlindSpotVgg(config)
    side = config.multiple
    images = torch.rand(2, 3, side, 2 * side)
    outputs = network(images, circular=True)
    assert [tuple(output.shape) for output in outputs] == [
        (2, 2, side >> scale, 2 * side >> scale) for scale in range(4)
    ]
    assert all((output > 0).all() and (output < DISPARITY_LIMIT).all() for output in outputs)
    turned = network(images.roll(side, -1), circular=True)
    assert torch.equal(turned[0], outputs[0].roll(side, -1))
    sum(output.mean() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_wrong_sizes_are_refused() -> None:
    network = build_network("blindspot-tiny")
    for size in ((100, 128), (128, 0), (128, 100)):
        with pytest.raises(ValueError, match="multiples of 64"):
            network(torch.zeros(1, 3, *size))
    for widths in ((4, 4, 4), (3, 4, 4, 4), (4, 0, 4, 4)):
        with pytest.raises(ValueError, match="widths"):
            BlindSpotConfig(widths)
    assert BLINDSPOT_VGG.multiple == 128

"""RectNet and UResNet against the original."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import Case, case, manifest
from golden.fill import manifest_of

import depth_perception as dp
from depth_perception.systems import ModelCard, build_network
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.omnidepth.config import RECTNET_TINY, RectNetConfig, UResNetConfig
from depth_perception.systems.omnidepth.network import OmniDepth, RectNet, UResNet

NETWORKS = {"rectnet": RectNet, "uresnet": UResNet}
SMALL = {
    "rectnet": lambda: RectNet(RectNetConfig(2, 2, 4, 6, 8)),
    "uresnet": lambda: UResNet(UResNetConfig((2, 4), (4, 6, 6, 8))),
}


def network_of(golden: Case) -> OmniDepth:
    """The network with the parameters of a case."""
    with torch.device("meta"):
        network = NETWORKS[golden.entry["variant"]]()
    network.to_empty(device="cpu")
    load_strictly(network, golden.state(), network.official_names(), golden.entry["case"])
    return network.requires_grad_(False).eval()


@pytest.mark.parametrize(
    "name",
    ["rectnet-64x128", "uresnet-64x128", pytest.param("rectnet-256x512", marks=pytest.mark.slow)],
)
def test_network_equals_the_original(name: str) -> None:
    golden = case(name)
    ranges = network_of(golden)(golden.batch())
    assert {f"out_pred_{2**scale}x" for scale in range(len(ranges))} == set(golden.arrays)
    for scale, values in enumerate(ranges):
        golden.assert_close(values, f"out_pred_{2**scale}x")


@pytest.mark.parametrize("variant", NETWORKS)
def test_names_and_shapes_are_those_of_the_published_files(variant: str) -> None:
    with torch.device("meta"):
        network = NETWORKS[variant]()
    mapped = network.official_names()
    official = {mapped[name]: value for name, value in network.state_dict().items()}
    assert manifest_of(official) == manifest(variant)


@pytest.mark.parametrize(
    "model",
    [m for m in dp.models() if m.name.startswith(("omnidepth", "blindspot"))],
    ids=lambda model: model.name,
)
def test_cards_count_the_parameters(model: ModelCard) -> None:
    with torch.device("meta"):
        network = build_network(model.name)
    assert sum(value.numel() for value in network.parameters()) == model.parameters
    multiple = getattr(network, "multiple", None) or network.config.multiple
    assert model.patch_size == multiple


@pytest.mark.parametrize("variant", NETWORKS)
def test_circular_padding_turns_with_the_panorama(variant: str) -> None:
    torch.manual_seed(0)
    network = SMALL[variant]()
    images = torch.rand(2, 3, 16, 64)
    plain, turned = network(images, circular=True), network(images.roll(16, -1), circular=True)
    for scale, (before, after) in enumerate(zip(plain, turned, strict=True)):
        assert before.shape == (2, 1, 16 >> scale, 64 >> scale)
        assert torch.equal(after, before.roll(16 >> scale, -1))
    with_zeros = network(images)[0], network(images.roll(16, -1))[0]
    assert not torch.allclose(with_zeros[1], with_zeros[0].roll(16, -1), atol=1e-3)


def test_coarse_ranges_learn_from_fine_ones_only_in_rectnet() -> None:
    torch.manual_seed(0)
    for variant, reaches in (("rectnet", True), ("uresnet", False)):
        network = SMALL[variant]()
        network(torch.rand(1, 3, 16, 32))[0].sum().backward()
        gradients = [head.weight.grad is not None for head in network.decoder.heads]
        assert gradients == [reaches] * (len(gradients) - 1) + [True]


def test_wrong_sizes_are_refused() -> None:
    network = build_network("omnidepth-rectnet-tiny")
    assert network.config == RECTNET_TINY
    with pytest.raises(ValueError, match=r"30 x 64 .* multiples of 4"):
        network(torch.zeros(1, 3, 30, 64))
    with pytest.raises(ValueError, match="multiples of 16"):
        SMALL["uresnet"]()(torch.zeros(1, 3, 32, 40))

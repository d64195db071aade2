"""Products by oneDNN give what PyTorch gives by default."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from depth_perception.layers import cpu_info, cpu_products
from depth_perception.layers.cpu_products import CpuProducts, on_cpu

NAME = "mkldnn::_linear_pointwise"
pytestmark = pytest.mark.skipif(
    not cpu_products.has_onednn(), reason="this PyTorch is built without oneDNN"
)


class Seen(TorchDispatchMode):
    """Notes the operations that are carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.name().split(".")[0])
        return function(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_products, "_LEAST_PRODUCTS", 1)
    monkeypatch.setattr(cpu_products, "_LEAST_OF_A_HEAD", 1)
    monkeypatch.setattr(cpu_products, "_QUERIES", 7)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def run(work) -> tuple[Tensor, list[str]]:
    with torch.no_grad(), Seen() as seen, CpuProducts():
        return work(), seen.names


@pytest.mark.parametrize("shape", [(1, 9, 12), (3, 5, 12), (2, 2, 3, 12), (4, 12)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_linear(shape: tuple[int, ...], has_bias: bool) -> None:
    torch.manual_seed(0)
    layer, tokens = nn.Linear(12, 20, bias=has_bias), torch.randn(shape)
    found, names = run(lambda: layer(tokens))
    assert NAME in names
    torch.testing.assert_close(found, layer(tokens).detach(), rtol=1e-5, atol=1e-5)
    strided = torch.randn(*shape[:-1], 24)[..., ::2]
    torch.testing.assert_close(
        run(lambda: layer(strided))[0], layer(strided).detach(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("others", [18, 5])
def test_attention(others: int) -> None:
    torch.manual_seed(1)
    tokens = torch.randn(2, 18, 3, 4, 8).permute(2, 0, 3, 1, 4)  # as a joint projection leaves them
    query, key, value = tokens
    key, value = key[:, :, :others], value[:, :, :others]
    found, names = run(lambda: F.scaled_dot_product_attention(query, key, value, dropout_p=0.0))
    assert names.count(NAME) == 2 * 2 * 4 * 3  # twice for images, heads, and 18 queries by sevens
    expected = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_attention_by_place_and_by_name() -> None:
    tokens = torch.randn(1, 2, 9, 4, generator=torch.Generator().manual_seed(3))
    expected = F.scaled_dot_product_attention(tokens, tokens, tokens)
    for work in (
        lambda: F.scaled_dot_product_attention(tokens, tokens, tokens, None, 0.0, False),
        lambda: F.scaled_dot_product_attention(query=tokens, key=tokens, value=tokens),
    ):
        found, names = run(work)
        assert NAME in names
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (torch.randn(12, 8).T, torch.randn(8)),
        (torch.randn(8, 12), torch.randn(16)[::2]),
        (torch.randn(8, 12), torch.randn(1)),
        (torch.randn(8, 12), torch.randn(())),
        (torch.randn(12), None),
    ],
)
def test_layers_of_another_form_are_left_to_torch(weight: Tensor, bias: Tensor | None) -> None:
    tokens = torch.randn(5, 12)
    found, names = run(lambda: F.linear(tokens, weight, bias))
    assert NAME not in names
    torch.testing.assert_close(found, F.linear(tokens, weight, bias))


def test_copies_call_the_copied_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_products, "pays_off", lambda: True)
    monkeypatch.setattr(cpu_products, "_LEAST_PARAMETERS", 1)
    call = copy.deepcopy(on_cpu(nn.Linear(8, 8).requires_grad_(False)))
    nn.init.zeros_(call.network.weight)
    nn.init.ones_(call.network.bias)
    with torch.no_grad():
        assert torch.equal(call(torch.randn(2, 8)), torch.ones(2, 8))


def test_what_is_asked_otherwise_is_left_to_torch() -> None:
    torch.manual_seed(2)
    layer, tokens = nn.Linear(8, 8), torch.randn(2, 4, 6, 8)
    mask = torch.rand(6, 6) > 0.3
    for options in ({"attn_mask": mask}, {"is_causal": True}, {"scale": 0.1}, {"scale": 0.0}):
        found, names = run(
            lambda o=options: F.scaled_dot_product_attention(tokens, tokens, tokens, **o)
        )
        assert NAME not in names
        expected = F.scaled_dot_product_attention(tokens, tokens, tokens, **options)
        torch.testing.assert_close(found, expected)
    for query, key in ((tokens, tokens[:1]), (tokens[:, :1], tokens)):  # torch repeats them
        expected = F.scaled_dot_product_attention(query, key, key)
        found, _ = run(lambda q=query, k=key: F.scaled_dot_product_attention(q, k, k))
        torch.testing.assert_close(found, expected)
    assert NAME not in run(lambda: layer.double()(tokens.double()))[1]
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert run(lambda: layer(tokens))[0].dtype is torch.bfloat16
    with CpuProducts():
        assert layer(tokens).requires_grad


def test_small_networks_are_called_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_products, "pays_off", lambda: True)
    network = nn.Linear(16, 16).requires_grad_(False)
    assert on_cpu(network) is network
    monkeypatch.setattr(cpu_products, "_LEAST_PARAMETERS", 100)
    elsewhere = nn.Linear(16, 16, device="meta")
    assert on_cpu(elsewhere) is elsewhere
    tokens = torch.randn(3, 16)
    call = on_cpu(network)
    assert call is not network
    with torch.no_grad(), Seen() as seen:
        found = call(tokens)
    assert NAME in seen.names
    torch.testing.assert_close(found, network(tokens), rtol=1e-5, atol=1e-5)
    with torch.backends.mkldnn.flags(enabled=False):
        assert on_cpu(network) is network
    monkeypatch.setattr(cpu_products, "pays_off", lambda: False)
    assert on_cpu(network) is network


@pytest.mark.parametrize(
    ("vendor", "capability", "expected"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("AuthenticAMD", "AVX2", False),
        ("GenuineIntel", "AVX512", False),
    ],
)
def test_it_pays_off_on_wide_processors_that_mkl_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str, capability: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nvendor_id : {vendor}\n")
    monkeypatch.setattr(cpu_info, "FILE", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert cpu_products.pays_off.__wrapped__() is expected


def test_what_linux_says_of_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = "processor\t: {}\nmodel name\t: Some: CPU\nflags\t\t: a b\n"
    (tmp_path / "cpuinfo").write_text(one.format(0) + "\n" + one.format(1))
    monkeypatch.setattr(cpu_info, "FILE", tmp_path / "cpuinfo")
    assert cpu_info.cpu_facts("model name") == ("Some: CPU",)
    assert cpu_info.cpu_facts("processor") == ("0", "1")
    assert cpu_info.cpu_facts("model") == ()
    monkeypatch.setattr(cpu_info, "FILE", tmp_path / "elsewhere")
    assert cpu_info.cpu_facts("flags") == ()

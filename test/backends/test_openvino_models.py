"""The tiny networks of the catalogue in OpenVINO, on the CPU, equal to torch within 1e-3."""

from __future__ import annotations

from pathlib import Path

from backend_needs import needs
from unlimited import run_unlimited

MODELS = ("da360-tiny", "dap-tiny", "da2-tiny", "da3-tiny", "moge-3-tiny", "eomt-tiny")
_COMPARE = """
import sys, torch
from depth_perception.backends import GraphForward
from depth_perception.backends.structure import flatten
from depth_perception.bench.options import Network
from depth_perception.bench.random_weights import bench_networks, small_call
for name in sys.argv[1:]:
    options = Network(model=name, random_weights=True)
    network, _ = bench_networks(options, torch.device("cpu"))
    torch.manual_seed(1)  # other images than those of the comparison at the export
    images, arguments = small_call(name, network)
    with torch.inference_mode():
        expected = flatten(network(images, **arguments))[1]
        found = flatten(GraphForward(network, "openvino")(images, **arguments))[1]
    for one, other in zip(found, expected, strict=True):
        floor = 1e-3 * float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=1e-3, atol=floor)
        if other.numel() > 1:
            print(name, "varies by", float(other.std() / other.abs().mean()), flush=True)
"""


def test_every_feed_forward_system_is_equal(tmp_path: Path) -> None:
    needs("openvino")
    printed = run_unlimited(_COMPARE, *MODELS, graphs=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(MODELS), "a graph of each was made and kept"
    varying = [float(line.split()[-1]) for line in printed.splitlines()]
    assert len(varying) >= len(MODELS)
    assert min(varying) > 0.02

"""The backend inductor: what it compiles stays, and runs without a compiler."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from backend_needs import needs
from torch import Tensor, nn

import depth_perception as dp
from depth_perception.backends import BackendError, GraphForward, engines, forward, inductor_engine
from depth_perception.backends.fidelity import HALF_MEDIAN, compare
from depth_perception.backends.inductor_engine import find_compiler
from depth_perception.systems.blindspot.config import BlindSpotConfig
from depth_perception.systems.blindspot.network import BlindSpotVgg

SHAPE = (1, 3, 32, 64)
LATER = """
import os, sys
import torch
from depth_perception.backends import BackendError, GraphForward
from depth_perception.backends.inductor_engine import find_compiler
network, images, threads = torch.load(sys.argv[1], weights_only=False)
try:
    find_compiler()
except BackendError:
    torch.set_num_threads(threads)
    with torch.inference_mode():
        torch.save(GraphForward(network, "inductor")(images, circular=True), sys.argv[2])
    # what the compiler is made of; it would be loaded by a compilation
    sys.exit(int("torch._inductor.codegen.cpp" in sys.modules))
sys.exit("there is a compiler after all")
"""


def vgg() -> nn.Module:
    torch.manual_seed(0)
    return BlindSpotVgg(BlindSpotConfig((4, 6, 8, 8))).eval().requires_grad_(False)


def pictures() -> Tensor:
    """Not those of the comparison at the export."""
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))


@dataclass(frozen=True)
class Made:
    """A compiled network, and the folder of graphs that holds it alone."""

    forward: GraphForward
    graphs: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    needs("inductor")
    graphs = tmp_path_factory.mktemp("compiled") / "graphs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPTH_PERCEPTION_GRAPHS", str(graphs))
        built = GraphForward(vgg(), "inductor")
        built.differences(SHAPE, circular=True)
        yield Made(built, graphs)


def test_it_is_equal_and_leaves_only_the_graph(made: Made) -> None:
    with torch.inference_mode():
        expected = vgg()(pictures(), circular=True)
        found = made.forward(pictures(), circular=True)
    assert type(found) is type(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    (folder,) = made.graphs.iterdir()
    assert {path.name for path in folder.iterdir()} == {"about.json", "graph.pt2"}


def test_results_are_not_overwritten_by_the_next_image(made: Made) -> None:
    first = made.forward(pictures(), circular=True)[0]
    kept = first.clone()
    assert not torch.equal(made.forward(1 - pictures(), circular=True)[0], kept)
    assert torch.equal(first, kept)


def test_a_later_start_needs_no_compiler_and_may_have_other_threads(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = 1 if torch.get_num_threads() > 1 else 2
    torch.save((vgg(), pictures(), threads), tmp_path / "given.pt")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(made.graphs))
    files = [str(tmp_path / name) for name in ("given.pt", "found.pt")]
    done = subprocess.run([sys.executable, "-c", LATER, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for one, other in zip(
        torch.load(files[1]), made.forward(pictures(), circular=True), strict=True
    ):
        torch.testing.assert_close(one, other)
    assert not list((tmp_path / "cache").rglob("*"))  # nothing was compiled


def test_a_damaged_graph_is_made_again(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(made.graphs, tmp_path / "copy")
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "copy"))
    (folder,) = (tmp_path / "copy").iterdir()
    whole = bytearray((folder / "graph.pt2").read_bytes())
    for k in range(1, 400):  # opened like this, it ends the process
        whole[k * len(whole) // 400] ^= 0xFF
    (folder / "graph.pt2").write_bytes(whole)
    (kept,) = made.graphs.glob("*/graph.pt2")

    def compiled(_capture: object, _images: object, partial: Path, _precision: str) -> None:
        shutil.copy(kept, partial)  # compiling takes long, and gives the same

    monkeypatch.setattr(inductor_engine, "export", compiled)
    found = GraphForward(vgg(), "inductor")(pictures(), circular=True)
    assert "the hash of graph.pt2 differs" in caplog.text
    expected = made.forward(pictures(), circular=True)
    torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=1e-4)


def test_graphs_are_of_one_kind_of_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    mine, open_ones = (engines.engine_version(name, cpu) for name in ("inductor", "openvino"))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    assert engines.engine_version("inductor", cpu) != mine
    assert engines.engine_version("openvino", cpu) == open_ones


def test_without_a_compiler_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "graphs"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BackendError, match="install the package g\\+\\+ or clang"):
        GraphForward(vgg(), "inductor")(pictures(), circular=True)
    assert list((tmp_path / "graphs").iterdir()) == []
    monkeypatch.setenv("CXX", "icpx -O3")
    with pytest.raises(BackendError, match="no icpx"):
        find_compiler()
    (tmp_path / "clang++").touch(mode=0o755)
    monkeypatch.delenv("CXX")
    assert find_compiler() == "clang++"


def test_tensors_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a GPU: nothing of the meta device can be brought to the host."""
    seen: list[Tensor] = []

    class Engine:
        @staticmethod
        def open_graph(*_: object) -> engines.Run:
            return lambda images: (seen.append(images), [images[:, :1]])[1]

    monkeypatch.setattr(forward, "engine", lambda backend: Engine)
    monkeypatch.setattr(forward, "check_backend", lambda *_: None)
    monkeypatch.setattr(GraphForward, "_folder", lambda *_: Path("graph"))
    monkeypatch.setattr(forward, "about", lambda folder: {"layout": ["tensor"]})
    images = torch.empty(SHAPE, device="meta")
    found = GraphForward(vgg(), "inductor", device="meta")(images)
    assert found.device == images.device
    assert seen[0].untyped_storage()._cdata == images.untyped_storage()._cdata
    assert found.shape == (1, 1, *SHAPE[2:])


def test_half_precision_is_that_of_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("inductor")
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "graphs"))
    half = GraphForward(vgg(), "inductor", precision="bfloat16")
    found, expected = half(pictures(), circular=True), vgg()(pictures(), circular=True)
    assert {it.dtype for it in found} == {torch.float32}
    median = compare("finest", expected[0], found[0]).median
    assert 1e-5 < median < 2 * HALF_MEDIAN  # it is not float32 in disguise


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_of_a_transformer(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("inductor")
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "graphs"))
    options = {"height": 56, "seam": "circular", "device": "cpu", "output_size": "network"}
    image = np.random.default_rng(0).integers(0, 256, (56, 112, 3), np.uint8)
    expected = dp.load("panda-tiny-metric", **options)(image).values
    half = dp.load("panda-tiny-metric", backend="inductor", precision=precision, **options)
    median = compare("depth", expected, half(image).values).median
    assert 1e-5 < median < 2 * HALF_MEDIAN

"""Backends: equal to torch, kept on disk, refused where they cannot be."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from backend_needs import needs
from torch import nn

import depth_perception as dp
from depth_perception.backends import BackendError, GraphForward, capture, engines, graphs_folder
from depth_perception.backends import forward as forward_module
from depth_perception.backends.capture import fingerprint, trial_images
from depth_perception.backends.fidelity import check, compare
from depth_perception.backends.store import filling
from depth_perception.backends.structure import flatten, names, rebuild
from depth_perception.systems import build_network
from depth_perception.systems.blindspot.config import BlindSpotConfig
from depth_perception.systems.blindspot.network import BlindSpotVgg
from depth_perception.systems.moge.network import MogeMaps
from depth_perception.systems.omnidepth.config import RectNetConfig, UResNetConfig
from depth_perception.systems.omnidepth.network import RectNet, UResNet
from depth_perception.systems.panda.network import Panda

SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "vgg": (lambda: BlindSpotVgg(BlindSpotConfig((4, 6, 8, 8))), (1, 3, 32, 64)),
    "rectnet": (lambda: RectNet(RectNetConfig(2, 2, 4, 6, 8)), (1, 3, 32, 64)),
    "uresnet": (lambda: UResNet(UResNetConfig((2, 4), (4, 6, 6, 8))), (1, 3, 32, 64)),
}


def network_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return SMALL[name][0]().eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "graphs"))
    return tmp_path / "graphs"


@pytest.mark.parametrize(
    ("name", "backend", "circular"),
    [
        ("vgg", "openvino", True),
        ("vgg", "onnxruntime", False),
        pytest.param("rectnet", "openvino", True, marks=pytest.mark.slow),
        pytest.param("rectnet", "onnxruntime", True, marks=pytest.mark.slow),
        pytest.param("uresnet", "openvino", True, marks=pytest.mark.slow),
        pytest.param("uresnet", "onnxruntime", False, marks=pytest.mark.slow),
        pytest.param("rectnet", "inductor", True, marks=pytest.mark.slow),
        pytest.param("uresnet", "inductor", False, marks=pytest.mark.slow),
    ],
)
def test_convolutional_networks_are_equal(name: str, backend: str, circular: bool) -> None:
    check_equal(network_of(name), backend, SMALL[name][1], circular=circular)


def check_equal(network: nn.Module, backend: str, shape: tuple[int, ...], **arguments) -> None:
    needs(backend)
    forward = GraphForward(network, backend)  # type: ignore[arg-type]
    torch.manual_seed(1)
    images = torch.rand(shape)  # not those of the comparison at the export
    with torch.inference_mode():
        expected, found = network(images, **arguments), forward(images, **arguments)
    assert type(found) is type(expected)
    expected_layout, expected_tensors = flatten(expected)
    layout, tensors = flatten(found)
    assert layout == expected_layout
    for one, other in zip(tensors, expected_tensors, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3 * float(other.abs().max()), rtol=1e-3)
    assert all(entry.largest <= 1e-3 for entry in forward.differences(shape, **arguments))


@pytest.mark.parametrize(
    "backend", ["openvino", "inductor", pytest.param("onnxruntime", marks=pytest.mark.slow)]
)
def test_the_embedded_model_by_its_option(backend: str, folder: Path) -> None:
    needs(backend)
    image = np.random.default_rng(0).integers(0, 256, (56, 112, 3), np.uint8)
    options = {"height": 56, "seam": "circular", "device": "cpu"}
    expected = dp.load("panda-tiny-metric", **options)(image)
    estimator = dp.load("panda-tiny-metric", backend=backend, **options)
    estimator.warm_up(56, 112)
    (made,) = folder.iterdir()
    found = estimator(image)
    assert [made] == list(folder.iterdir())  # the warm-up made the graph
    torch.testing.assert_close(found.values, expected.values, atol=0, rtol=1e-3)
    assert found.scale is expected.scale
    with pytest.raises(ValueError, match="share its backend"):
        estimator.with_options(backend="torch")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "inductor"])
@pytest.mark.parametrize(
    ("model", "shape", "arguments"),
    [
        ("panda-tiny", (1, 3, 56, 112), {"circular": False}),
        ("da360-tiny", (1, 3, 56, 112), {"circular": True}),
        ("dap-tiny", (1, 3, 64, 128), {"circular": False}),
        ("da2-tiny", (1, 3, 56, 112), {"circular": False}),
        ("moge-2-tiny", (1, 3, 60, 80), {"num_tokens": 100, "network_size": False}),
        ("scaledepth-tiny", (2, 3, 64, 96), {}),
        ("panopticdepth-tiny", (1, 3, 128, 128), {}),
        ("da3-tiny", (1, 3, 56, 84), {}),
        ("eomt-tiny", (1, 3, 160, 160), {}),
    ],
)
def test_other_networks_are_equal(
    model: str, shape: tuple[int, ...], arguments: dict, backend: str
) -> None:
    if model == "eomt-tiny" and backend == "openvino":
        pytest.skip("in a process of its own, see test_openvino_models.py")
    torch.manual_seed(0)
    network = build_network(model).eval().requires_grad_(False)
    if model.startswith("panoptic") and backend == "onnxruntime":
        network.hold_offsets_still()  # moving ones come out wrong there, and are refused
    check_equal(network, backend, shape, **arguments)


def test_graphs_are_kept_for_the_same_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("openvino")
    made: list[tuple] = []
    export = GraphForward._export

    def counted(self: GraphForward, folder: Path, shape: tuple, arguments: dict) -> None:
        made.append(shape)
        export(self, folder, shape, arguments)

    monkeypatch.setattr(GraphForward, "_export", counted)
    network, (_, shape) = network_of("vgg"), SMALL["vgg"]
    images = torch.rand(shape)
    first = GraphForward(network, "openvino")(images, circular=False)
    again = GraphForward(network_of("vgg"), "openvino")(images, circular=False)
    assert len(made) == 1
    assert torch.equal(first[0], again[0])
    with torch.no_grad():
        network.heads[-1].bias += 1
    changed = GraphForward(network, "openvino")(images, circular=False)
    assert len(made) == 2
    assert not torch.allclose(first[0], changed[0])


def test_settings_that_are_no_weights_count() -> None:
    with torch.device("meta"):
        config = build_network("panda-tiny").config
    torch.manual_seed(0)
    one = Panda(config, max_depth=1.0, lora_rank=None)
    other = Panda(config, max_depth=10.0, lora_rank=None)
    other.load_state_dict(one.state_dict())
    assert fingerprint(one) != fingerprint(other)


def test_a_graph_that_differs_is_refused_and_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("openvino")
    monkeypatch.setattr(forward_module, "trial_images", lambda n, s: 2 * trial_images(n, s))
    network, (_, shape) = network_of("vgg"), SMALL["vgg"]
    forward = GraphForward(network, "openvino", tolerance=0.0)
    with pytest.raises(BackendError, match="not equal to torch: output\\[0\\]"):
        forward(torch.rand(shape), circular=False)
    assert list(folder.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    for backend in ("openvino", "onnxruntime"):
        with pytest.raises(BackendError, match=f"pip install .*{backend}"):
            dp.load("panda-tiny-metric", backend=backend, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "openvino", "device": torch.device("cuda")}, "runs on cpu"),
        ({"backend": "tensorrt", "device": torch.device("cpu")}, "runs on cuda"),
        ({"backend": "onnxruntime", "precision": "bfloat16"}, "computes in float32"),
        ({"backend": "inductor", "device": torch.device("mps")}, "runs on cpu and cuda"),
    ],
)
def test_what_a_backend_cannot_do_is_refused(
    options: dict, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: object())
    given = {"device": torch.device("cpu"), "precision": "float32", **options}
    with pytest.raises(BackendError, match=message):
        engines.check_backend(**given)


def test_unknown_backends_and_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of torch, openvino"):
        dp.load("panda-tiny-metric", backend="tflite")
    needs("openvino")
    with pytest.raises(BackendError, match="Linear runs only in PyTorch"):
        GraphForward(nn.Linear(1, 1), "openvino")


def test_openvino_does_not_load_what_reports_its_use() -> None:
    needs("openvino")
    code = (
        "import sys; from depth_perception.backends import openvino_engine as e; e._openvino();"
        "from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder;"
        "sys.exit(int('openvino_telemetry' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_change_of_code_in_the_folder_of_a_system_makes_another_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "depth_perception"
    nested = package / "systems" / "panda"
    nested.mkdir(parents=True)
    (package / "layers").mkdir()
    (nested / "network.py").write_text("scale = 1\n", encoding="utf-8")
    monkeypatch.setattr(capture, "__file__", str(package / "backends" / "capture.py"))
    network = dp.load("panda-tiny-metric").network
    forward = GraphForward(network, "openvino")
    capture.code_digest.cache_clear()
    folder = forward._folder((1, 3, 112, 224), {})
    (nested / "network.py").write_text("scale = 2\n", encoding="utf-8")
    assert GraphForward(network, "openvino")._folder((1, 3, 112, 224), {}) == folder  # one process
    capture.code_digest.cache_clear()
    assert GraphForward(network, "openvino")._folder((1, 3, 112, 224), {}) != folder
    capture.code_digest.cache_clear()


def test_the_code_of_a_network_from_elsewhere_counts(tmp_path: Path) -> None:
    source = tmp_path / "network.py"
    source.write_text("import torch\nclass Net(torch.nn.Module):\n    pass\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("elsewhere.network", source)
    module = importlib.util.module_from_spec(spec)
    sys.modules["elsewhere.network"] = module
    try:
        spec.loader.exec_module(module)
        before = capture.code_digest(module.Net)
        (tmp_path / "deeper").mkdir()
        (tmp_path / "deeper" / "part.py").write_text("x = 1\n", encoding="utf-8")
        capture.code_digest.cache_clear()
        assert capture.code_digest(module.Net) != before
    finally:
        del sys.modules["elsewhere.network"]


def test_results_survive_being_taken_apart() -> None:
    a, b = torch.ones(1), torch.zeros(2)
    for value in (a, (a, (b, a)), MogeMaps(a, None, b, None)):
        layout, tensors = flatten(value)
        layout = json.loads(json.dumps(layout))
        again = rebuild(layout, tensors, (MogeMaps,))
        assert type(again) is type(value)
        assert flatten(again)[0] == layout
        assert len(names(value)) == len(tensors)
    assert names(MogeMaps(a, None, b, None)) == ["points", "mask"]
    with pytest.raises(TypeError, match="dict"):
        flatten({"a": a})
    with pytest.raises(ValueError, match="too many"):
        rebuild(["tensor"], [a, b])


def test_differences_are_relative_and_small_values_have_a_floor() -> None:
    expected = torch.tensor([1.0, 2.0, 0.0, 4.0])
    entry = compare("x", expected, expected + torch.tensor([0.0, 0.02, 0.04, 0.0]))
    assert entry.largest == pytest.approx(1.0)  # 0.04 of a hundredth of 4
    centred = expected - 1  # mean magnitude 1.25
    assert compare("x", centred, centred + 0.03).largest == pytest.approx(0.024, rel=1e-3)
    assert compare("x", expected, 1.001 * expected).largest == pytest.approx(1e-3, rel=1e-3)
    with pytest.raises(BackendError, match="not a number"):
        compare("x", expected, torch.full((4,), torch.nan))
    with pytest.raises(BackendError, match="shape"):
        compare("x", expected, expected[:2])
    check([replace(entry, median=4e-3, most=1e-2)], "bfloat16")
    with pytest.raises(BackendError, match="99th percentile"):
        check([replace(entry, median=4e-3, most=3e-2)], "bfloat16")


def test_an_interrupted_export_leaves_nothing(folder: Path) -> None:
    target = folder / "graph"

    def interrupted() -> None:
        with filling(target, {}) as partial:
            (partial / "graph.xml").write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted()
    assert list(folder.iterdir()) == []


_FILLS = """
import sys, time
from pathlib import Path
from depth_perception.backends.store import filling
with filling(Path(sys.argv[1]), {}) as partial:
    (partial / "graph.xml").write_text("half")
    print(partial, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_export_left_goes_when_the_next_begins(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / ".others").mkdir()
    command = [sys.executable, "-c", _FILLS, str(folder / "graph")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            partial = Path(process.stdout.readline().strip())
            with filling(folder / "second", {}) as own, filling(folder / "third", {}):
                assert own.is_dir(), "this process is filling it"
            assert (partial / "graph.xml").is_file(), "the other one still is"
        finally:
            process.kill()
    assert partial.is_dir()
    with filling(folder / "graph", {}) as own:
        assert not partial.exists()
        (own / "graph.xml").write_text("whole")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".others",
        "graph",
        "second",
        "third",
    ]


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEPTH_PERCEPTION_GRAPHS")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert graphs_folder() == Path("/cache/depth_perception/graphs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert graphs_folder() == Path.home() / ".cache" / "depth_perception" / "graphs"

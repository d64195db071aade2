"""A system of another package works everywhere, without a change in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ramp_plugin import MODEL, install, write_weights

from depth_perception.io.images import write_image


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def weights(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "ramp.safetensors", installed)


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_library_loads_and_runs_it(installed: Path, weights: Path) -> None:
    code = f"""
import numpy as np
import depth_perception as dp
assert "{MODEL}" in {{card.name for card in dp.models()}}
estimator = dp.load("{MODEL}", {str(weights)!r}, "cpu", gain=2.0, seam="circular")
image = np.full((28, 56, 3), 255, np.uint8)
depth = estimator(image).depth
expected = 2 * (3 + 0.5 * float(np.mean((1 - np.array([.485, .456, .406])) / [.229, .224, .225])))
assert abs(float(depth.mean()) - expected) < 1e-4, (float(depth.mean()), expected)
try:
    dp.load("{MODEL}", {str(weights)!r}, "cpu", gain=20.0)
except ValueError as error:
    assert "gain must lie between 0.1 and 10" in str(error), error
else:
    raise AssertionError("gain=20 was accepted")
"""
    done = run(installed, "-c", code)
    assert done.returncode == 0, done.stderr


def test_the_command_line_runs_it(installed: Path, weights: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((28, 56, 3), 255, np.uint8))
    main = ("-m", "depth_perception.cli.main")
    options = ("--model", MODEL, "--checkpoint", str(weights), "--device", "cpu")
    outputs = ("--out", str(tmp_path / "out"), "--raw", "npy", "--gain", "2.0")
    done = run(installed, *main, "infer", str(tmp_path / "a.png"), *options, *outputs)
    assert done.returncode == 0, done.stderr
    depth = np.load(next((tmp_path / "out").glob("a*.npy")))
    plain = run(installed, *main, "infer", str(tmp_path / "a.png"), *options, *outputs[:1],
                str(tmp_path / "plain"), "--raw", "npy")  # fmt: skip
    assert plain.returncode == 0, plain.stderr
    np.testing.assert_allclose(depth, 2 * np.load(next((tmp_path / "plain").glob("a*.npy"))))
    assert MODEL in run(installed, *main, "models").stdout
    assert "--gain" in run(installed, *main, "infer", "--help").stdout


def test_a_broken_package_is_left_out_and_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[depth_perception.systems]\nbroken = nothing_here:SYSTEM\nodd = json:loads\n"
        "nameless = nameless:SYSTEM\n"
    )
    (tmp_path / "nameless.py").write_text(
        "from depth_perception.systems import System\nSYSTEM = System()\n", encoding="utf-8"
    )
    code = "import depth_perception as dp; print(len(dp.models()))"
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
    assert "'broken' of nothing_here:SYSTEM cannot be used and is left out" in done.stderr
    assert "is no System" in done.stderr
    assert "'nameless' of nameless:SYSTEM cannot be used" in done.stderr


def test_names_that_repeat_are_left_out(installed: Path, tmp_path: Path) -> None:
    source = tmp_path / "twin"
    source.mkdir()
    (source / "twin.py").write_text("from ramp_depth.system import SYSTEM\n", encoding="utf-8")
    info = source / "twin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: twin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[depth_perception.systems]\ntwin = twin:SYSTEM\n", encoding="utf-8"
    )
    path = os.pathsep.join([str(installed), str(source)])
    done = run(Path(path), "-c", "import depth_perception as dp; dp.models()")
    assert done.returncode == 0, done.stderr
    assert "repeats the models ramp-depth" in done.stderr

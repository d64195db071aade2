"""Checkpoints with fixed random parameters, pictures, and the command itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.io.images import write_image
from depth_perception.systems import build_network, save_network


@pytest.fixture(scope="session")
def fill(golden_dir: Path) -> ModuleType:
    """The functions that make parameters and pictures of the goldens."""
    spec = importlib.util.spec_from_file_location("golden_fill", golden_dir / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def golden_checkpoint(
    fill: ModuleType, golden_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, int], Path]:
    """An official file of ``panda_SIZE`` with the parameters of a golden seed."""

    def make(variant: str, seed: int) -> Path:
        manifest = fill.load_manifest(golden_dir / "panda" / f"manifest-{variant}.json")
        path = tmp_path_factory.mktemp("weights") / f"{variant}.pth"
        torch.save(fill.fill_manifest(manifest, seed), path)
        return path

    return make


@pytest.fixture(scope="session")
def tiny(golden_checkpoint: Callable[[str, int], Path]) -> list[str]:
    """Options for the small test model: affine-invariant, 28 rows."""
    checkpoint = golden_checkpoint("panda_tiny", 0)
    return ["--model", "panda-tiny", "--checkpoint", str(checkpoint), "--height", "28"]


@pytest.fixture(scope="session")
def metric(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a metric model with random weights, 28 rows."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "metric.safetensors"
    save_network(build_network("panda-tiny-metric"), path)
    return ["--model", "panda-tiny-metric", "--checkpoint", str(path), "--height", "28"]


@pytest.fixture
def picture() -> Callable[[Path, int], Path]:
    """Writes a 32 x 64 picture of its own content."""

    def write(path: Path, seed: int = 0) -> Path:
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, pixels)
        return path

    return write


@pytest.fixture
def infer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs ``depth-perception infer`` with results in ``tmp_path/out``; returns the exit code."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> int:
        return main(["infer", "--out", str(tmp_path / "out"), *map(str, arguments)])

    return run

"""A package of somebody else that adds a system: sources, and its installation into a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODEL = "ramp-depth"

_SETUP = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "ramp-depth"
version = "1.0"

[project.entry-points."depth_perception.systems"]
ramp = "ramp_depth.system:SYSTEM"

[tool.setuptools]
packages = ["ramp_depth"]
"""

_SYSTEM = """
from dataclasses import dataclass

from depth_perception.depth_space import ScaleKind
from depth_perception.options import option
from depth_perception.systems import EstimatorOptions, Model, System
from depth_perception.systems.card import panoramic


@dataclass(frozen=True)
class RampOptions(EstimatorOptions):
    gain: float = option(1.0, "Factor of the depth.", minimum=0.1, maximum=10.0, reload=True)


class RampSystem(System):
    name = "ramp"
    title = "Ramp"
    models = (
        Model(
            panoramic(
                name="ramp-depth",
                title="Depth that grows with brightness",
                parameters=1,
                weights_licence="Apache-2.0",
                scale=ScaleKind.METRIC,
                max_depth_m=None,
                default_height=28,
                file_name="ramp_depth.safetensors",
            )
        ),
    )

    def options_class(self, model):
        return RampOptions

    def estimator_class(self, model):
        from .network import RampEstimator

        return RampEstimator

    def build(self, model, **overrides):
        from .network import Ramp

        return Ramp(**overrides)


SYSTEM = RampSystem()
"""

_NETWORK = """
import torch
from torch import nn

from depth_perception.systems import DenseEstimator


class Ramp(nn.Module):
    input_range = (-2.1, 2.6)

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(1, 1, bias=False)

    def forward(self, images, *, circular=False):
        return self.encoder(images.mean(1)[..., None])[..., 0][:, None] + 3

    def official_names(self):
        return {name: name for name in self.state_dict()}


class RampEstimator(DenseEstimator):
    def _run(self, images, circular):
        return super()._run(images, circular) * self.options.gain
"""


def install(folder: Path) -> Path:
    """Install the package with pip; returns the folder that PYTHONPATH has to name."""
    source, target = folder / "source", folder / "installed"
    package = source / "ramp_depth"
    package.mkdir(parents=True)
    (source / "pyproject.toml").write_text(_SETUP, encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "system.py").write_text(_SYSTEM, encoding="utf-8")
    (package / "network.py").write_text(_NETWORK, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return target


def write_weights(path: Path, installed: Path) -> Path:
    """Weights of its model with which depth is 3 m plus half the normalised brightness."""
    sys.path.insert(0, str(installed))
    try:
        import torch
        from ramp_depth.network import Ramp

        from depth_perception.systems import save_network

        network = Ramp()
        torch.nn.init.constant_(network.encoder.weight, 0.5)
        save_network(network, path)
    finally:
        sys.path.remove(str(installed))
    return path

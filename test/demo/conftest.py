"""What the tests of the demonstration share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from depth_perception.systems import build_network, save_network


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the default model as they are before training."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(build_network("panda-tiny-metric"), path)
    return path

"""What the tests of the ROS side share. The messages must be built: `make test` does that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import torch
from rclpy.signals import SignalHandlerOptions
from ros_harness import ROOT, NodeProcess, Probe

from depth_perception.systems import build_network, save_network

# One domain for each test process. Above 101 the ports of DDS fall into Linux' ephemeral range.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
for variable in ("FASTDDS", "FASTRTPS"):  # the name since Kilted, and before
    profile = ROOT / "config" / "fastdds_large_data.xml"
    os.environ.setdefault(f"{variable}_DEFAULT_PROFILES_FILE", str(profile))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the default (metric) model with random parameters."""
    return _random_weights("panda-tiny-metric", tmp_path_factory)


@pytest.fixture(scope="session")
def relative_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ``panda-tiny``, whose depth has no scale."""
    return _random_weights("panda-tiny", tmp_path_factory)


def _random_weights(name: str, factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = factory.mktemp("weights") / f"{name}.safetensors"
    save_network(build_network(name), path)
    return path


@pytest.fixture(scope="session")
def ros() -> Iterator[None]:
    """rclpy in this process."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="module")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NodeProcess]]:
    """Start nodes that end with the module."""
    folder = tmp_path_factory.mktemp("logs")
    started: list[NodeProcess] = []

    def start(parameters: dict[str, Any] | None = None, **options: Any) -> NodeProcess:
        started.append(NodeProcess(folder / f"{len(started)}.log", parameters, **options))
        return started[-1]

    yield start
    for node in started:
        if node.is_alive():
            node.stop()


@pytest.fixture(scope="module")
def make_probe(ros: None) -> Iterator[Callable[..., Probe]]:
    """Make probes that end with the module."""
    made: list[Probe] = []

    def make(namespace: str = "", outputs: tuple[str, ...] = (), **options: str) -> Probe:
        made.append(Probe(f"probe_{len(made)}", namespace, outputs, **options))
        return made[-1]

    yield make
    for probe in made:
        probe.close()

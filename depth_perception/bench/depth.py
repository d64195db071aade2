"""Networks and estimators of the Depth Anything family: the plain way against ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry import Equirectangular
from ..networks.lora import LoraQkv
from ..options import Precision
from ..systems import (
    DenseEstimator,
    EstimatorOptions,
    build_network,
    card,
    load_network,
    weights_path,
)
from ..systems.catalog import system_of
from ..systems.depth_anything.network import DepthAnything
from ..systems.panda.network import Panda
from .ceiling import measure_ceiling
from .hardware import bench_device, hardware, load_note, torch_threads
from .identity import bench_picture
from .measure import Contender, Difference, Measurement, check_counts, measure, memory_means
from .plain_depth import plain_estimate, plain_network, plain_values
from .report import Report, Stage

SYSTEMS = ("depth_anything", "panda")
Part = Literal["network", "estimator"]

_PLAIN = (
    "plain: adapters apart from the weights, attention written out, float32, row-major maps, "
    "OpenCV on the CPU; differences are relative to it"
)


@dataclass(frozen=True)
class DepthBenchOptions:
    """What is measured.

    Attributes:
        model: a name of the catalogue, of the Depth Anything family.
        checkpoint: its weights; None takes those that are there, or random ones.
        random_weights: take random ones in any case.
        height, width: of the network's input; None takes the default height and twice as much.
        image_height: rows of the picture that an estimator gets; twice as many columns.
        backends: of ours, one contender for each; ``openvino:bfloat16`` is one in another
            precision.
        with_plain: without it, ours alone: for sizes at which the plain way has not the memory.
        repeats, warm_up: timed runs of each way, and runs before them.
        device: cpu, cuda, ...
        precision: of our encoder; the plain way is in float32.
        threads: of torch on the CPU; None takes torch's choice.
        seed: of random weights.
    """

    model: str = "panda-tiny-metric"
    checkpoint: str | None = None
    random_weights: bool = False
    height: int | None = None
    width: int | None = None
    image_height: int = 960
    backends: tuple[str, ...] = ("torch",)
    with_plain: bool = True
    repeats: int = 5
    warm_up: int = 1
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        system = system_of(self.model)
        if system.name not in SYSTEMS:
            raise ValueError(
                f"model {self.model} is of {system.title}; there is a plain way for "
                f"{', '.join(SYSTEMS)}, and `bench ppd` for Pixel-Perfect Depth"
            )
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision must be one of {get_args(Precision)}")
        if not self.backends:
            raise ValueError("backends must name at least one")
        if self.image_height < 1:
            raise ValueError(f"image_height must be positive, got {self.image_height}")
        check_counts(self.repeats, self.warm_up)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        height = self.height or card(self.model).default_height
        return height, self.width or 2 * height


def _check_width(options: DepthBenchOptions, part: str) -> None:
    if part == "estimator" and options.width not in (None, 2 * options.size[0]):
        raise ValueError("width is for `bench network`: an estimator takes twice the height")


def bench_depth(options: DepthBenchOptions, part: Part) -> Report:
    """Run the plain way and ours by turns, and say how far their results are apart.

    Args:
        options: see there.
        part: ``network`` from normalised tensor to values, or ``estimator`` from picture to
            prediction.

    Raises:
        KeyError, ValueError: no such model, size or device.
        CheckpointError: weights that are there do not fit.
    """
    _check_width(options, part)
    device, busy = bench_device(options.device), load_note()
    with torch_threads(options.threads), torch.inference_mode():
        ceiling = measure_ceiling(device, options.precision)
        scene = Scene(options, device)
        stage = scene.network_stage() if part == "network" else scene.estimator_stage()
        return Report(
            bench=part,
            hardware=hardware(device),
            ceiling=ceiling,
            memory=memory_means(device, python_memory=part == "estimator"),
            settings={
                "model": options.model,
                "weights": scene.weights,
                "input": f"{options.size[1]}x{options.size[0]}",
                **({"picture": f"{2 * options.image_height}x{options.image_height}"}
                   if part == "estimator" else {}),
                "precision": options.precision,
                "backends": list(options.backends),
                "repeats": options.repeats,
            },
            stages=(stage,),
            notes=(*busy, *((_PLAIN,) if options.with_plain else ())),
        )  # fmt: skip


class Scene:
    """One picture, the plain network and the estimators."""

    def __init__(self, options: DepthBenchOptions, device: torch.device) -> None:
        self.options, self.device = options, device
        network, self.weights = networks(options, device)
        self.plain = plain_network(network) if options.with_plain else None
        if isinstance(network, Panda) and network.lora_rank is not None:
            network.merge_lora()
        self.estimators = {
            name: _estimator(options, copy.deepcopy(network), name, device)
            for name in options.backends
        }
        rows = options.image_height
        self.picture = bench_picture(rows, 2 * rows)
        generator = torch.Generator().manual_seed(options.seed)
        self.images = torch.randn(1, 3, *options.size, generator=generator).to(device)

    def network_stage(self) -> Stage:
        """Normalised tensor in, values out."""
        plain, images = self.plain, self.images
        ways: list[tuple[str, Callable[[], Tensor]]] = []
        if plain is not None:
            ways.append(("plain", lambda: plain_values(plain, images)))
        for name, estimator in self.estimators.items():
            ways.append((name, lambda e=estimator: e._run(images, False).float()))
        return self._stage("network", ways, is_estimator=False)

    def estimator_stage(self) -> Stage:
        """Picture in, depth of its size out."""
        plain, picture, size = self.plain, self.picture, self.options.size
        camera = Equirectangular(*picture.shape[:2])
        is_panorama = card(self.options.model).camera == "equirectangular"
        ways: list[tuple[str, Callable[[], Tensor]]] = []
        if plain is not None:
            ways.append(("plain", lambda: plain_estimate(plain, picture, size, self.device)))
        for name, estimator in self.estimators.items():
            ways.append(
                (name, lambda e=estimator: e(picture, camera if is_panorama else None).values)
            )
        return self._stage("picture to depth", ways, is_estimator=True)

    def _stage(
        self, work: str, ways: Sequence[tuple[str, Callable[[], Tensor]]], *, is_estimator: bool
    ) -> Stage:
        contenders = [Contender(name, lambda run=run: (run(),)) for name, run in ways]
        measured = measure(
            contenders,
            self.device,
            repeats=self.options.repeats,
            warm_up=self.options.warm_up,
            python_memory=is_estimator,
        )
        results = [run().float().cpu() for _, run in ways]
        apart: list[Difference] = []
        for (name, _), found in zip(ways[1:], results[1:], strict=True):
            apart += relative_differences(name, results[0], found)
        return Stage(work, _one_flop(measured), (1,) * len(ways), tuple(apart))


def relative_differences(name: str, expected: Tensor, found: Tensor) -> tuple[Difference, ...]:
    """Largest, median and 99th percentile of the relative difference of positive maps."""
    share = ((found - expected).abs() / expected.abs().clamp_min(1e-6)).flatten().numpy()
    figures = {
        "max": share.max(), "median": np.median(share), "p99": np.quantile(share, 0.99),
    }  # fmt: skip
    return tuple(Difference(f"{name} {what}", float(value), 1.0) for what, value in figures.items())


def networks(options: DepthBenchOptions, device: torch.device) -> tuple[DepthAnything, str]:
    """The network with adapters apart, if it has any, and whence its weights are."""
    path = options.checkpoint or weights_path(options.model)
    if not options.random_weights and (options.checkpoint or weights_path(options.model).is_file()):
        network = load_network(options.model, path, device=device, merge_lora=False)
        return network.requires_grad_(False), options.checkpoint or "fetched"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = build_network(options.model)
        for module in network.modules():
            if isinstance(module, LoraQkv):  # new adapters add nothing
                nn.init.normal_(module.linear_b_q.weight, std=0.02)
                nn.init.normal_(module.linear_b_v.weight, std=0.02)
        _wake(network)
    return network.to(device).eval().requires_grad_(False), "random"


@torch.no_grad()
def _wake(network: DepthAnything) -> None:
    """A new head gives nearly the same value everywhere: let its logits vary by about 1."""
    patch = network.encoder.patch_size
    spread = network.eval().logits(torch.randn(1, 3, 4 * patch, 8 * patch)).std()
    network.head.out[2].weight.div_(spread)


def _estimator(
    options: DepthBenchOptions, network: DepthAnything, backend: str, device: torch.device
) -> DenseEstimator:
    runtime, _, precision = backend.partition(":")
    built = EstimatorOptions(
        height=options.size[0],
        precision=precision or options.precision,  # type: ignore[arg-type]
        backend=runtime,  # type: ignore[arg-type]
    )
    return DenseEstimator(card(options.model), network, device=device, options=built)


def _one_flop(measured: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Other runtimes hide their operations: where none are seen, those of our torch way count."""
    seen = min((m.flop for m in measured if m.flop), default=0)
    return tuple(
        m if m.flop else Measurement(m.name, m.seconds, m.peak_bytes, seen, m.cpu_seconds)
        for m in measured
    )

"""Networks and estimators of the Depth Anything family: the published program against ours."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry import Equirectangular
from ..layers.lora import LoraQkv
from ..systems import (
    DenseEstimator,
    EstimatorOptions,
    build_network,
    card,
    load_network,
    weights_path,
)
from ..systems.depth_anything.network import DepthAnything
from ..systems.panda.network import Panda
from .comparison import Comparison, comparison
from .identity import bench_image
from .measure import Variant
from .options import Network
from .plain_depth import plain_estimate, plain_network, plain_values
from .result import Difference, Result

_PLAIN = (
    "plain: adapters apart from the weights, attention written out, float32, row-major maps, "
    "OpenCV on the CPU; differences are relative to it"
)


def bench_network(options: Network) -> Result:
    """Compare networks, normalised tensor to values.

    Raises:
        KeyError, ValueError: no such model, size or device.
        CheckpointError: weights that are there do not fit.
    """
    with comparison(options) as bench:
        scene = Scene(options, bench.device)
        return _result("network", bench, scene, "network", scene.networks())


def bench_estimator(options: Network) -> Result:
    """Compare estimators, image to prediction; raises as :func:`bench_network`."""
    with comparison(options, python_memory=True) as bench:
        scene = Scene(options, bench.device)
        return _result("estimator", bench, scene, "image to depth", scene.from_image())


def _result(
    name: str, bench: Comparison, scene: Scene, work: str, runs: dict[str, Callable[[], Tensor]]
) -> Result:
    options = scene.options

    def apart() -> list[Difference]:
        (_, expected), *others = ((key, run().float().cpu()) for key, run in runs.items())
        return [d for key, found in others for d in relative_differences(key, expected, found)]

    variants = [Variant(key, lambda run=run: (run(),), 1) for key, run in runs.items()]
    stage = bench.stage(work, variants, apart)
    # Other runtimes hide their operations: where none are seen, those of torch count.
    seen = min((m.flop for m in stage.measurements if m.flop), default=0)
    filled = tuple(m if m.flop else replace(m, flop=seen) for m in stage.measurements)
    stage = replace(stage, measurements=filled)
    settings = scene.settings() | {"backends": list(options.backends), "repeats": options.repeats}
    if name == "network":
        del settings["image"]
    return bench.result(name, [stage], settings, *([_PLAIN] if options.with_plain else []))


class Scene:
    """One image, the plain network and the estimators."""

    def __init__(self, options: Network, device: torch.device) -> None:
        self.options, self.device = options, device
        network, self.weights = networks(options, device)
        self.plain = plain_network(network) if options.with_plain else None
        if isinstance(network, Panda) and network.lora_rank is not None:
            network.merge_lora()
        self.estimators = {}
        for name in options.backends:
            backend, _, precision = name.partition(":")
            built = EstimatorOptions(
                height=options.size[0],
                precision=precision or options.precision,  # type: ignore[arg-type]
                backend=backend,
                seam="off",  # as the plain way has it
            )
            given = (card(options.model), copy.deepcopy(network))
            self.estimators[name] = DenseEstimator(*given, device=device, options=built)
        self.image = bench_image(options.image_height, 2 * options.image_height)
        generator = torch.Generator().manual_seed(options.seed)
        self.inputs = torch.randn(1, 3, *options.size, generator=generator).to(device)

    def settings(self) -> dict[str, object]:
        """What is measured, as it is shown."""
        options = self.options
        return {
            "model": options.model,
            "weights": self.weights,
            "input": f"{options.size[1]}x{options.size[0]}",
            "image": f"{2 * options.image_height}x{options.image_height}",
            "precision": options.precision,
        }

    def networks(self) -> dict[str, Callable[[], Tensor]]:
        """Normalised tensor in, values out, by variant."""
        plain, runs = self.plain, {}
        if plain is not None:
            runs["plain"] = lambda: plain_values(plain, self.inputs)
        for name, estimator in self.estimators.items():
            runs[name] = lambda e=estimator: e._run(self.inputs, False).float()
        return runs

    def from_image(self) -> dict[str, Callable[[], Tensor]]:
        """Image in, depth of its size out, by variant."""
        plain, runs, size = self.plain, {}, self.options.size
        is_panorama = card(self.options.model).camera == "equirectangular"
        camera = Equirectangular(*self.image.shape[:2]) if is_panorama else None
        if plain is not None:
            runs["plain"] = lambda: plain_estimate(plain, self.image, size, self.device)
        for name, estimator in self.estimators.items():
            runs[name] = lambda e=estimator: e(self.image, camera).values
        return runs


def relative_differences(name: str, expected: Tensor, found: Tensor) -> tuple[Difference, ...]:
    """Largest, median and 99th percentile of the relative difference of positive maps."""
    share = ((found - expected).abs() / expected.abs().clamp_min(1e-6)).flatten().numpy()
    figures = {
        "max": share.max(), "median": np.median(share), "p99": np.quantile(share, 0.99),
    }  # fmt: skip
    return tuple(Difference(f"{name} {what}", float(value), 1.0) for what, value in figures.items())


def networks(options: Network, device: torch.device) -> tuple[DepthAnything, str]:
    """The network with adapters apart, if it has any, and where its weights are from."""
    path = options.checkpoint or weights_path(options.model)
    if not options.random_weights and (options.checkpoint or weights_path(options.model).is_file()):
        network = load_network(options.model, path, device=device, merge_lora=False)
        return network.requires_grad_(False), options.checkpoint or "fetched"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        network = build_network(options.model)
        for module in network.modules():
            if isinstance(module, LoraQkv):  # new adapters add nothing
                nn.init.normal_(module.linear_b_q.weight, std=0.02)
                nn.init.normal_(module.linear_b_v.weight, std=0.02)
        # A new head gives nearly the same value everywhere: let its logits vary by about 1.
        patch = network.encoder.patch_size
        spread = network.eval().logits(torch.randn(1, 3, 4 * patch, 8 * patch)).std()
        network.head.out[2].weight.div_(spread)
    return network.to(device).eval().requires_grad_(False), "random"

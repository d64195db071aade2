"""Networks and estimators of the catalogue: the straightforward way against ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geometry import Equirectangular
from ..prediction import Prediction
from ..systems import DenseEstimator, Estimator, card, estimator_class, options_of, system_of
from ..systems.estimator import assumed_pinhole
from .comparison import Comparison, comparison
from .identity import bench_image
from .measure import Variant
from .options import Network
from .plain_depth import PlainForward, plain_estimate, plain_network, plain_values
from .plain_eomt import plain_segments
from .random_weights import bench_input, bench_networks, small_call
from .result import Difference, Result

Outputs = Mapping[str, Tensor]
"""Results of a run by name; that of a network with one map has an empty name."""

_BY_OPENCV = ("depth_anything", "panda")  # systems whose images the plain way prepares by OpenCV
_PLAIN = (
    "plain: adapters apart from the weights, attention written out, float32, row-major maps, "
    "{images}; differences are relative to it"
)
_IMAGES = {
    "by OpenCV": "OpenCV on the CPU",
    "eomt": "all masks at the size of the image, one query after the other on the CPU",
    "": "before and after the network the steps of ours",
}


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
        work = "image to depth" if card(options.model).has_depth else "image to segments"
        return _result("estimator", bench, scene, work, scene.from_image())


def _result(
    name: str, bench: Comparison, scene: Scene, work: str, runs: dict[str, Callable[[], Outputs]]
) -> Result:
    options, last = scene.options, {}

    def kept(key: str) -> tuple[Tensor, ...]:
        last[key] = runs[key]()
        return tuple(last[key].values())

    def apart() -> list[Difference]:
        (_, expected), *others = (
            (key, {what: tensor.cpu() for what, tensor in last[key].items()}) for key in runs
        )
        return [d for key, found in others for d in output_differences(key, expected, found)]

    warm_ups = scene.warm_ups() if options.once else {}
    variants = [Variant(key, lambda k=key: kept(k), 1, warm_ups.get(key)) for key in runs]
    stage = bench.stage(work, variants, apart, once=options.once)
    # Other runtimes hide their operations: where none are seen, those of torch count.
    seen = min((m.flop for m in stage.measurements if m.flop), default=0)
    filled = tuple(m if m.flop else replace(m, flop=seen) for m in stage.measurements)
    stage = replace(stage, measurements=filled)
    repeats = "once" if options.once else options.repeats
    settings = scene.settings() | {"backends": list(options.backends), "repeats": repeats}
    if name == "network":
        del settings["image"]
    return bench.result(name, [stage], settings, *scene.notes(name == "estimator"))


class Scene:
    """One image, the plain network and the estimators.

    Attributes:
        size: rows and columns of the network's input.
    """

    def __init__(self, options: Network, device: torch.device) -> None:
        self.options, self.device = options, device
        self.card, self.system = card(options.model), system_of(options.model).name
        network, self.weights = bench_networks(options, device)
        self.plain = plain_network(network) if options.with_plain else None
        if getattr(network, "lora_rank", None) is not None:
            network.merge_lora()
        self.estimators: dict[str, Estimator] = {}
        for name in options.backends:
            backend, _, precision = name.partition(":")
            mine = copy.deepcopy(network) if len(options.backends) > 1 else network
            self.estimators[name] = self._estimator(
                mine, precision=precision or options.precision, backend=backend
            )
        rows, is_panorama = options.image_height, self.card.camera == "equirectangular"
        self.image = bench_image(rows, 2 * rows if is_panorama else rows * 4 // 3)
        camera = (Equirectangular if is_panorama else assumed_pinhole)(*self.image.shape[:2])
        self.camera = camera if is_panorama else None
        height, width = next(iter(self.estimators.values())).input_size(camera)
        if options.width is not None:
            height = options.height or height
        self.size = (height, options.width or width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.inputs = bench_input(network, self.size).to(device)
            images, self._small_arguments = small_call(options.model, network)
            self._small = images.to(device)

    def settings(self) -> dict[str, object]:
        """What is measured, as it is shown."""
        options = self.options
        return {
            "model": options.model,
            "weights": self.weights,
            "input": f"{self.size[1]}x{self.size[0]}",
            "image": f"{self.image.shape[1]}x{self.image.shape[0]}",
            "precision": options.precision,
        }

    def notes(self, with_images: bool) -> list[str]:
        """What the plain way is."""
        if self.plain is None:
            return []
        images = "whole maps"
        if with_images:
            images = _IMAGES["by OpenCV" if self.system in _BY_OPENCV else
                             self.system if self.system in _IMAGES else ""]  # fmt: skip
        return [_PLAIN.format(images=images)]

    def networks(self) -> dict[str, Callable[[], Outputs]]:
        """Input of the network to its output, by variant."""
        plain, runs = self.plain, {}
        if plain is not None:
            made = self._plain_estimator(plain)
            runs["plain"] = lambda: _output(made, self.inputs)
        for name, estimator in self.estimators.items():
            runs[name] = lambda e=estimator: _output(e, self.inputs)
        return runs

    def from_image(self) -> dict[str, Callable[[], Outputs]]:
        """Image in, prediction of its size out, by variant."""
        plain, runs = self.plain, {}
        if plain is not None:
            runs["plain"] = self._plain_way(plain)
        for name, estimator in self.estimators.items():
            runs[name] = lambda e=estimator: _parts(e(self.image, self.camera))
        return runs

    def warm_ups(self) -> dict[str, Callable[[], object]]:
        """By variant, a run of its network on a small input; other backends than torch have none,
        as they would make another graph."""
        plain, runs = self.plain, {}
        if plain is not None:
            runs["plain"] = lambda: plain_values(plain, self._small, **self._small_arguments)
        for name, estimator in self.estimators.items():
            if estimator.options.backend == "torch":
                runs[name] = lambda e=estimator: e._forward(self._small, **self._small_arguments)
        return runs

    def _plain_way(self, plain: torch.nn.Module) -> Callable[[], Outputs]:
        if self.system in _BY_OPENCV:
            return lambda: {"": plain_estimate(plain, self.image, self.size, self.device)}
        estimator, image = self._plain_estimator(plain), torch.from_numpy(self.image)
        if self.system == "eomt":
            forward, config = estimator._forward, plain.config
            return lambda: {"segments": plain_segments(forward, image.to(self.device), config)}
        return lambda: _parts(estimator(image, self.camera).to("cpu"))

    def _plain_estimator(self, plain: torch.nn.Module) -> Estimator:
        """The estimator of the model, with a plain network."""
        estimator = self._estimator(plain, precision="float32", backend="torch")
        estimator._forward = PlainForward(plain)
        return estimator

    def _estimator(self, network: torch.nn.Module, **given: Any) -> Estimator:
        kind, height = options_of(self.options.model), self.options.height
        if height is not None:
            name = "process_res" if kind.lacks.get("height") == "process_res" else "height"
            given[name] = height
        # as the plain way has it
        built = kind(seam="off", output_size="input", **given)
        made = estimator_class(self.options.model)
        return made(self.card, network, device=self.device, options=built)


def _output(estimator: Estimator, images: Tensor) -> Outputs:
    """The output of the network of an estimator, in float32."""
    if isinstance(estimator, DenseEstimator):
        return {"": estimator._run(images, False).float()}
    found = estimator._forward(images)
    named = zip(type(found)._fields, found, strict=True)
    return {name: value.float() for name, value in named if value is not None}


def _parts(found: Prediction) -> Outputs:
    """The maps of a prediction: values, where they are valid, segments."""
    if found.segments is not None and not found.valid.any():
        return {"segments": found.segments}
    parts = {"": found.values, "valid": found.valid}
    return parts if found.segments is None else {**parts, "segments": found.segments}


def output_differences(name: str, expected: Outputs, found: Outputs) -> list[Difference]:
    """Differences of a variant called ``name``, output by output.

    Of masks and segments the number of differing pixels, unless all are equal masks; of values
    see :func:`relative_differences`, where both are valid.
    """
    seen = expected.get("valid"), found.get("valid")
    differences: list[Difference] = []
    for what, one in expected.items():
        other, title = found[what], f"{name} {what}".strip()
        if one.dtype.is_floating_point:
            if None not in seen and what == "":
                both = seen[0] & seen[1]
                one, other = one[both], other[both]
            if one.numel():
                differences += relative_differences(title, one.float(), other.float())
        elif what != "valid" or not torch.equal(one, other) or not one.all():
            count = float((one != other).sum())
            differences.append(Difference(f"{title} differing pixels", count, float(one.numel())))
    return differences


def relative_differences(name: str, expected: Tensor, found: Tensor) -> tuple[Difference, ...]:
    """Largest, median and 99th percentile of the relative difference of two maps.

    In maps with both signs, values below the mean magnitude count as that.
    """
    floor = float(expected.abs().mean()) if bool((expected < 0).any()) else 1e-6
    share = ((found - expected).abs() / expected.abs().clamp_min(floor)).flatten().numpy()
    figures = {
        "max": share.max(), "median": np.median(share), "p99": np.quantile(share, 0.99),
    }  # fmt: skip
    return tuple(Difference(f"{name} {what}", float(value), 1.0) for what, value in figures.items())

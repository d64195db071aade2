"""Pixel-Perfect Depth: the plain way of the published programs against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..networks.cpu_products import products_for
from ..options import Precision
from ..systems import build_network, load_network, weights_path
from ..systems.catalog import model
from ..systems.moge.network import Moge
from ..systems.ppd.flow import noise_field, sampling_times
from ..systems.ppd.network import PixelPerfectDepth
from ..systems.ppd.semantics import semantics_of
from ..systems.ppd.transformer import STRIDE, SpDit
from .ceiling import measure_ceiling
from .hardware import bench_device, hardware, load_note, torch_threads
from .measure import Contender, check_counts, differences, measure, memory_means, seconds_of
from .plain_ppd import plain_sample, plain_times, plain_velocity
from .report import Report, Stage

Results = tuple[Tensor, ...]
Ways = tuple[Callable[[tuple[int, ...]], Results], Callable[[], Results]]
"""The plain way, which takes its time-steps, and ours."""

Model = Literal["ppd-tiny", "ppd-large", "ppd-large-moge"]

_PLAIN, _OURS = "plain", "ours"
_WHAT_PLAIN_IS = (
    "plain: as published, adaLN vectors, rotations, image and semantic parts made anew in every "
    "evaluation; attention is torch's fused one on both sides"
)


@dataclass(frozen=True)
class PpdBenchOptions:
    """What is measured.

    Attributes:
        model: a name of the catalogue.
        random_weights: do not look for weights; without them it is so anyway.
        height, width: of the network's input, multiples of 16.
        steps: evaluations of the transformer per image.
        repeats, warm_up: timed runs of each way, and runs before them.
        device: cpu, cuda, ...
        precision: of the matrix products.
        threads: of torch on the CPU; None takes torch's choice.
        seed: of picture, noise and random weights.
    """

    model: Model = "ppd-tiny"
    random_weights: bool = False
    height: int = 192
    width: int = 256
    steps: int = 4
    repeats: int = 5
    warm_up: int = 1
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("model", Model), ("precision", Precision)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got "
                    f"{getattr(self, name)!r}"
                )
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < STRIDE or side % STRIDE:
                raise ValueError(f"{name} must be a positive multiple of {STRIDE}, got {side}")
        check_counts(self.repeats, self.warm_up)
        sampling_times(self.steps)  # says what is wrong with the number of steps


def bench_ppd(options: PpdBenchOptions) -> Report:
    """Run the plain way and ours by turns, and say how far their results are apart.

    Raises:
        ValueError: the device or a number is wrong.
        CheckpointError: weights that are there do not fit.
    """
    device, busy = bench_device(options.device), load_note()
    with torch_threads(options.threads), torch.inference_mode():
        ceiling = measure_ceiling(device, options.precision)
        network, moge, weights = _networks(options, device)
        scene = _Scene(options, network, moge, device)
        stages = [
            scene.stage("one evaluation", (1, 1), ("velocity",), *scene.evaluation()),
            scene.stage("sampler", scene.counts, ("depth",), *scene.sampler()),
            scene.stage("picture to depth", scene.counts, ("depth",), *scene.whole()),
        ]
        if moge is not None:
            names = ("depth", "MoGe-2 z")
            stages.append(
                scene.stage("picture to depth + MoGe-2", scene.counts, names, *scene.with_moge())
            )
        return Report(
            bench="ppd",
            hardware=hardware(device),
            ceiling=ceiling,
            memory=memory_means(device),
            settings={
                "model": options.model,
                "weights": weights,
                "input": f"{options.width}x{options.height}",
                "steps": options.steps,
                "precision": options.precision,
                "repeats": options.repeats,
            },
            stages=tuple(stages),
            notes=(*busy, *scene.notes()),
        )


class _Scene:
    """One picture, one noise field, and the ways to get its depth."""

    def __init__(
        self,
        options: PpdBenchOptions,
        network: PixelPerfectDepth,
        moge: Moge | None,
        device: torch.device,
    ) -> None:
        self.options, self.network, self.moge, self.device = options, network, moge, device
        self.precision = getattr(torch, options.precision)
        generator = torch.Generator().manual_seed(options.seed)
        size = (options.height, options.width)
        self.images = torch.rand(1, 3, *size, generator=generator).to(device)
        self.noise = noise_field(*size, options.seed).to(device)
        self.published = plain_times(options.steps)
        self.counts = (len(self.published), options.steps)
        self.semantics = network.semantics(self.images)

    def stage(
        self,
        work: str,
        evaluations: tuple[int, int],
        names: tuple[str, ...],
        plain: Callable[[tuple[int, ...]], Results],
        ours: Callable[[], Results],
    ) -> Stage:
        """Measure both; results are compared on a schedule of equal length."""

        def as_estimators_do() -> Results:
            with products_for(self.network):
                return ours()

        contenders = (
            Contender(_PLAIN, self._in_precision(lambda: plain(self.published))),
            Contender(_OURS, self._in_precision(as_estimators_do)),
        )
        measured = measure(
            contenders,
            self.device,
            repeats=self.options.repeats,
            warm_up=self.options.warm_up,
        )
        equal_times = self.published[: self.options.steps]
        expected = self._in_precision(lambda: plain(equal_times))()
        apart = differences(names, expected, contenders[1].run())
        return Stage(work, measured, evaluations, apart)

    def evaluation(self) -> Ways:
        """One velocity of the transformer."""
        dit, now = self.network.dit, torch.tensor([self.published[0]], device=self.device)
        scene = dit.scene(self.images - 0.5, self.semantics)
        plan = self.network.schedule(sampling_times(self.options.steps), self.precision)[0]
        x = torch.cat((self.noise, self.images - 0.5), 1)
        return (
            lambda _times: (plain_velocity(dit, x, self.semantics, now).float(),),
            lambda: (dit.velocity(self.noise, scene, plan).float(),),
        )

    def sampler(self) -> Ways:
        """All evaluations of a picture whose semantic tokens are there."""
        return (
            lambda times: (self._plain_depth(self.semantics, times),),
            lambda: (self._our_depth(self.semantics),),
        )

    def whole(self) -> Ways:
        """Semantic tokens and all evaluations."""
        return (
            lambda times: (self._plain_depth(self.network.semantics(self.images), times),),
            lambda: (self._our_depth(None),),
        )

    def with_moge(self) -> Ways:
        """The same and the maps of MoGe-2, whose encoder also gives the semantic tokens."""
        moge, images = self.moge, self.images
        grid = (self.options.height // STRIDE, self.options.width // STRIDE)

        def plain(times: tuple[int, ...]) -> Results:
            depth = self._plain_depth(self.network.semantics(images), times)
            return depth, moge(images, grid[0] * grid[1]).points[..., 2]

        def ours() -> Results:
            features, class_token = moge.encoder(images, grid)
            depth = self._our_depth(features.flatten(2).mT.float())
            return depth, moge.decode(features, class_token, images.shape[-2:]).points[..., 2]

        return plain, ours

    def notes(self) -> tuple[str, ...]:
        """What the numbers leave open."""
        dit, options = self.network.dit, self.options
        times = torch.tensor(sampling_times(options.steps), device=self.device)
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            once = seconds_of(lambda: dit.modulations(times), self.device)
            scene = dit.scene(self.images - 0.5, self.semantics)
            plans = self.network.schedule(sampling_times(options.steps), self.precision)
        kept = [*scene.coarse, *scene.fine, *(part for plan in plans for part in plan)]
        notes = [
            _WHAT_PLAIN_IS,
            f"ours makes the adaLN vectors of {options.steps} steps once for all pictures, in "
            f"{1e3 * once:.1f} ms; they and the rotations, {_mib(kept):.1f} MiB, stay; neither is "
            "in its numbers",
        ]
        if self.counts[0] != self.counts[1]:
            notes.append(
                f"plain makes {self.counts[0]} evaluations for {self.counts[1]} steps, as "
                "published; results are compared without the surplus one"
            )
        held = list(self.network.parameters())
        if self.moge is not None:
            held = list({id(p): p for p in (*held, *self.moge.parameters())}.values())
            notes.append(
                "with MoGe-2, plain runs its encoder twice and would hold its weights twice "
                f"({_mib(self.moge.parameters()):.0f} MiB more); both run it on the grid of the "
                "semantic tokens"
            )
        notes.append(f"weights take {_mib(held):.0f} MiB besides the working memory")
        return tuple(notes)

    def _plain_depth(self, semantics: Tensor, times: tuple[int, ...]) -> Tensor:
        return plain_sample(self.network.dit, self.images, semantics, self.noise, times)

    def _our_depth(self, semantics: Tensor | None) -> Tensor:
        return self.network(
            self.images,
            self.noise,
            self.options.steps,
            semantics=semantics,
            precision=self.precision,
        )

    def _in_precision(self, run: Callable[[], Results]) -> Callable[[], Results]:
        def within() -> Results:
            with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
                return run()

        return within


def _networks(
    options: PpdBenchOptions, device: torch.device
) -> tuple[PixelPerfectDepth, Moge | None, str]:
    source = model(options.model).arguments["semantics"]
    present = all(weights_path(name).is_file() for name in (options.model, source))
    if present and not options.random_weights:
        dit, prompting = (load_network(name, device=device) for name in (options.model, source))
        weights = "fetched"
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            dit, prompting = (build_network(name) for name in (options.model, source))
            _wake(dit)
        weights = "random"
    moge, semantics = prompting if isinstance(prompting, Moge) else None, semantics_of(prompting)
    if moge is not None:
        moge.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    network = PixelPerfectDepth(dit, semantics)
    network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    semantics.backbone.to(getattr(torch, options.precision))
    return network, moge, weights


def _wake(dit: SpDit) -> None:
    """A new network says nothing whatever it sees; give its silent layers random weights."""
    silent = [block.adaLN_modulation[1] for block in dit.blocks]
    silent += [dit.final_layer.adaLN_modulation[1], dit.final_layer.linear]
    for layer in silent:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)


def _mib(tensors: Iterable[Tensor]) -> float:
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20

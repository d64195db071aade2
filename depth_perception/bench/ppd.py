"""Pixel-Perfect Depth: the plain way of the published programs against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ..networks.cpu_products import products_for
from ..systems import build_network, load_network, weights_path
from ..systems.catalog import model
from ..systems.moge.network import Moge
from ..systems.ppd.flow import noise_field, sampling_times
from ..systems.ppd.network import PixelPerfectDepth
from ..systems.ppd.semantics import semantics_of
from ..systems.ppd.transformer import STRIDE, SpDit
from .comparison import Comparison, comparison
from .measure import Variant, differences, elapsed
from .options import Ppd
from .plain_ppd import plain_sample, plain_times, plain_velocity
from .result import Difference, Result, Stage

Results = tuple[Tensor, ...]
Variants = tuple[Callable[[tuple[int, ...]], Results], Callable[[], Results]]
"""The plain way, which takes its time-steps, and ours."""

_WHAT_PLAIN_IS = (
    "plain: as published, adaLN vectors, rotations, image and semantic parts made again in every "
    "evaluation; attention is torch's fused one on both sides"
)


def bench_ppd(options: Ppd) -> Result:
    """Compare the plain way and ours.

    Raises:
        ValueError: the device or a number is wrong.
        CheckpointError: weights that are there do not fit.
    """
    with comparison(options) as bench:
        network, moge, weights = _networks(options, bench.device)
        scene = _Scene(bench, options, network, moge)
        stages = [
            scene.stage("one evaluation", (1, 1), ("velocity",), *scene.evaluation()),
            scene.stage("sampler", scene.counts, ("depth",), *scene.sampler()),
            scene.stage("image to depth", scene.counts, ("depth",), *scene.whole()),
        ]
        if moge is not None:
            names = ("depth", "MoGe-2 z")
            stages.append(
                scene.stage("image to depth + MoGe-2", scene.counts, names, *scene.with_moge())
            )
        settings = {
            "model": options.model,
            "weights": weights,
            "input": f"{options.width}x{options.height}",
            "steps": options.steps,
            "precision": options.precision,
            "repeats": options.repeats,
        }
        return bench.result("ppd", stages, settings, *scene.notes())


class _Scene:
    """One image, one noise field, and the ways to get its depth."""

    def __init__(
        self, bench: Comparison, options: Ppd, network: PixelPerfectDepth, moge: Moge | None
    ) -> None:
        self.bench, self.options, self.network, self.moge = bench, options, network, moge
        self.device, self.precision = bench.device, bench.dtype
        generator = torch.Generator().manual_seed(options.seed)
        size = (options.height, options.width)
        self.images = torch.rand(1, 3, *size, generator=generator).to(self.device)
        self.noise = noise_field(*size, options.seed).to(self.device)
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

        variants = (
            Variant("plain", self._in_precision(lambda: plain(self.published)), evaluations[0]),
            Variant("ours", self._in_precision(as_estimators_do), evaluations[1]),
        )
        equal_times = self.published[: self.options.steps]

        def apart() -> tuple[Difference, ...]:
            expected = self._in_precision(lambda: plain(equal_times))()
            return differences(names, expected, variants[1].run())

        return self.bench.stage(work, variants, apart)

    def evaluation(self) -> Variants:
        """One velocity of the transformer."""
        dit, now = self.network.dit, torch.tensor([self.published[0]], device=self.device)
        scene = dit.scene(self.images - 0.5, self.semantics)
        plan = self.network.schedule(sampling_times(self.options.steps), self.precision)[0]
        x = torch.cat((self.noise, self.images - 0.5), 1)
        return (
            lambda _times: (plain_velocity(dit, x, self.semantics, now).float(),),
            lambda: (dit.velocity(self.noise, scene, plan).float(),),
        )

    def sampler(self) -> Variants:
        """All evaluations of an image whose semantic tokens are there."""
        return (
            lambda times: (self._plain_depth(self.semantics, times),),
            lambda: (self._our_depth(self.semantics),),
        )

    def whole(self) -> Variants:
        """Semantic tokens and all evaluations."""
        return (
            lambda times: (self._plain_depth(self.network.semantics(self.images), times),),
            lambda: (self._our_depth(None),),
        )

    def with_moge(self) -> Variants:
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
            once, _ = elapsed(lambda: dit.modulations(times), self.device)
            scene = dit.scene(self.images - 0.5, self.semantics)
            plans = self.network.schedule(sampling_times(options.steps), self.precision)
        kept = [*scene.coarse, *scene.fine, *(part for plan in plans for part in plan)]
        notes = [
            _WHAT_PLAIN_IS,
            f"ours makes the adaLN vectors of {options.steps} steps once for all images, in "
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


def _networks(options: Ppd, device: torch.device) -> tuple[PixelPerfectDepth, Moge | None, str]:
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
    """Give random weights to the layers that start at zero, whose output is constant."""
    silent = [block.adaLN_modulation[1] for block in dit.blocks]
    silent += [dit.final_layer.adaLN_modulation[1], dit.final_layer.linear]
    for layer in silent:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)


def _mib(tensors: Iterable[Tensor]) -> float:
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20

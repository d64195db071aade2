"""What a training run is: every number of it, from a YAML file and ``key=value`` overrides."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from .strict_mapping import RecipeError, from_mapping


@dataclass(frozen=True)
class ModelRecipe:
    """Which network is trained, from what, and which of its parameters move.

    Attributes:
        name: name of the catalogue.
        train: ``full`` moves every parameter; ``lora`` freezes the encoder except its LoRA
            branches and moves the head.
        checkpoint: file to start from, or None for random parameters.
        start: model of the catalogue whose file that is, where it is another one than ``name``:
            PanDA starts from the metric indoor weights of Depth Anything V2.
    """

    name: str
    train: Literal["full", "lora"] = "full"
    checkpoint: str | None = None
    start: str | None = None


@dataclass(frozen=True)
class SizePhase:
    """From ``start`` (fraction of all steps) on, train at ``height`` (width is twice that)."""

    start: float
    height: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ValueError(f"start must lie in [0, 1), got {self.start}")
        if self.height < 14 or self.height % 14:
            raise ValueError(f"height must be a multiple of 14, got {self.height}")


@dataclass(frozen=True)
class DataRecipe:
    """Frames and what the network shall say about them.

    Attributes:
        kind: reader of the folder.
        root, val_root: training and validation folder.
        sizes: resolution over the run, coarse to fine.
        max_depth_m: farther truth is clipped to this range, in metres.
        sky: ``far`` gives pixels without a surface the range ``max_depth_m``; ``ignore`` leaves
            them out of the losses.
        target: ``metric`` (metres) or ``quantiles`` (2 % to 98 % of each frame to [0.01, 1], the
            affine-invariant target of PanDA's teacher).
        limit: use only the first so many training frames.
    """

    root: str
    val_root: str | None = None
    kind: Literal["worlds"] = "worlds"
    sizes: tuple[SizePhase, ...] = (SizePhase(0.0, 504),)
    max_depth_m: float = 20.0
    sky: Literal["far", "ignore"] = "ignore"
    target: Literal["metric", "quantiles"] = "metric"
    limit: int | None = None

    def __post_init__(self) -> None:
        starts = [phase.start for phase in self.sizes]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"sizes must start at 0 and then rise, got starts {starts}")
        if self.max_depth_m <= 0:
            raise ValueError(f"max_depth_m must be positive, got {self.max_depth_m}")


@dataclass(frozen=True)
class AugmentRecipe:
    """Random changes of a training frame.

    Attributes:
        yaw: roll each frame by a random number of columns.
        flip: probability of a mirror image.
        jitter: probability of a colour change.
        brightness, contrast, saturation: factors are drawn from 1 +- this.
        hue: turns of the colour circle are drawn from +- this.
        gamma: exponents are drawn log-uniformly from 1 / (1 + gamma) to 1 + gamma.
        noise: standard deviations of pixel noise are drawn from 0 to this, in [0, 1] units.
    """

    yaw: bool = True
    flip: float = 0.5
    jitter: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.1
    gamma: float = 0.0
    noise: float = 0.0


_LOSS_OPTIONS = {
    "silog": ("variance_focus",),
    "dav2_silog": ("variance_focus",),
    "gradient": ("scales", "both_axes"),
}


@dataclass(frozen=True)
class LossRecipe:
    """One term of the loss; which of the last three are used depends on ``kind``."""

    kind: Literal[
        "l1", "l2", "berhu", "silog", "dav2_silog", "rmselog", "log_l1", "relative_l1",
        "scale_invariant", "gradient", "l1norm", "epnl",
    ]  # fmt: skip
    weight: float = 1.0
    variance_focus: float | None = None
    scales: int | None = None
    both_axes: bool | None = None

    def __post_init__(self) -> None:
        unused = set(self.options()) - set(_LOSS_OPTIONS.get(self.kind, ()))
        if unused:
            raise ValueError(f"the loss {self.kind} has no {', '.join(sorted(unused))}")

    def options(self) -> dict[str, Any]:
        """The options that the recipe gives, for the loss function."""
        names = ("variance_focus", "scales", "both_axes")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


@dataclass(frozen=True)
class OptimRecipe:
    """Optimiser, schedule and weight average.

    Attributes:
        schedule: ``constant``, or ``cosine`` to ``final`` times the learning rate. Both begin
            with ``warmup`` steps of linear rise.
        clip: largest gradient norm, or None.
        ema: decay of the exponential moving average of the weights that is validated and
            exported, or None. It is shorter in the first steps: (1 + n) / (10 + n).
    """

    kind: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    final: float = 0.01
    clip: float | None = None
    ema: float | None = None


@dataclass(frozen=True)
class RunRecipe:
    """Length and bookkeeping of a run.

    Attributes:
        steps: optimiser steps; the schedule ends with them.
        max_minutes: stop earlier, cleanly, after so much time.
        batch: frames in a step. seed: of weights, order and augmentation.
        workers: threads that each take a share of a batch. On a CPU whose cores others use too this
            is much faster than threads within each operation (``OMP_NUM_THREADS=1``).
        val_every: steps between validations. val_frames: how many of the frames they use.
        save_every: steps between saves of the last state.
        metric: validation number that chooses the best weights.
    """

    steps: int
    batch: int = 4
    workers: int = 1
    seed: int = 0
    max_minutes: float | None = None
    val_every: int = 500
    val_frames: int = 64
    save_every: int = 500
    log_every: int = 20
    metric: Literal["abs_rel", "rms"] = "abs_rel"
    align: bool = False
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch",
            "workers",
            "val_every",
            "val_frames",
            "save_every",
            "log_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    model: ModelRecipe
    data: DataRecipe
    losses: tuple[LossRecipe, ...]
    run: RunRecipe
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    optim: OptimRecipe = field(default_factory=OptimRecipe)

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("losses must name at least one loss")


def packaged_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    folder = files(__package__) / "recipes"
    return tuple(
        sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))
    )


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name: path of a YAML file or one of :func:`packaged_recipes`.
        overrides: ``dotted.key=value``, the value in YAML.

    Raises:
        RecipeError: no such recipe, not YAML, or a bad key or value.
    """
    if name in packaged_recipes():
        content = (files(__package__) / "recipes" / f"{name}.yaml").read_bytes()
    elif Path(name).is_file():
        content = Path(name).read_bytes()
    else:
        raise RecipeError(
            f"no recipe {name!r}: give a YAML file or one of {', '.join(packaged_recipes())}"
        )
    try:
        mapping = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{name} is not YAML: {error}") from error
    return from_mapping(Recipe, _overridden(mapping, overrides))


def _overridden(mapping: Any, overrides: Sequence[str]) -> Any:
    if overrides and not isinstance(mapping, dict):
        raise RecipeError(f"a recipe is a mapping, got {mapping!r}")
    mapping = copy.deepcopy(mapping)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise RecipeError(f"override {item!r} is not of the form key=value")
        *parents, last = key.split(".")
        node = mapping
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise RecipeError(f"{key}: {parent!r} is not a mapping that can be overridden")
        try:
            node[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"override {item!r} has no YAML value: {error}") from error
    return mapping

"""What estimators of panoptic models share: classes, instances, depth by another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..geometry import Camera
from ..geometry.segment_boxes import segment_boxes
from ..prediction import Instance, Prediction
from ..segment_classes import PanopticClass
from .card import ModelCard, paired_card
from .catalog import card
from .estimator import Estimator
from .loading import load
from .panoptic_options import PanopticOptions

_FIXED = ("depth_model", "depth_checkpoint")


class FoundSegment(Protocol):
    """A segment: number from 1, class, and score."""

    @property
    def id(self) -> int: ...

    @property
    def class_id(self) -> int: ...

    @property
    def score(self) -> float: ...


class PanopticEstimator(Estimator):
    """Segments of an image, with depth of the model itself or of another one.

    The network has ``config.classes``. Predictions of a model without depth have NaN values, none
    of them valid. With ``depth``, values, camera and grid are those of its prediction, and the
    segments are made on this grid.

    Attributes:
        depth_estimator: the metric model whose depth the segments have; None: the model itself.
    """

    options: PanopticOptions

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        *,
        device: torch.device | str = "cpu",
        options: PanopticOptions | None = None,
        depth: Estimator | None = None,
    ) -> None:
        self.depth_estimator = depth
        if depth is not None:
            card = paired_card(card, depth.card)
        super().__init__(card, network, device=device, options=options)

    @property
    def classes(self) -> tuple[PanopticClass, ...]:
        """The classes by their numbers."""
        return tuple(self.network.config.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their numbers."""
        return tuple(entry.name for entry in self.classes)

    @property
    def class_colours(self) -> tuple[tuple[int, int, int], ...]:
        """Colours of the classes by their numbers, RGB, 0..255."""
        return tuple(entry.colour for entry in self.classes)

    def with_options(self, **changes: object) -> PanopticEstimator:
        twin = super().with_options(**changes)
        for name in _FIXED:
            if getattr(twin.options, name) != getattr(self.options, name):
                raise ValueError(f"{name} is part of a loaded model: load another")
        if twin.depth_estimator is not None:
            size = {"output_size": twin.options.output_size}
            twin.depth_estimator = twin.depth_estimator.with_options(**size)
        return twin

    def _depths(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...] | None:
        """Depth of the images by the other model; None if there is no other model."""
        if self.depth_estimator is None:
            return None
        return self.depth_estimator.batch(images, cameras)

    def _with_segments(
        self, depth: Prediction, segments: Tensor, found: Sequence[FoundSegment]
    ) -> Prediction:
        """A prediction of depth with the segments that the options keep.

        Args:
            depth: depth on the grid of the segments.
            segments: (H, W) int32, 0 for none.
            found: what the numbers in ``segments`` mean.
        """
        names = self.class_names
        flat, dropped = (
            segments.new_tensor([e.id for e in found if names[e.class_id] in chosen])
            for chosen in (self.options.without_depth, self.options.drop)
        )
        valid = depth.valid & ~torch.isin(segments, flat)
        segments = segments.masked_fill(torch.isin(segments, dropped), 0)
        kept = [entry for entry in found if names[entry.class_id] not in self.options.drop]
        instances = self._instances(kept, segments)
        return replace(depth, valid=valid, segments=segments, instances=instances)

    def _instances(self, found: Sequence[FoundSegment], segments: Tensor) -> tuple[Instance, ...]:
        classes = self.classes
        boxes = segment_boxes(segments, [entry.id for entry in found])
        return tuple(
            Instance(
                id=entry.id,
                class_id=entry.class_id,
                label=classes[entry.class_id].name,
                score=min(1.0, entry.score),
                is_thing=classes[entry.class_id].is_thing,
                box=(left, top, right, bottom),
                mask=segments[top:bottom, left:right] == entry.id,
            )
            for entry, (left, top, right, bottom) in zip(found, boxes, strict=True)
        )

    def _check_options(self, options: PanopticOptions) -> None:
        super()._check_options(options)
        unknown = sorted(set(options.drop) - set(self.class_names))
        if unknown:
            raise ValueError(
                f"drop names classes that {self.card.name} does not know: {', '.join(unknown)}; "
                f"it knows {', '.join(self.class_names)}"
            )


def depth_part(model: ModelCard, options: PanopticOptions, device: torch.device) -> dict[str, Any]:
    """The argument ``depth`` of :class:`PanopticEstimator` that the options ask for.

    Raises:
        KeyError: no such model.
        ValueError: the model does not suit, or its weights are missing or wrong.
    """
    if not options.depth_model:
        return {}
    paired_card(model, card(options.depth_model))
    shared = {name: getattr(options, name) for name in ("precision", "backend", "output_size")}
    return {"depth": load(options.depth_model, options.depth_checkpoint, device, **shared)}

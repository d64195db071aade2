"""Panoptic data sets in the registry."""

from __future__ import annotations

from pathlib import Path

from ..cityscapes import CityscapesPanoptic
from ..dvps import CityscapesDvps, DvpsReader, SemKittiDvps
from .entry import DataSet


def _dvps_files(reader: DvpsReader) -> list[Path]:
    return [path for f in reader.files for path in (f.image, *f.labels, f.depth)]


def _prefixed(ending: str) -> tuple[str, object]:
    def image(label: Path) -> Path:
        return label.with_name(f"{label.name[: label.name.index(ending)]}leftImg8bit.png")

    return f"*/*{ending}*.png", image


_STAGES = ("train panopticdepth-panoptic", "train panopticdepth-full-scale", "eval panoptic")
_DEPTH = ("train panopticdepth-depth", "eval panoptic")

ENTRIES: tuple[DataSet, ...] = (
    DataSet(
        "cityscapes", "Cityscapes (CVPR 2016) with panoptic labels", "pinhole", "panoptic",
        "leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png, gtFine/cityscapes_panoptic_SPLIT.json and "
        "gtFine/cityscapes_panoptic_SPLIT/NAME_gtFine_panoptic.png (createPanopticImgs)",
        "no depth; label id, or label id * 1000 + number, in RGB", ("train", "val"),
        "the folders: 2975 train, 500 val", _STAGES,
        lambda root, split, listing: CityscapesPanoptic(root, split),
        lambda reader: reader.paths(),
    ),
    DataSet(
        "cityscapes-dvps", "Cityscapes-DVPS (ViP-DeepLab, 2020); root is video_sequence",
        "pinhole", "panoptic",
        "SPLIT/SEQ_FRAME_CITY_X_Y_{leftImg8bit,gtFine_instanceTrainIds,depth}.png",
        "PNG of 16 bits in 1/256 m, 0 unknown", ("train", "val", "test"),
        "the folders: 2400 train, 300 val, 300 test", _DEPTH,
        lambda root, split, listing: CityscapesDvps(root, split), _dvps_files,
        _prefixed("depth"), (1.0, 200.0),
    ),
    DataSet(
        "semkitti-dvps", "SemKITTI-DVPS (ViP-DeepLab, 2020); root is video_sequence",
        "pinhole", "panoptic",
        "SPLIT/SEQ_FRAME_{leftImg8bit,gtFine_class,gtFine_instance,depth_FOCAL}.png",
        "PNG of 16 bits in 1/256 m, 0 unknown", ("train", "val"),
        "the folders: sequence 8 val, the others train", _DEPTH,
        lambda root, split, listing: SemKittiDvps(root, split), _dvps_files,
        _prefixed("depth_"), (1.0, 200.0),
    ),
)  # fmt: skip

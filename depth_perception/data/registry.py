"""All data sets by name: layout, content, and the commands that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from . import rendered
from .benchmarks import BENCHMARKS
from .benchmarks.files import BenchmarkReader
from .benchmarks.zero_shot import ZERO_SHOT
from .cityscapes import CityscapesPanoptic
from .coco import CocoPanoptic
from .dvps import CityscapesDvps, DvpsReader, SemKittiDvps
from .frames import Reader
from .hypersim import HypersimArchive
from .kitti_raw import KittiRaw, find_pairs, read_pairs
from .names import DATA_SET_NAMES, check_name
from .panoramas import PANORAMA_IMAGES, PANORAMAS
from .photos import PhotoFolder, kitti_photos, nyu_photos
from .threed60 import Views, read_list
from .worlds import WorldFolder

Camera = Literal["panorama", "pinhole", "stereo panoramas", "stereo pinholes"]
Gives = Literal["range", "depth", "images", "panoptic"]


@dataclass(frozen=True)
class DataSet:
    """One layout of a data set.

    Attributes:
        name: name on the command line.
        title: full name, publication and content.
        camera: camera model. Pinhole images are rectified unless the title states otherwise.
        gives: range along the rays of panoramas, z-depth, images only, or segments (with z-depth
            where the data set has it).
        layout: files below the root.
        unit: unit of the depth files, and their value for unknown depth.
        splits: names of the parts.
        rule: how the data set is split, or the list that defines it.
        used_by: commands, recipes and protocols that use it.
        open_split: opens a reader, given root, split and list (None: the default list).
        files_of: returns all files of a reader's frames.
        partners: for readers that find frames by one kind of file: pattern below the root of
            another kind, and the file of the first kind that belongs to such a file.
        usual_m: expected limits of the median depth of the frames, metres.
    """

    name: str
    title: str
    camera: Camera
    gives: Gives
    layout: str
    unit: str
    splits: tuple[str, ...]
    rule: str
    used_by: tuple[str, ...]
    open_split: Callable[[Path, str, Path | None], Reader[Any]]
    files_of: Callable[[Any], Iterable[Path]]
    partners: tuple[str, Callable[[Path], Path]] | None = None
    usual_m: tuple[float, float] = (0.2, 200.0)

    def open(
        self, root: str | Path, split: str | None = None, listing: str | Path | None = None
    ) -> Reader[Any]:
        """The reader of a split, the first one if none is named.

        Raises:
            ValueError: there is no such split, or the list is broken.
            OSError: a file or folder is missing.
        """
        split = self.splits[0] if split is None else split
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split {split!r}, only {', '.join(self.splits)}")
        return self.open_split(Path(root), split, None if listing is None else Path(listing))


_INDOOR, _OUTDOOR = (0.3, 20.0), (1.0, 200.0)
_MM, _KITTI_STEP = "PNG of 16 bits in mm, 0 unknown", "PNG of 16 bits in 1/256 m, 0 unknown"


def _image_files(reader: DvpsReader | PhotoFolder) -> list[Path]:
    return [p for f in reader.files for p in (f.image, *getattr(f, "labels", ()), f.depth)]


def _prefixed(ending: str) -> tuple[str, object]:
    def image(label: Path) -> Path:
        return label.with_name(f"{label.name[: label.name.index(ending)]}leftImg8bit.png")

    return f"*/*{ending}*.png", image


def _benchmark_files(reader: BenchmarkReader) -> list[Path]:
    words = [word for f in reader.files for word in f.words if "mask" in word]
    masks = [reader.root / word for word in words if word.endswith(("_mask.npy", ".png"))]
    return _image_files(reader) + masks


def _pair_files(reader: Any) -> list[Path]:
    return [path for pair in reader.pairs for path in pair]


def _threed60(root: Path, split: str, listing: Path | None) -> Any:
    if listing is None:
        lists = [p for p in sorted(root.glob("*.txt")) if not p.name.startswith("omni_")]
        if len(lists) != 1:
            found = f"{len(lists)} lists (*.txt)"
            raise FileNotFoundError(f"{root} holds {found}: name one with --list")
        listing = lists[0]
    places = read_list(listing, root)
    if not places:
        raise ValueError(f"{listing} names no places")
    return Views(places)


def _threed60_files(reader: Views) -> list[Path]:
    views = [view for place in reader.places for view in place.views.values()]
    return [path for v in views for path in (v.color, v.depth, v.normal) if path is not None]


def _world_files(reader: WorldFolder) -> list[Path]:
    frames = reader.root / "frames"
    stems = [frame["stem"] for frame in reader.frames]
    return [frames / f"{stem}_{what}.png" for stem in stems for what in ("rgb", "range")]


def _of_range(
    name: str, title: str, unit: str, rule: str, used_by: tuple[str, ...], *more: Any
) -> DataSet:
    reader = PANORAMAS[name]
    return DataSet(
        name, title, "panorama", "range", reader.layout, unit, reader.splits, rule, used_by,
        lambda root, split, listing: reader(root, split, listing=listing), _pair_files, *more,
    )  # fmt: skip


def _of_images(name: str, title: str) -> DataSet:
    reader = PANORAMA_IMAGES[name]
    return DataSet(
        name, title, "panorama", "images", reader.layout, "no depth", ("all",),
        "all images; a list selects", ("train panda-student",),
        lambda root, split, listing: reader(root, listing=listing),
        lambda images: [images.root / name for name in images.names],
    )  # fmt: skip


def _kitti_raw(root: Path, split: str, listing: Path | None) -> KittiRaw:
    pairs = find_pairs(root) if listing is None else read_pairs(listing, root)
    if not pairs:
        raise ValueError(f"{listing} names no pairs")
    return KittiRaw(pairs, truth=True)


def _kitti_raw_files(reader: KittiRaw) -> list[Path]:
    days = sorted({pair.day for pair in reader.pairs})
    names = ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt")
    calibration = [day / name for day in days for name in names]
    return calibration + [p for f in reader.pairs for p in (f.left, f.right, f.lidar)]


def _nyu_folders(root: Path, split: str, listing: Path | None) -> PhotoFolder:
    reader = nyu_photos(root, split)
    if not len(reader):
        raise FileNotFoundError(f"no images in {root / 'images' / split}")
    return reader


def _kitti_folders(root: Path, split: str, listing: Path | None) -> PhotoFolder:
    name = f"kitti_eigen_{split}.txt"
    if listing is not None:
        name = str(listing.resolve() if listing.is_file() else listing)  # else below the root
    reader = kitti_photos(root, name)
    if not len(reader):
        raise ValueError(f"{root / name} names no image with depth")
    return reader


def _hypersim_json(root: Path, split: str, listing: Path | None) -> rendered.Hypersim:
    lists = [root] if root.is_file() else sorted(root.glob("*.json"))
    if listing is not None:
        lists = [listing]
    if len(lists) != 1:
        raise FileNotFoundError(f"{root} holds {len(lists)} lists (*.json): name one")
    return rendered.Hypersim(lists[0], split)


def _listed(
    name: str,
    title: str,
    layout: str,
    unit: str,
    usual_m: tuple[float, float],
    *used_by: str,
    partners: tuple[str, Callable[[Path], Path]] | None = None,
) -> DataSet:
    """A set of :data:`BENCHMARKS` or :data:`ZERO_SHOT`."""
    reader = (BENCHMARKS | ZERO_SHOT)[name]
    usual = used_by or ("eval scaledepth", "eval plain")
    return DataSet(
        name, title, "pinhole", "depth", layout, unit, ("test",), "the list", usual,
        lambda root, split, listing: reader(root, listing), _benchmark_files, partners, usual_m,
    )  # fmt: skip


def _nyu_image(depth: Path) -> Path:
    parts = list(depth.parts)
    place = len(parts) - 1 - parts[::-1].index("annotations")
    path = Path(*parts[:place], "images", *parts[place + 1 :])
    endings = (".jpg", ".jpeg", ".png")
    found = (path.with_suffix(ending) for ending in endings)
    return next((p for p in found if p.is_file()), path.with_suffix(endings[0]))


def _vkitti_image(depth: Path) -> Path:
    parts = [{"depth": "rgb"}.get(part, part) for part in depth.parts[:-1]]
    return Path(*parts) / f"{depth.stem.replace('depth_', 'rgb_')}.jpg"


def _hypersim_image(depth: Path) -> Path:
    folder = depth.parent.name.replace("_geometry_hdf5", "_final_preview")
    return depth.parent.with_name(folder) / depth.name.replace(".depth_meters.hdf5", ".tonemap.jpg")


def _unreal_files(reader: rendered.UnrealStereo4K) -> list[Path]:
    files = _pair_files(reader)
    for image, _ in reader.pairs:
        scene = image.parents[1]
        files += [scene / f"Extrinsics{k}" / f"{image.stem}.txt" for k in (0, 1)]
    return files


def _stanford_image(depth: Path) -> Path:
    name = f"{depth.name.removesuffix('depth.png')}rgb.png"
    folder = "rgb" if depth.parents[1].name == "pano" else "rgb_pre_"
    return depth.parents[1] / folder / name


_PPD = ("eval ppd", "eval plain")
_FINETUNE = ("train ppd-finetune",)
_STAGES = ("train panopticdepth-panoptic", "train panopticdepth-full-scale", "eval panoptic")
_DEPTH = ("train panopticdepth-depth", "eval panoptic")

_PANDA = ("train panda-teacher", "train panda-student", "eval panda")

_ENTRIES: tuple[DataSet, ...] = (
    _of_range(
        "structured3d", "Structured3D (ECCV 2020), rendered rooms in raw light",
        "PNG of 16 bits in mm, 0 unknown; read up to 10 m",
        "scenes 0-2999, 3000-3249, 3250-3499, without 7 broken ones", _PANDA,
        ("scene_*/2D_rendering/*/panorama/full/depth.png",
         lambda path: path.with_name("rgb_rawlight.png")),
        _INDOOR,
    ),
    _of_range(
        "deep360", "Deep360 (ECCV 2022), rendered streets in Cassini projection",
        "NPZ arr_0 in m; read up to 100 m", "the folders training, validation, testing", _PANDA,
        ("ep*_500frames/*/depth/*_depth.npz",
         lambda path: path.parents[1] / "rgb" / f"{path.name[:-10]}_12_rgb1.png"),
        (0.5, 200.0),
    ),
    _of_range(
        "matterport3d", "Matterport3D (3DV 2017), scanned houses, stitched by UniFuse's scripts",
        "PNG of 16 bits in 1/4000 m, 0 unknown; read up to 11 m",
        "official scenes: 61 train, 11 val, 18 test",
        ("train panda-matterport", "eval panda"),
        ("*/pano_depth/*.png",
         lambda path: path.parents[1] / "pano_skybox_color" / f"{path.stem}.jpg"),
        _INDOOR,
    ),
    _of_range(
        "stanford2d3d", "Stanford2D3D (2017), scanned offices",
        "PNG of 16 bits in 1/512 m, 0 or 65535 unknown; read up to 11 m",
        "areas 5a, 5b test; of the others one in 26 val, by a checksum; the authors' 40 by list",
        ("train panda-stanford", "eval panda"),
        ("area_*/**/depth/*_depth.png", _stanford_image),
        _INDOOR,
    ),
    DataSet(
        "3d60", "3D60 (ECCV 2018, 3DV 2019), rendered scans from three viewpoints 0.26 m apart",
        "stereo panoramas", "range",
        "a list of 9 columns, and the files that it names below Matterport3D, Stanford2D3D, SunCG",
        "EXR in m; beyond 8 m or not positive: unknown", ("all",), "the list",
        ("train omnidepth-rectnet", "train omnidepth-uresnet", "train blindspot-worlds",
         "eval omnidepth", "eval view-synthesis"),
        _threed60, _threed60_files, None, _INDOOR,
    ),
    _of_images("zind", "Zillow Indoor Dataset (CVPR 2021), empty homes"),
    _of_images("360x", "360+x (CVPR 2024), frames of videos, with masks of the sky"),
    _of_images("diverse360", "PanDA's Diverse360, or any folder of panoramas"),
    DataSet(
        "worlds", "synthetic worlds of depth-perception worlds folder", "panorama", "range",
        "dataset.json, frames.jsonl, frames/SEED_K_{rgb,range}.png",
        "PNG of 16 bits in mm, 0 sky", ("all",), "one folder each",
        ("train panda-tiny-metric", "train ppd-pretrain", "train scaledepth-n", "eval plain"),
        lambda root, split, listing: WorldFolder(root), _world_files,
    ),
    _listed(
        "nyu", "NYU Depth v2 (ECCV 2012), 654 test images of rooms",
        "a list of lines 'image depth filled'", _MM, _INDOOR, *_PPD,
    ),
    DataSet(
        "nyu-folders", "NYU Depth v2 in the folders of mmsegmentation", "pinhole", "depth",
        "images/SPLIT/.../SCENE_NNNN.jpg, annotations/SPLIT/.../SCENE_NNNN.png", _MM,
        ("train", "test"), "the folders; about 50 000 train, 654 test",
        ("train scaledepth-n", "train scaledepth-nk", "eval scaledepth"),
        _nyu_folders, _image_files,
        ("annotations/*/**/*.png", _nyu_image), _INDOOR,
    ),
    _listed(
        "kitti", "KITTI (CVPR 2012), 652 test images of Eigen et al. with dense depth",
        "a list of lines 'image depth [focal]', depth None where there is none",
        _KITTI_STEP, _OUTDOOR, *_PPD,
    ),
    DataSet(
        "kitti-folders", "KITTI in the folders of mmsegmentation", "pinhole", "depth",
        "kitti_eigen_SPLIT.txt with lines 'image depth [focal]'; input/, gt_depth/", _KITTI_STEP,
        ("train", "test"), "the lists of Eigen et al.",
        ("train scaledepth-k", "train scaledepth-nk", "eval scaledepth"),
        _kitti_folders, _image_files, None, _OUTDOOR,
    ),
    DataSet(
        "kitti-raw", "KITTI raw (IJRR 2013), rectified pairs with lidar", "stereo pinholes",
        "depth",
        "DATE/{calib_cam_to_cam.txt,calib_velo_to_cam.txt}, "
        "DATE/DRIVE/{image_02,image_03,velodyne_points}/data/NNNNNNNNNN.{png,bin}",
        "lidar points in m, projected", ("all",), "a list of lines 'left right', or all pairs",
        ("train blindspot-kitti", "train blindspot-kitti-panorama", "eval plain"),
        _kitti_raw, _kitti_raw_files,
        ("*/*/image_03/data/*.*",
         lambda path: path.parents[2] / "image_02" / "data" / path.name), _OUTDOOR,
    ),
    _listed(
        "sunrgbd", "SUN RGB-D (CVPR 2015), four depth cameras in rooms",
        "SUNRGBD_val_splits.txt with lines 'image depth focal', or the archive: "
        ".../{image/*.jpg,depth/*.png,intrinsics.txt}",
        "PNG of 16 bits in mm, rotated left by 3 bits, 0 unknown", _INDOOR,
    ),
    _listed(
        "diode", "DIODE (2019), 771 validation images, laser scanner",
        ".../{NAME.png,NAME_depth.npy,NAME_depth_mask.npy}", "NPY (H, W, 1) in m, mask 0 unknown",
        (0.6, 350.0), *_PPD,
        partners=("**/*_depth_mask.npy",
                  lambda path: path.with_name(path.name.replace("_depth_mask", "_depth"))),
    ),
    _listed(
        "diode-indoor", "DIODE indoors as PNG, as ScaleDepth has it",
        "indoors_test.txt with lines 'image depth'", _MM, _INDOOR,
    ),
    _listed(
        "diode-outdoor", "DIODE outdoors as PNG, as ScaleDepth has it",
        "outdoor_test.txt with lines 'image depth'", _KITTI_STEP, _OUTDOOR,
    ),
    _listed(
        "ibims", "iBims-1 (2018), 100 rooms, laser scanner; root is ibims1_core_raw",
        "imagelist.txt; rgb/NAME.png, masked_depth/NAME.png, or the archive's "
        "{rgb,depth,mask_invalid,mask_transp}/NAME.png; calib/NAME.txt",
        "PNG of 16 bits, masked_depth in mm, depth in 50/65535 m", _INDOOR,
    ),
    _listed(
        "ddad", "DDAD (CVPR 2020), CAMERA_01, as PNG of the lidar's depth",
        "camera01.txt with lines 'NNNNNN/rgb/CAMERA_01/T.png NNNNNN/depth/CAMERA_01/T.png'",
        _KITTI_STEP, _OUTDOOR,
    ),
    _listed(
        "vkitti2", "Virtual KITTI 2 (2020), rendered drives",
        "SceneNN/VARIATION/frames/{rgb/Camera_K/rgb_NNNNN.jpg,depth/Camera_K/depth_NNNNN.png}; "
        "test.txt names images", "PNG of 16 bits in cm, sky at 655.35 m", _OUTDOOR,
        *_FINETUNE, "eval scaledepth", "eval plain",
        partners=("**/depth_*.png", _vkitti_image),
    ),
    DataSet(
        "hypersim", "Hypersim (ICCV 2021), rendered rooms, as published", "pinhole", "depth",
        "ai_VVV_NNN/images/{scene_cam_XX_final_preview/frame.IIII.tonemap.jpg,"
        "scene_cam_XX_geometry_hdf5/frame.IIII.depth_meters.hdf5}",
        "HDF5 'dataset', range in m, NaN unknown; becomes z-depth", ("all",),
        "all frames; a list of lines 'image depth' chooses", ("train ppd-pretrain", "eval plain"),
        lambda root, split, listing: HypersimArchive(root, listing), _pair_files,
        ("ai_*/images/*_geometry_hdf5/frame.*.depth_meters.hdf5",
         _hypersim_image), _INDOOR,
    ),
    DataSet(
        "hypersim-json", "Hypersim as Pixel-Perfect Depth lists it", "pinhole", "depth",
        "*.json with lists SPLIT_rgb_paths and SPLIT_dpt_paths", _MM, ("train", "val"), "the lists",
        ("train ppd-pretrain", "train ppd-finetune"), _hypersim_json, _pair_files, None, _INDOOR,
    ),
    _listed(
        "hypersim-list", "Hypersim as PNG, as ScaleDepth has it",
        "hypersim_list2.txt with lines 'image depth'", _MM, _INDOOR,
    ),
    _listed(
        "diml", "DIML/CVL (2018), outdoors, stereo cameras",
        "test_outdoor.txt with lines 'image depth'", _MM, _OUTDOOR,
    ),
    _listed(
        "eth3d", "ETH3D (CVPR 2017) at high resolution, 454 images, not rectified",
        "a list of lines 'image depth'", "float32 in m, no header, in files .JPG; infinite unknown",
        (0.3, 100.0), *_PPD,
    ),
    _listed(
        "scannet", "ScanNet (CVPR 2017), 800 images of rooms",
        "a list of lines 'image depth'", _MM, _INDOOR, *_PPD,
    ),
    DataSet(
        "urbansyn", "UrbanSyn (2023), rendered streets", "pinhole", "depth",
        "rgb/rgb_NNNN.png, depth/depth_NNNN.exr", "EXR Y in 1e5 m", ("all",), "all frames",
        _FINETUNE, lambda root, *_: rendered.UrbanSyn(root), _pair_files,
        ("depth/depth_*.exr",
         lambda path: path.parents[1] / "rgb" / f"{path.stem.replace('depth_', 'rgb_')}.png"),
        _OUTDOOR,
    ),
    DataSet(
        "unrealstereo4k", "UnrealStereo4K (CVPR 2021), rendered pairs", "pinhole", "depth",
        "0000[0-7]/{Image0/NNNNN.png,Disp0/NNNNN.npy,Extrinsics0/NNNNN.txt,Extrinsics1/NNNNN.txt}",
        "NPY of disparity in pixels; 0 or NaN: that of 1e-4", ("all",), "folders 00000 to 00007",
        _FINETUNE, lambda root, *_: rendered.UnrealStereo4K(root),
        _unreal_files,
        ("0000[0-7]/Disp0/*.npy",
         lambda path: path.parents[1] / "Image0" / f"{path.stem}.png"), (0.2, 1e6),
    ),
    DataSet(
        "tartanair", "TartanAir (IROS 2020), rendered flights, left camera", "pinhole", "depth",
        ".../{image_left/NNNNNN_left.png,depth_left/NNNNNN_left_depth.npy}", "NPY in m", ("all",),
        "all frames", _FINETUNE, lambda root, *_: rendered.TartanAir(root), _pair_files,
        ("**/depth_left/*_left_depth.npy",
         lambda path: path.parents[1] / "image_left" / f"{path.stem.removesuffix('_depth')}.png"),
        (0.2, 1000.0),
    ),
    DataSet(
        "cityscapes", "Cityscapes (CVPR 2016) with panoptic labels", "pinhole", "panoptic",
        "leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png, gtFine/cityscapes_panoptic_SPLIT.json and "
        "gtFine/cityscapes_panoptic_SPLIT/NAME_gtFine_panoptic.png (createPanopticImgs)",
        "no depth; label id, or label id * 1000 + number, in RGB", ("train", "val"),
        "the folders: 2975 train, 500 val", _STAGES,
        lambda root, split, listing: CityscapesPanoptic(root, split),
        CityscapesPanoptic.paths,
    ),
    DataSet(
        "cityscapes-dvps", "Cityscapes-DVPS (ViP-DeepLab, 2020); root is video_sequence",
        "pinhole", "panoptic",
        "SPLIT/SEQ_FRAME_CITY_X_Y_{leftImg8bit,gtFine_instanceTrainIds,depth}.png",
        "PNG of 16 bits in 1/256 m, 0 unknown", ("train", "val", "test"),
        "the folders: 2400 train, 300 val, 300 test", _DEPTH,
        lambda root, split, listing: CityscapesDvps(root, split), _image_files,
        _prefixed("depth"), (1.0, 200.0),
    ),
    DataSet(
        "semkitti-dvps", "SemKITTI-DVPS (ViP-DeepLab, 2020); root is video_sequence",
        "pinhole", "panoptic",
        "SPLIT/SEQ_FRAME_{leftImg8bit,gtFine_class,gtFine_instance,depth_FOCAL}.png",
        "PNG of 16 bits in 1/256 m, 0 unknown", ("train", "val"),
        "the folders: sequence 8 val, the others train", _DEPTH,
        lambda root, split, listing: SemKittiDvps(root, split), _image_files,
        _prefixed("depth_"), (1.0, 200.0),
    ),
    DataSet(
        "coco-panoptic", "COCO 2017 with panoptic labels (CVPR 2019)", "pinhole", "panoptic",
        "SPLIT2017/NAME.jpg, annotations/panoptic_SPLIT2017.json and "
        "annotations/panoptic_SPLIT2017/NAME.png",
        "no depth; segment ids in RGB", ("train", "val"),
        "the lists: 118287 train, 5000 val", ("eval panoptic",),
        lambda root, split, listing: CocoPanoptic(root, split),
        lambda reader: reader.paths(),
    ),
)  # fmt: skip
_BY_NAME = {entry.name: entry for entry in _ENTRIES}
DATA_SETS: Mapping[str, DataSet] = {name: _BY_NAME[name] for name in DATA_SET_NAMES}
"""In the order in which they are listed."""


def data_set(name: str) -> DataSet:
    """The entry of a data set.

    Raises:
        KeyError: unknown name; the message suggests the closest one.
    """
    check_name(name)
    return DATA_SETS[name]


def image_of(frame: Any) -> Tensor:
    """(3, H, W) uint8 of a frame of any reader."""
    return frame if isinstance(frame, Tensor) else frame.rgb


def depth_of(frame: Any) -> Tensor | None:
    """(H, W) float32 metres of a frame of any reader, range or z-depth, 0 where unknown."""
    for name in ("depth_m", "range_m"):
        depth = getattr(frame, name, None)
        if depth is not None:
            return depth
    return None

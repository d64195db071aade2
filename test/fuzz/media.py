"""Surfaces of media: images, compressed messages, videos, depth maps, masks."""

from __future__ import annotations

import io
import random
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
from fuzz.mutations import damaged
from fuzz.surfaces import Surface
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from depth_perception.cli.infer.scale import read_points
from depth_perception.io.arrays import ArrayReadError
from depth_perception.io.depth_files import DepthReadError, read_depth, write_depth
from depth_perception.io.encodings import EncodingError, decode_message
from depth_perception.io.exif import exif_focal
from depth_perception.io.images import ImageReadError, read_image_file
from depth_perception.io.ply import PlyReadError, write_ply
from depth_perception.io.video import VideoReader, VideoReadError, VideoWriter

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description GPano:ProjectionType="equirectangular" '
    b'GPano:FullPanoWidthPixels="48" GPano:FullPanoHeightPixels="24" '
    b'GPano:CroppedAreaTopPixels="0" GPano:CroppedAreaLeftPixels="0" GPano:PosePitchDegrees="2.5" '
    b'GPano:CroppedAreaImageWidthPixels="48" GPano:CroppedAreaImageHeightPixels="24"/></x:xmpmeta>'
)


class FileSurface(Surface):
    """A file of damaged bytes."""

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.samples: Sequence[bytes] = self.make_samples()

    def make_samples(self) -> Sequence[bytes]:
        """Valid files."""
        raise NotImplementedError

    def make(self, rng: random.Random) -> tuple[str, bytes]:
        return rng.choice(self.suffixes), damaged(rng, self.samples)

    def written(self, item: tuple[str, bytes]) -> Path:
        """The file of an input."""
        path = self.folder / f"input{item[0]}"
        path.write_bytes(item[1])
        return path


def image_files() -> list[bytes]:
    """Small valid images of many formats."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (24, 48, 3), dtype=np.uint8)
    deep = rng.integers(0, 65536, (24, 48, 3), dtype=np.uint16)
    clear = rng.integers(0, 256, (24, 48, 4), dtype=np.uint8)
    files = [
        cv2.imencode(suffix, image)[1].tobytes()
        for suffix, image in (
            *((suffix, rgb) for suffix in (".png", ".jpg", ".bmp", ".ppm", ".tiff", ".webp")),
            *((".png", image) for image in (deep, clear, rgb[..., 0], deep[..., 0])),
            *((suffix, rgb[..., 0]) for suffix in (".pgm", ".jpg", ".tiff")),
            (".tiff", deep),
            (".tiff", deep.astype(np.float32)),
        )
    ]
    picture = PillowImage.fromarray(rgb)
    tags = PillowImage.Exif()
    tags[0x0112] = 6
    block = tags.get_ifd(0x8769)
    block[0xA405], block[0x920A], block[0xA20E] = 28, TiffImagePlugin.IFDRational(43, 10), 4000.0
    for kind, options in (
        ("JPEG", {"exif": tags, "xmp": XMP}),
        ("PNG", {"exif": tags}),
        ("GIF", {"save_all": True, "append_images": [picture.rotate(90), picture]}),
        ("TIFF", {"save_all": True, "append_images": [picture], "compression": "tiff_lzw"}),
        ("TGA", {}),
        ("JPEG2000", {}),
        ("AVIF", {}),
    ):
        data = io.BytesIO()
        try:
            picture.save(data, kind, **options)
        except (KeyError, OSError):  # built without this codec
            continue
        files.append(data.getvalue())
    files.append(b"P7\nWIDTH 4\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(24))
    return files


class Images(FileSurface):
    """Image files as `infer`, masks and data sets read them."""

    name = "images"
    refusals = (ImageReadError, ValueError)  # the latter of an XMP block
    suffixes = (".png", ".jpg", ".tif", ".webp", ".gif", ".heic", ".pnm", ".tga", ".jp2")
    share = 2.0

    def make_samples(self) -> Sequence[bytes]:
        return image_files()

    def feed(self, item: tuple[str, bytes]) -> None:
        path = self.written(item)
        found = read_image_file(path)
        height, width = found.pixels.shape[:2]
        exif_focal(path, height, width)
        if found.panorama is not None:
            found.panorama.camera(height, width)


class CompressedMessages(Surface):
    """The bytes of CompressedImage messages."""

    name = "compressed images"
    refusals = (EncodingError,)
    FORMATS = ("jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png", "")
    share = 2.0

    def __init__(self, folder: Path) -> None:
        self.samples = image_files()

    def make(self, rng: random.Random) -> Any:
        form = rng.choice(self.FORMATS) if rng.random() < 0.9 else "\x1b[31m\udc80\n" * 99
        data = array("B", damaged(rng, self.samples))
        return SimpleNamespace(format=form, data=data)

    def feed(self, item: Any) -> None:
        decode_message(item)


class Videos(FileSurface):
    """Video files."""

    name = "videos"
    refusals = (VideoReadError, ValueError)  # the latter of an XMP block
    suffixes = (".mp4", ".avi", ".mkv", ".mov")

    def make_samples(self) -> Sequence[bytes]:
        frames = np.random.default_rng(0).integers(0, 256, (6, 32, 64, 3), dtype=np.uint8)
        files = []
        for times_s in (None, [0, 0.1, 0.15, 0.4, 0.5, 0.9]):
            with VideoWriter(self.folder / "whole.mp4", 10.0) as video:
                for index, frame in enumerate(frames):
                    video.write(frame, None if times_s is None else times_s[index])
            files.append((self.folder / "whole.mp4").read_bytes())
        path = self.folder / "whole.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 32))
        for frame in frames:
            writer.write(frame)
        writer.release()
        return [*files, path.read_bytes()]

    def feed(self, item: tuple[str, bytes]) -> None:
        with VideoReader(self.written(item)) as video:
            for _ in video:
                pass
            assert isinstance(video.is_cut, bool)
            if video.panorama is not None:
                video.panorama.camera(video.info.height, video.info.width)


class DepthMaps(FileSurface):
    """Depth maps: .npy, 16-bit PNG, EXR."""

    name = "depth maps"
    refusals = (DepthReadError,)
    suffixes = (".npy", ".npy", ".png", ".exr")

    def make_samples(self) -> Sequence[bytes]:
        depth = np.random.default_rng(0).uniform(0.5, 9, (12, 24)).astype(np.float32)
        depth[0, 0] = np.nan
        files = []
        for suffix in (".npy", ".png", ".exr"):
            try:
                write_depth(self.folder / f"whole{suffix}", depth)
            except ImportError:  # the package is optional
                self.suffixes = (".npy", ".npy", ".png")
                continue
            files.append((self.folder / f"whole{suffix}").read_bytes())
        for array_ in (
            depth.astype(">f8"),
            np.array([[{}]], dtype=object),
            np.asfortranarray(depth),
        ):
            data = io.BytesIO()
            np.save(data, array_)
            files.append(data.getvalue())
        return files

    def feed(self, item: tuple[str, bytes]) -> None:
        read_depth(self.written(item))


class Points(FileSurface):
    """Point lists of the command line: .npy and .ply."""

    name = "point files"
    refusals = (ArrayReadError, PlyReadError)
    suffixes = (".npy", ".ply")
    share = 0.5

    def make_samples(self) -> Sequence[bytes]:
        points = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
        write_ply(self.folder / "whole.ply", points)
        np.save(self.folder / "whole.npy", points)
        np.save(self.folder / "objects.npy", np.array([{}], dtype=object))
        names = ("whole.ply", "whole.npy", "objects.npy")
        return [(self.folder / name).read_bytes() for name in names]

    def feed(self, item: tuple[str, bytes]) -> None:
        read_points(self.written(item))

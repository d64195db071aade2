"""The compiled ray tracer: ``tracer.cpp``, built once by the C++ compiler of the machine.

Its intersections agree with those of :mod:`.primitives` to rounding; it is an order of magnitude
faster and takes rays from any point, outside of the solids.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ...io.atomic import replacing
from .primitives import Primitives, Rows
from .world import Light

_SOURCE = Path(__file__).with_name("tracer.cpp")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno")
_SIGNATURES = {  # P: pointer, I: int, L: int64
    "tree_new": "IPPPPP", "tree_delete": "P", "tree_trace": "PLPIPPPPPP",
    "tree_light": "PLPPPPPPPP", "smooth": "IIPPP", "sample": "LPIIPPPPP",
}  # fmt: skip


@dataclass(frozen=True)
class Surfaces(Rows):
    """Where M rays end.

    Attributes:
        range_m: (M,) metres, infinite where nothing is hit.
        owner: (M,) int64 row of the solid, -1 where nothing is hit.
        local: (M, 3) point from the centre of the solid along its axes, metres.
        local_normals, normals: (M, 3) unit vectors along the axes of the solid, and in the world.
    """

    range_m: Tensor
    owner: Tensor
    local: Tensor
    local_normals: Tensor
    normals: Tensor


class Tracer:
    """Solids ready for rays.

    Raises:
        RuntimeError: there is no C++ compiler, or it fails.
    """

    def __init__(self, solids: Primitives) -> None:
        self._library = library()
        arrays = [solids.shape.int(), solids.centre, solids.rotation, solids.half]
        arrays.append(solids.casts.to(torch.uint8))
        inputs = _kept(arrays)
        self._tree = self._library.tree_new(len(solids), *map(_pointer, inputs))

    def __del__(self) -> None:
        if hasattr(self, "_tree"):
            self._library.tree_delete(self._tree)

    def trace(self, origins: Tensor, directions: Tensor) -> Surfaces:
        """Nearest surfaces of rays from ``origins`` (3,) or (M, 3) along ``directions`` (M, 3)."""
        count = len(directions)
        range_m, owner = torch.empty(count), torch.empty(count, dtype=torch.int64)
        vectors = torch.zeros(3, count, 3)
        inputs = _kept([origins, directions])
        self._library.tree_trace(
            self._tree, count, _pointer(inputs[0]), 0 if origins.ndim == 1 else 3,
            *map(_pointer, (inputs[1], range_m, owner, *vectors)),
        )  # fmt: skip
        return Surfaces(range_m, owner, *vectors)

    def light(
        self, points: Tensor, normals: Tensor, directions: Tensor, light: Light, occlusion: int = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Direct light on points, highlights, and openness.

        Args:
            points, normals: (M, 3) of surfaces.
            directions: (M, 3) of the rays that see them.
            light: sun and lamps; the strongest lamp of a point and the sun cast shadows.
            occlusion: one of so many points looks for near solids; 0 for none.

        Returns:
            (M, 3) linear RGB received, (M, 3) of highlights, and (M,) 1 where a random ray meets
            nothing within ``light.open_m``, 0 where it does, -1 where none was sent.
        """
        numbers = torch.cat((light.sun_direction, light.sun_colour, torch.tensor([light.open_m])))
        counts = torch.tensor([len(light.lamps), occlusion], dtype=torch.int32)
        packed = torch.cat((numbers.view(torch.int32), counts))
        lamps = torch.cat((light.lamps, light.lamp_colours, light.lamp_boxes), dim=1)
        received, shine, free = (torch.empty(s) for s in (points.shape, points.shape, len(points)))
        inputs = _kept([points, normals, directions, packed, lamps])
        arrays = (*inputs, received, shine, free)
        self._library.tree_light(self._tree, len(points), *map(_pointer, arrays))
        return received, shine, free


def smooth(owner: Tensor, values: Tensor) -> Tensor:
    """Means (H, W) of values >= 0 over 7 x 7 neighbours with the same ``owner`` (H, W)."""
    result = torch.empty_like(values)
    arrays = (*_kept([owner, values]), result)
    library().smooth(*owner.shape, *map(_pointer, arrays))
    return result


def sample(texels: Tensor, images: int, side: int, image: Tensor, place: Tensor) -> Tensor:
    """Colours (M, 3) of images; ``texels`` and ``place`` as in :class:`.images.Images`."""
    colours = torch.empty(len(image), 3)
    arrays = (*_kept([image, *place]), colours)
    library().sample(len(image), _pointer(texels), images, side, *map(_pointer, arrays))
    return colours


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The library, compiled when its source is new to this machine.

    It is kept in ``depth_perception/tracer`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``.
    """
    text = _SOURCE.read_bytes()
    name = hashlib.sha256(text + " ".join(_FLAGS).encode()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(cache, "depth_perception", "tracer", f"{name}.so")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            _compile(part)
    loaded = ctypes.CDLL(str(path))
    kinds = {"P": ctypes.c_void_p, "I": ctypes.c_int, "L": ctypes.c_int64}
    for function, signature in _SIGNATURES.items():
        getattr(loaded, function).argtypes = [kinds[letter] for letter in signature]
        getattr(loaded, function).restype = None
    loaded.tree_new.restype = ctypes.c_void_p
    return loaded


def _compile(path: Path) -> None:
    compiler = next(filter(shutil.which, (os.environ.get("CXX", ""), "g++", "clang++")), None)
    if compiler is None:
        raise RuntimeError(
            "worlds of this kind are rendered by compiled code, and there is no C++ compiler: "
            "install g++ or clang++, or name one in CXX"
        )
    done = subprocess.run(
        [compiler, *_FLAGS, "-x", "c++", str(_SOURCE), "-o", str(path)],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{compiler} cannot build {_SOURCE.name}: {done.stderr.strip()}")


def _kept(tensors: list[Tensor]) -> list[Tensor]:
    """Contiguous, float64 as float32; the caller keeps them alive during the call."""
    return [
        (t.float() if t.dtype == torch.float64 else t).detach().cpu().contiguous() for t in tensors
    ]


def _pointer(tensor: Tensor) -> int:
    return tensor.data_ptr()

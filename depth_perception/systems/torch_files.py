"""Torch files and plain pickles: tensors, arrays and containers; nothing in them is executed."""

from __future__ import annotations

import io
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from .pickle_cost import CostError, check_cost

# What training scripts and trainers keep beside the parameters; objects of these are skipped.
_OF_TRAINERS = (
    "addict.", "argparse.", "collections.defaultdict", "datetime.", "detectron2.", "easydict.",
    "enum.", "fvcore.", "hydra.", "iopath.", "lightning.", "lightning_fabric.", "ml_collections.",
    "mmengine.", "numpy.", "omegaconf.", "pathlib.", "pytorch_lightning.", "torch.optim.",
    "transformers.", "types.SimpleNamespace", "typing.", "uuid.", "yacs.",
)  # fmt: skip
_MOST_SKIPPED = 200  # classes
_MOST_EXPANSION = 20  # of the size of a compressed file
_LEAST_EXPANDED_BYTES = 64 << 20
_LEGACY_PICKLES = 4  # before the list of storages: magic number, version, system, content
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # head of torch files without zip
_ARCHIVE = b"PK\x03\x04"  # head of a zip
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")  # of NumPy 1 and 2
_ARRAY_TYPE = re.compile(r"^([fiu][1248]|b1)$")
_REJECTED = re.compile(r"(?:GLOBAL|class|function) (?:.*<class ')?([A-Za-z_][\w.]*)")


class NotPlainError(ValueError):
    """A file holds objects that are neither tensors, arrays, numbers, texts nor containers."""


class _Skipped:
    """Placeholder for an object that is not created; accepts any arguments, state and items."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> _Skipped:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def extend(self, _items: Any) -> None:
        pass


class _Dtype:
    """The type of an array by its name in the file; NumPy does not see it before it is checked."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def checked(self) -> np.dtype | None:
        """The type, if it is one of numbers."""
        if not isinstance(self.name, str) or not _ARRAY_TYPE.match(self.name):
            return None
        return np.dtype(self.name).newbyteorder({"<": "<", ">": ">"}.get(self.order, "="))


class _Array:
    """An array as shape, type and bytes; ``values`` is None where they are not those of numbers."""

    values: np.ndarray | None = None

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, is_fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else content
        dtype = kind.checked() if isinstance(kind, _Dtype) else None
        if dtype is None or not isinstance(content, bytes):
            return
        if math.prod(shape) * dtype.itemsize == len(content) and min(shape, default=0) >= 0:
            values = np.frombuffer(content, dtype)
            self.values = values.reshape(shape, order="F" if is_fortran else "C")


def _scalar(kind: Any, content: Any = b"") -> _Array:
    array = _Array()
    array.__setstate__((1, (), kind, False, content))
    return array


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Encoding of bytes in protocol 2."""
    if encoding != "latin1":
        raise NotPlainError(f"bytes as {encoding!r}")
    return text.encode(encoding)


_STAND_INS: dict[str, Any] = {"numpy.ndarray": _Array, "numpy.dtype": _Dtype}
_STAND_INS |= {f"{module}._reconstruct": lambda *_: _Array() for module in _NUMPY}
_STAND_INS |= {f"{module}.scalar": _scalar for module in _NUMPY}


class _PlainUnpickler(pickle.Unpickler):
    """Reads what no torch header announces: arrays and plain containers."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        known = {**_STAND_INS, "collections.OrderedDict": OrderedDict, "_codecs.encode": _latin1}
        if full in known:
            return known[full]
        if full.startswith(_OF_TRAINERS):
            return _Skipped
        raise NotPlainError(full)


def read_torch_file(path: Path, *, skip: tuple[str, ...] = ()) -> Any:
    """What a torch file, or a plain pickle of arrays, holds; arrays become tensors.

    Objects that trainers keep beside the parameters (configurations, paths, optimisers) are
    skipped: placeholders stand for them. No class or function that a file names is called, and
    the type of an array is taken from a list, its values from the bytes.

    Args:
        path: a regular file.
        skip: beginnings of full names, such as ``"mmengine."``, of further classes and functions
            to skip; ``""`` skips all.

    Raises:
        NotPlainError: the file holds other objects; the message names the first.
        Exception: a damaged pickle can raise nearly anything.
    """
    with path.open("rb") as file:
        head = file.read(len(_LEGACY))
    is_archive = head.startswith(_ARCHIVE)
    if is_archive or head == _LEGACY:
        reject_costly(path)
    else:
        return _with_tensors(_read_plain(path))
    skipped: dict[str, Any] = {}
    while True:
        stand_ins = [(value, name) for name, value in {**skipped, **_STAND_INS}.items()]
        try:
            with torch.serialization.safe_globals(stand_ins):
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
            return _with_tensors(content)
        except pickle.UnpicklingError as error:
            name = _rejected(error)
            is_new = name not in skipped and len(skipped) < _MOST_SKIPPED
            full = name if "." in name else f"builtins.{name}"
            if not name or not is_new or not full.startswith((*_OF_TRAINERS, *skip)):
                raise NotPlainError(name or "a damaged pickle") from error
            skipped |= {name: _Skipped, full: _Skipped}


def _rejected(error: Exception) -> str:
    match = _REJECTED.search(str(error))
    return match[1] if match else ""


def _read_plain(path: Path) -> Any:
    with path.open("rb") as file:
        _check(file)
        file.seek(0)
        return _PlainUnpickler(file, encoding="latin1").load()


def reject_costly(path: Path) -> None:
    """Reject a torch file that takes far more memory or time than its size.

    What is examined is what ``torch.load`` reads: an archive if the file begins like one, whatever
    follows, and in it the member ``data.pkl`` in any case.

    Raises:
        NotPlainError: it does.
        Exception: it is damaged, of nearly any kind.
    """
    with path.open("rb") as file:
        if file.read(len(_ARCHIVE)) != _ARCHIVE:
            file.seek(0)
            for _ in range(_LEGACY_PICKLES):
                _check(file)
            return
    _reject_expanding(path)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():  # also those of the same name
            if entry.filename.lower().endswith(".pkl"):
                with archive.open(entry) as file:
                    _check(file)
    with path.open("rb") as file:  # a forged directory may hide it from zipfile
        _check(io.BytesIO(torch._C.PyTorchFileReader(file).get_record("data.pkl")))


def _check(file: IO[bytes]) -> None:
    try:
        check_cost(file)
    except CostError as error:
        raise NotPlainError(str(error)) from error


def _reject_expanding(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        expanded = sum(entry.file_size for entry in archive.infolist())
    stored = path.stat().st_size
    if expanded > max(_MOST_EXPANSION * stored, _LEAST_EXPANDED_BYTES):
        raise NotPlainError(f"{stored} bytes that claim to be {expanded} when expanded")


def _with_tensors(content: Any) -> Any:
    """Tables with a tensor for each array, down to the depth that files have."""
    if isinstance(content, _Skipped):
        raise NotPlainError("one object")
    return _replaced(content, 0, {})


def _replaced(value: Any, depth: int, done: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        return None if value.values is None else torch.from_numpy(_native(value.values))
    if not isinstance(value, Mapping) or depth > 8:
        return value
    if id(value) not in done:
        done[id(value)] = table = {}
        table.update({key: _replaced(item, depth + 1, done) for key, item in value.items()})
    return done[id(value)]


def _native(values: np.ndarray) -> np.ndarray:
    kind = values.dtype.newbyteorder("=")
    if kind.kind == "u" and kind.itemsize > 1:
        kind = np.dtype(np.int64)  # torch computes with signed integers alone
    return np.array(values, dtype=kind)


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense and its storage holds a value for each of its elements."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()

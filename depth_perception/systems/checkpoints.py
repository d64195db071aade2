"""Reading and writing parameters: safetensors and the authors' torch files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .torch_files import NotPlainError, is_plain, read_torch_file

# Entries that hold the parameters, the first that does; averaged ones (EMA) are meant for use.
_WRAPPERS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema_model", "ema",
    "model", "state_dict", "model_state_dict", "net", "network", "params", "module", "weights",
)  # fmt: skip
_MOST_OF = 0.8
_MOST_LINES = 40  # of an error, for each kind of difference
_PASSENGERS = ("epoch",)  # entries that trainers store beside the parameters
_NUMBER = re.compile(r"(?<=\.)(\d+)(?=\.)")


class CheckpointError(ValueError):
    """A weights file is missing, unreadable, or does not belong to the network.

    Attributes:
        missing, unexpected, misshapen: all differing names in the file's own spelling.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        misshapen: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.misshapen = misshapen


def read_checkpoint(path: str | Path, *, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The entries of a weights file on the CPU, without wrappers.

    Tables in which trainers keep the parameters (``model``, ``state_dict``, ``model_state_dict``,
    ...) are unwrapped; averaged parameters (``ema``, ...) are preferred. A ``module.`` prefix of
    all names, ``_orig_mod.`` anywhere and the entry ``epoch`` are removed. Objects that trainers
    keep beside the parameters are skipped, others make the file be rejected: none is created.

    Args:
        path: the file.
        skip: beginnings of the full names of further classes to skip, such as ``"mmengine."``.

    Raises:
        CheckpointError: no such file, empty, truncated, corrupt, without parameters, or with
            parameters that are not finite.
    """
    path = Path(path)
    state = _unwrap(_content(path, skip))
    if not any(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no parameters: name a weights file")
    reject_broken(state, path)
    return state


def _content(path: Path, skip: tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not path.exists():
        raise CheckpointError(f"no weights file {path}")
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}: it is not a regular file")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty: fetch it again")
    if _is_safetensors(path):
        with _readable(path):
            return load_file(str(path))
    return _read_torch(path, skip)


def read_configured(path: str | Path, key: str = "model_config") -> tuple[dict[str, Any], Any]:
    """The entries of a torch file, and the configuration that it stores beside them.

    Raises:
        CheckpointError: as :func:`read_checkpoint`, or the file has no such configuration.
    """
    state, content = read_checkpoint(path), _content(Path(path))
    if not isinstance(content.get(key), Mapping):
        raise CheckpointError(
            f"{path} has no {key}: it is not a file of this family, or not the authors' own; name "
            "another"
        )
    return state, content[key]


def read_metadata(path: str | Path) -> dict[str, str]:
    """The free text entries in the header of a safetensors file; none for files of other kinds.

    Raises:
        CheckpointError: no such file, or it is truncated or corrupt.
    """
    path = Path(path)
    if path.is_dir():
        return {}
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}")
    if not _is_safetensors(path):
        return {}
    with _readable(path), safe_open(str(path), "pt") as file:
        return dict(file.metadata() or {})


def reject_broken(state: Mapping[str, Any], source: str | Path) -> None:
    """Raise CheckpointError with the names of parameters without usable values, if any.

    These are parameters that are not finite, that claim more values than the file has, or that
    are not dense.
    """
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if claimed := [name for name, value in tensors.items() if not is_plain(value)]:
        raise CheckpointError(
            f"{source} does not have the values of {len(claimed)} parameters (they are expanded, "
            "sparse, quantised or empty): save them as plain tensors, .contiguous()\n"
            + _listed(claimed)
        )
    broken = [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if broken:
        raise CheckpointError(
            f"{source} has NaN or infinite values in {len(broken)} parameters; fetch it again, or "
            f"take an earlier state of the training:\n{_listed(broken)}"
        )


def without_aliases(state: Mapping[str, Any], canonical: Callable[[str], str]) -> dict[str, Any]:
    """The entries of a file in which some tensors have a second name.

    Args:
        state: entries by the names of the file, either name or both.
        canonical: from a name to the first one of its tensor; itself where there is no other.

    Raises:
        CheckpointError: tensors of two names differ; the message lists the second names.
    """
    kept = {name: value for name, value in state.items() if canonical(name) == name}
    differing = []
    for name, value in state.items():
        first = kept.setdefault(canonical(name), value)
        if first is not value and not _equal(first, value):
            differing.append(name)
    if differing:
        raise CheckpointError(
            f"{len(differing)} parameters have two names in the file, with different values:\n"
            + "\n".join(f"  {name} and {canonical(name)}" for name in differing),
            misshapen=tuple(differing),
        )
    return kept


def without_prefix(state: dict[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """The entries without what a trainer put before all names (``model.``, ``net.``, ...).

    Args:
        state: entries by the names of the file.
        wanted: names that the network has. ``state`` is returned as it is where it has one of
            them, and where most names would not be those of the network without the prefix.
    """
    known, stripped = set(wanted), state
    while stripped and known.isdisjoint(stripped):
        prefixes = {name.partition(".")[0] for name in stripped}
        if len(prefixes) > 1 or not all("." in name for name in stripped):
            return state
        stripped = {name.partition(".")[2]: value for name, value in stripped.items()}
    common = len(known & stripped.keys())
    return stripped if common >= _MOST_OF * min(len(known), len(stripped)) else state


def load_strictly(
    network: nn.Module, state: Mapping[str, Any], names: Mapping[str, str], source: str
) -> None:
    """Copy the entries of ``state`` into ``network``; the names must match exactly.

    Args:
        network: receives the values in its own precision and on its own device.
        state: entries by the names of the file.
        names: maps the name of every state dict entry of the network to its name in the file.
        source: name of the file in the error message.

    Raises:
        CheckpointError: lists all missing, unexpected and mis-shaped names at once.
    """
    ours = network.state_dict()
    wanted = {names[name]: tuple(value.shape) for name, value in ours.items()}
    missing = tuple(name for name in wanted if name not in state)
    unexpected = tuple(name for name in state if name not in wanted)
    misshapen = tuple(
        name for name, shape in wanted.items() if name in state and _shape(state[name]) != shape
    )
    if missing or unexpected or misshapen:
        parts = [
            f"{source} does not fit this network: {len(missing)} parameters missing, "
            f"{len(unexpected)} unexpected, {len(misshapen)} of another shape"
            f"{_hint(missing, state, wanted) or '. Name the model that it belongs to'}"
        ]
        parts += _grouped("missing", {n: str(wanted[n]) for n in missing})
        parts += _grouped("unexpected", {n: str(_shape(state[n])) for n in unexpected})
        shapes = {n: f"{_shape(state[n])} in the file, {wanted[n]} here" for n in misshapen}
        parts += _grouped("shape", shapes)
        differing = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
        raise CheckpointError("\n".join(parts), **differing)
    network.load_state_dict({name: state[names[name]] for name in ours})


def save_checkpoint(
    network: nn.Module,
    path: str | Path,
    names: Mapping[str, str],
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the parameters as safetensors under their official names.

    Args:
        network, path, names: as for :func:`load_strictly`.
        dtype: precision of the file (float16 halves it); None keeps that of the network.
        metadata: free text entries in the header of the file.
    """
    tensors = {}
    for name, value in network.state_dict().items():
        target = dtype if dtype is not None and value.is_floating_point() else value.dtype
        tensors[names[name]] = value.detach().to("cpu", target).contiguous()
    save_file(tensors, str(path), metadata=dict(metadata or {}))


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:] == b"{")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file: it is truncated or corrupt, fetch it again"
        ) from error


def _read_torch(path: Path, skip: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        content = read_torch_file(path, skip=skip)
    except NotPlainError as error:
        raise CheckpointError(
            f"{path} is not a plain weights file: it is corrupt, or it holds objects other than "
            f"tensors, which are never executed ({shortened(error)}); fetch it again."
            f"{_way_out(path)}"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read: it is truncated or corrupt, fetch it again"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds no table of parameters by name, but a value of another kind: name a "
            "weights file"
        )
    return content


def _way_out(path: Path) -> str:
    """How to keep the parameters alone of a file that also holds objects; "" where there are none.

    The words name the entries that lead to the parameters in this very file.
    """
    try:
        content = read_torch_file(path, skip=("",))
    except Exception:  # the error of the caller tells more
        return ""
    state, keys = content, []
    while isinstance(state, Mapping):
        if any(isinstance(value, Tensor) for value in state.values()):
            entry = "".join(f"[{key!r}]" for key in keys)
            return (
                " If you trust its origin, keep the parameters alone, where the libraries it needs "
                "are installed: import torch; torch.save(torch.load("
                f"{path.name!r}, map_location='cpu', weights_only=False){entry}, 'parameters.pth')"
            )
        keys.append(next((w for w in _WRAPPERS if isinstance(state.get(w), Mapping)), None))
        state = None if keys[-1] is None or len(keys) > 8 else state[keys[-1]]
    return ""


def _unwrap(content: Mapping[str, Any]) -> dict[str, Any]:
    found = _innermost(content, set())
    entries = content if found is None else found
    state = {
        str(name).replace("_orig_mod.", ""): value
        for name, value in entries.items()
        if name not in _PASSENGERS
    }
    while state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


def _innermost(content: Mapping[str, Any], seen: set[int]) -> Mapping[str, Any] | None:
    """The first table with tensors below a wrapper, else this one if it has tensors."""
    seen.add(id(content))
    for wrapper in _WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping) and id(inner) not in seen:
            found = _innermost(inner, seen)
            if found is not None:
                return found
    has_tensors = any(isinstance(value, Tensor) for value in content.values())
    return content if has_tensors else None


def _hint(missing: tuple[str, ...], state: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs, in a clause, where all parameters are there under a longer name."""
    if not missing:
        return ""
    first = missing[0]
    for prefix in {name[: -len(first)] for name in state if name.endswith(f".{first}")}:
        if all(f"{prefix}{name}" in state for name in wanted):
            others = sum(not name.startswith(prefix) for name in state)
            return (
                f". All of its parameters are there with the prefix {prefix!r}, besides {others} "
                f"other entries: save those alone, {{k[{len(prefix)}:]: v for k, v in "
                f"state.items() if k.startswith({prefix!r})}}"
            )
    return ""


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _grouped(title: str, notes: Mapping[str, str]) -> list[str]:
    """One line per group of names that have the same note and differ only in block number."""
    families: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for name, note in notes.items():
        before, number, after = (*_NUMBER.split(name, 1), -1, "")[:3]
        families[before, after, note].append(int(number))
    lines = [
        _cut(f"  {title}: {before}{_runs(numbers)}{after} {note}")
        for (before, after, note), numbers in families.items()
    ]
    return _first(lines, f"groups of {title} names")


def _listed(names: list[str]) -> str:
    return "\n".join(_first([_cut(f"  {name}") for name in names], "names"))


def _first(lines: list[str], what: str) -> list[str]:
    left = len(lines) - _MOST_LINES
    return lines if left <= 0 else [*lines[:_MOST_LINES], f"  and {left} more {what}"]


def _runs(numbers: list[int]) -> str:
    """[3] -> "3", [0, 1, 2, 5] -> "{0-2,5}", and nothing for names without a number."""
    if numbers == [-1]:
        return ""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    return text if len(numbers) == 1 else f"{{{text}}}"


def shortened(error: BaseException) -> str:
    """The first line of an error, cut."""
    lines = str(error).splitlines()
    return _cut(lines[0] if lines else type(error).__name__)


def _cut(text: str) -> str:
    """Text of a file, in printable characters and at most 200 of them."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:200])
    return shown if len(text) <= 200 else f"{shown[:197]}..."

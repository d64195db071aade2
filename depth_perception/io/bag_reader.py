"""Recordings as people have them: ROS 2 and ROS 1 bags, whole, cut off, mixed, without metadata.

Whole recordings are read by the package ``rosbags``. What it does not open (a recorder that lost
power, channels of other recorders, edited quality of service) is read straight on to its end.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader as Ros2Reader
from rosbags.typesys import Stores, get_typestore

from ..limits import IMAGE_BYTES, METADATA_BYTES, printable, regular_file
from ..plain_yaml import load_yaml
from .suffixes import MCAP_MAGIC, ROS1_MAGIC, SQLITE_MAGIC, bags_inside, by_number

STORE = get_typestore(Stores.ROS2_HUMBLE)  # these message types are the same in later ones
_ROS1_STORE = get_typestore(Stores.ROS1_NOETIC)
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER = 3, 4, 5, 6, 15, 2
_METADATA = "metadata.yaml"

Message = tuple[Connection, int, bytes]


class BagReadError(OSError):
    """A bag is damaged, is not a bag, or lacks the requested topic."""


class Bag:
    """A recording: ``with Bag(path) as bag: ...``.

    Args:
        path: folder of a ROS 2 bag, or an .mcap, .db3 or ROS 1 .bag file.

    Attributes:
        connections: one for each topic and storage file.
        remark: what is unusual about the recording, "" for a whole one.

    Raises:
        BagReadError: on entering: missing, not a bag, or damaged from the start.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.connections: list[Connection] = []
        self._readers: list[Any] = []
        self._stack = ExitStack()

    def __enter__(self) -> Bag:
        try:
            for reader in _readers(self.path):
                self._readers.append(self._stack.enter_context(reader))
        except BagReadError:
            self._stack.close()
            raise
        except Exception as error:  # damaged files also end in struct, zstd and assertion errors
            self._stack.close()
            raise self._damaged() from error
        self.connections = [c for reader in self._readers for c in reader.connections]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def remark(self) -> str:
        return "; ".join(filter(None, (getattr(r, "remark", "") for r in self._readers)))

    def messages(self, connections: Sequence[Connection]) -> Iterator[Message]:
        """(connection, time of recording in ns, bytes) in the order of recording.

        Raises:
            BagReadError: at a damaged place.
        """
        for reader in self._readers:
            own = [c for c in reader.connections if any(c is wanted for wanted in connections)]
            try:
                yield from reader.messages(own) if own else ()
            except Exception as error:
                raise self._damaged() from error

    def _damaged(self) -> BagReadError:
        return BagReadError(
            f"bag {self.path} cannot be read: it is damaged, or stored in a way that is not "
            "supported; `ros2 bag reindex` or `mcap recover` may repair it"
        )


def deserialize(connection: Connection, raw: bytes) -> Any:
    """The message of its bytes, by the fields of ROS 2.

    Raises:
        Exception: of many kinds, for damaged bytes and unknown types.
    """
    if is_cdr(connection):
        return STORE.deserialize_cdr(raw, connection.msgtype)
    message = _ROS1_STORE.deserialize_ros1(raw, connection.msgtype)
    for name in ("D", "K", "R", "P"):  # of CameraInfo
        if hasattr(message, name):
            object.__setattr__(message, name.lower(), getattr(message, name))
    return message


def is_cdr(connection: Connection) -> bool:
    """Whether the messages of a connection are those of ROS 2."""
    return getattr(connection.ext, "serialization_format", "ros1") == "cdr"


def _readers(path: Path) -> Iterator[Any]:
    if not path.is_dir():
        yield _reader(path)
        return
    info = _metadata(path)
    if info is not None and (info.get("compression_mode") or "none").lower() != "none":
        yield Ros2Reader(path)
        return
    for file in _storage_files(path, info):
        yield _reader(file)


def _metadata(folder: Path) -> dict[str, Any] | None:
    """The description of a bag in its folder; None if it is missing or unreadable."""
    try:
        regular_file(folder / _METADATA, METADATA_BYTES)
        content = load_yaml((folder / _METADATA).read_bytes())
        return dict(content["rosbag2_bagfile_information"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _storage_files(folder: Path, info: dict[str, Any] | None) -> list[Path]:
    """The storage files of a bag, in the order of recording."""
    if info is not None:
        files = [folder / PurePath(str(name)).name for name in info.get("relative_file_paths", ())]
        if missing := [str(file) for file in files if not file.is_file()]:
            raise BagReadError(
                f"bag {folder} cannot be read: storage files are missing: "
                f"{printable(', '.join(missing))}; copy them too, or name one file of the bag"
            )
        return files
    found = [p for p in folder.iterdir() if p.suffix.lower() in (".mcap", ".db3")]
    if found:
        return sorted(found, key=by_number)
    if (folder / _METADATA).is_file():
        raise BagReadError(f"bag {folder} cannot be read: its {_METADATA} is damaged")
    inside = ", ".join(map(str, bags_inside(folder)))
    hint = f"but holds bags: {printable(inside)}" if inside else f"it has no {_METADATA}"
    raise BagReadError(f"{folder} is not a bag{',' if inside else ':'} {hint}")


def _reader(path: Path) -> Any:
    """A reader of one file, by its content."""
    try:
        regular_file(path)
    except FileNotFoundError as error:
        raise BagReadError(f"{path} is not a bag: there is no such file") from error
    except OSError as error:
        raise BagReadError(f"{path} is not a bag: {error}") from error
    with path.open("rb") as file:
        magic = file.read(16)
    if magic.startswith(ROS1_MAGIC):
        return _Ros1(path)
    if magic.startswith(MCAP_MAGIC):
        return _opened(path, StraightMcap)
    if magic.startswith(SQLITE_MAGIC):
        return _opened(path, PlainDatabase)
    what = "it is empty" if not magic else "its first bytes are those of no kind of bag"
    what += "; name an .mcap, .db3 or ROS 1 .bag file"
    raise BagReadError(f"bag {path} cannot be read: {what}")


def _opened(path: Path, straight: Callable[[Path], Any]) -> Any:
    """The reader of rosbags where it can open a file, else one that reads straight on."""
    try:
        with Ros2Reader(path) as reader:
            unsorted = getattr(reader.storage, "chunks", True) == [] and reader.message_count
    except Exception:
        return straight(path)
    return straight(path) if unsorted else Ros2Reader(path)


class _Ros1(Ros1Reader):
    """A ROS 1 bag."""

    def __enter__(self) -> _Ros1:
        try:
            return super().__enter__()
        except Exception as error:
            raise BagReadError(
                f"bag {self.path} cannot be read: it is a ROS 1 bag without a complete index; "
                f"`rosbag reindex {self.path}` makes one"
            ) from error


class StraightMcap:
    """An MCAP file (https://mcap.dev/spec) read from its start, up to its end or a cut.

    Channels that hold no ROS messages are left out. Messages of a cut chunk are read as far as its
    bytes can be decompressed.

    Attributes:
        connections: of ROS messages.
        remark: where the file is cut, else "".
    """

    def __init__(self, path: Path) -> None:
        self.remark = ""
        self.connections: list[Connection] = []
        self._path = path
        self._size = path.stat().st_size

    def __enter__(self) -> StraightMcap:
        schemas: dict[int, str] = {}
        channels: dict[int, tuple[str, str, str]] = {}
        counts: Counter[int] = Counter()
        for kind, body in self._records():
            if kind == _MESSAGE:
                counts[_number(body, 0, 2)] += 1
            elif kind == _SCHEMA:
                schemas[_number(body, 0, 2)] = _text(body, 2)[0]
            elif kind == _CHANNEL:
                topic, place = _text(body, 4)
                encoding, _ = _text(body, place)
                name = schemas.get(_number(body, 2, 2), "")
                channels[_number(body, 0, 2)] = topic, name, encoding
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        for key, (topic, name, encoding) in channels.items():
            if encoding in ("cdr", "ros1") and "/" in name:
                package, _, kind = name.replace("/msg/", "/").partition("/")
                extra = ConnectionExtRosbag2(encoding, [])
                self.connections.append(
                    Connection(
                        key, topic, f"{package}/msg/{kind}", nothing, "", counts[key], extra, self
                    )
                )
        if not channels:
            raise BagReadError(
                f"bag {self._path} cannot be read: it is cut before its first "
                "topic; record it again"
            )
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def messages(self, connections: Sequence[Connection]) -> Iterator[Message]:
        """The messages of some connections in the order of the file."""
        wanted = {c.id: c for c in connections}
        for kind, body in self._records():
            if kind == _MESSAGE and (connection := wanted.get(_number(body, 0, 2))) is not None:
                yield connection, _number(body, 6, 8), body[22:]

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Kind and content of all whole records, also of those in chunks."""
        with self._path.open("rb") as file:
            file.seek(len(MCAP_MAGIC))
            if not (yield from self._records_of(file, self._size)):
                self.remark = (
                    f"{self._path.name} is an unfinished recording, read up to its cut at "
                    f"{file.tell()} of {self._size} bytes; `mcap recover` repairs it"
                )

    def _records_of(self, file: BinaryIO, size: int) -> Any:
        """The records of a file or chunk; returns whether it ends with a whole record."""
        while len(head := file.read(9)) == 9:
            kind, length = head[0], _number(head, 1, 8)
            if kind in (_DATA_END, _FOOTER):
                return True
            body = file.read(min(length, size - file.tell()))
            whole = len(body) == length
            if kind == _CHUNK:
                content, sound = _chunk(body)
                whole &= sound
                whole &= bool((yield from self._records_of(BytesIO(content), len(content))))
            elif whole:
                yield kind, body
            if not whole:
                return False
        return not head and isinstance(file, BytesIO)  # a file ends with a footer


def _chunk(body: bytes) -> tuple[bytes, bool]:
    """The content of a chunk, and whether all of it could be decompressed."""
    try:
        claimed, checksum = _number(body, 16, 8), _number(body, 24, 4)
        compression, place = _text(body, 28)
        packed = body[place + 8 :][: _number(body, place, 8)]
        IMAGE_BYTES.check(claimed, "a chunk is too large")
        content = _decompressed(packed, compression, claimed)
    except Exception:  # of three libraries, at damaged places
        return b"", False
    sound = len(content) == claimed and (not checksum or zlib.crc32(content) == checksum)
    return content, sound


def _decompressed(packed: bytes, compression: str, most: int) -> bytes:
    if not compression:
        return packed
    if compression == "lz4":
        from lz4.frame import LZ4FrameDecompressor

        return LZ4FrameDecompressor().decompress(packed, max_length=most)
    if compression != "zstd":
        raise ValueError(compression)
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return zstd.ZstdDecompressor().decompress(packed, max_length=most)


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")


def _text(data: bytes, place: int) -> tuple[str, int]:
    """A text with its length in front, and where it ends."""
    end = place + 4 + _number(data, place, 4)
    return data[place + 4 : end].decode(errors="replace"), end


class PlainDatabase:
    """A .db3 file read by its two tables alone.

    Attributes:
        connections: its topics.
        remark: "".
    """

    remark = ""

    def __init__(self, path: Path) -> None:
        self.connections: list[Connection] = []
        self._path = path

    def __enter__(self) -> PlainDatabase:
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        rows = self._rows(
            "SELECT topics.id, name, type, serialization_format, count(messages.id) FROM topics "
            "LEFT JOIN messages ON topics.id = messages.topic_id GROUP BY topics.id"
        )
        for key, topic, kind, encoding, count in rows:
            extra = ConnectionExtRosbag2(encoding, [])
            if encoding == "cdr":
                connection = Connection(key, topic, kind, nothing, "", count, extra, self)
                self.connections.append(connection)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def messages(self, connections: Sequence[Connection]) -> Iterator[Message]:
        """The messages of some connections in the order of recording."""
        wanted = {c.id: c for c in connections}
        for key, moment_ns, raw in self._rows(
            "SELECT topic_id, timestamp, data FROM messages ORDER BY timestamp"
        ):
            if key in wanted:
                yield wanted[key], moment_ns, raw

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        address = f"{self._path.resolve().as_uri()}?immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as base:
            yield from base.execute(query)

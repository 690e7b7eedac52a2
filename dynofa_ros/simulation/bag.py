"""Read and write rosbag2 bags (MCAP, sqlite3) without ROS. Our types come from the msg folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rosbags.interfaces import (
    Connection,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.rosbag2.errors import ReaderError, WriterError
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from dynofa_ros.errors import ConfigError
from dynofa_ros.paths import share_dir

PACKAGE = "dynofa_ros"


class BagMessage(NamedTuple):
    """One recorded message, deserialised."""

    topic: str
    type_name: str
    time_ns: int  # of recording
    message: Any


@lru_cache(maxsize=1)
def _our_types() -> dict[str, Any]:
    folder = share_dir() / "msg"
    types: dict[str, Any] = {}
    for path in sorted(folder.glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    if not types:
        raise ConfigError(folder, "", "no message definitions found; reinstall the package")
    return types


def typestore(with_our_types: bool = True) -> Typestore:
    """Return the common ROS 2 message types and, unless told otherwise, this package's own."""
    store = get_typestore(Stores.ROS2_JAZZY)
    if with_our_types:
        store.register(_our_types())
    return store


def offered_qos(reliable: bool, latched: bool, depth: int = 10) -> Qos:
    """Return the QoS that a bag notes for a topic, so that `ros2 bag play` offers the same again."""
    unlimited = QosTime(9223372036, 854775807)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )


class BagWriter:
    """Write an MCAP bag (rosbag2 folder, chunks compressed with zstd) from serialised or plain messages.

    Use as a context manager; the index is written on leaving, also after an error.
    """

    def __init__(self, path: Path) -> None:
        """Create the bag folder `path`, which must not exist yet."""
        self._store = typestore()
        self._connections: dict[str, Connection] = {}
        try:
            self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise ConfigError(path, "", f"cannot create a bag here: {error}") from error

    def add_topic(self, topic: str, type_name: str, reliable: bool = True, latched: bool = False) -> None:
        """Announce a topic ("/name", "package/msg/Name"); a second call changes nothing."""
        if topic in self._connections:
            return
        try:
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._store, offered_qos_profiles=[offered_qos(reliable, latched)]
            )
        except (KeyError, TypesysError) as error:
            raise ConfigError(self._writer.path, topic, f"message type {type_name} is not known") from error

    def write_raw(self, topic: str, time_ns: int, cdr: bytes | memoryview) -> None:
        """Append one serialised (CDR) message of an announced topic."""
        self._writer.write(self._connections[topic], time_ns, cdr)

    def write(self, topic: str, time_ns: int, message: object) -> None:
        """Append one message built with the types of `typestore()`."""
        connection = self._connections[topic]
        self.write_raw(topic, time_ns, self._store.serialize_cdr(message, connection.msgtype))

    @property
    def types(self) -> dict[str, Any]:
        """Message classes by name, to build messages for `write`."""
        return dict(self._store.types)

    def close(self) -> None:
        """Write index and metadata."""
        self._writer.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BagReader:
    """Read a bag folder, .mcap or .db3 file, message by message in recorded order."""

    def __init__(self, path: Path) -> None:
        """Open the bag; ConfigError if it is missing, damaged or holds unknown types only."""
        self.path = path
        try:
            self._reader = Reader(path)
            self._reader.open()
        except (ReaderError, OSError) as error:
            raise ConfigError(path, "", f"not a readable rosbag2 bag: {error}") from error
        self._store = self._types_of_bag()

    def _types_of_bag(self) -> Typestore:
        store = typestore(with_our_types=False)
        known = dict(_our_types())
        for connection in self._reader.connections:
            known.update(_embedded_types(connection))
        store.register({name: value for name, value in known.items() if name not in store.types})
        return store

    @property
    def topics(self) -> dict[str, str]:
        """Message type by topic, in order of name."""
        return dict(sorted((c.topic, c.msgtype) for c in self._reader.connections))

    def counts(self) -> dict[str, int]:
        """Return the number of messages by topic."""
        counts: dict[str, int] = {}
        for connection in self._reader.connections:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        return counts

    def messages(self, topics: Sequence[str] | None = None) -> Iterator[BagMessage]:
        """Yield messages (all topics, or those named) by rising time of recording."""
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not wanted:
            return
        try:
            for connection, time_ns, raw in self._reader.messages(connections=wanted):
                message = self._store.deserialize_cdr(raw, connection.msgtype)
                yield BagMessage(connection.topic, connection.msgtype, time_ns, message)
        except (ReaderError, SerdeError, KeyError) as error:
            raise ConfigError(self.path, "", f"the bag is damaged: {error}") from error

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _embedded_types(connection: Connection) -> dict[str, Any]:
    """Return the definitions that the bag carries for one topic; {} where it carries no readable one."""
    definition = connection.msgdef
    try:
        if definition.format == MessageDefinitionFormat.MSG:
            return dict(get_types_from_msg(definition.data, connection.msgtype))
        if definition.format == MessageDefinitionFormat.IDL:
            return dict(get_types_from_idl(definition.data))
    except TypesysError:
        return {}
    return {}

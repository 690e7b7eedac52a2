"""Compiled artefacts kept between starts: one file per content hash, checked before it is used.

An entry is a head of `HEAD_BYTES` (magic, length and SHA-256 of the payload, zeros) and the payload. One
that is truncated, altered or unreadable is removed, never used, and `log` says so.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

Payload = npt.NDArray[np.uint8]

MAGIC = b"dynofa/artefact/1"
HEAD = struct.Struct("<32sQ32s")
HEAD_BYTES = 4096
"""The payload starts on a page, so that it can be mapped as it is."""
SUFFIX = ".artefact"
PARTIAL = ".partial"
DEFAULT_MAX_BYTES = 2_000_000_000


def artefact_key(*parts: object) -> str:
    """Hexadecimal SHA-256 over everything that an artefact depends on."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


class Artefact:
    """A verified payload, mapped from its file: writing into `data` changes this process's copy alone."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self._mapping = mapping
        self.data: Payload = np.frombuffer(mapping, np.uint8, offset=HEAD_BYTES)

    def release_pages(self) -> None:
        """Give the memory of pages that were read back; one that is read again comes from the file."""
        self._mapping.madvise(mmap.MADV_DONTNEED)


class ArtefactCache:
    """Files in `folder`, at most `max_bytes` together; the longest unused go first."""

    def __init__(
        self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES, log: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder, self.max_bytes, self._log = folder, max_bytes, log

    def load(self, key: str) -> Artefact | None:
        """What is stored under `key`, verified; None where there is no good entry."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.discard(key, f"cannot be read: {error}")
            return None
        problem = _problem(content)
        if problem:
            self.discard(key, problem)
            return None
        with suppress(OSError):
            os.utime(path)
        return Artefact(content)

    def store(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`. A full disk or a read-only folder costs time at the next start."""
        if HEAD_BYTES + len(data) > self.max_bytes:
            self._log(f"artefact of {len(data)} bytes is not kept: the cache is bounded to {self.max_bytes}")
            return
        try:
            self._write(self._path(key), data)
            self._evict(keep=self._path(key))
        except OSError as error:
            self._log(f"artefact is not kept in {self.folder}: {error.strerror or error}")

    def discard(self, key: str, why: str) -> None:
        """Remove an entry that cannot be used, and say so."""
        path = self._path(key)
        self._log(f"cached artefact {path}: {why}; it is built again")
        with suppress(OSError):
            path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        """Write at once: readers see the old entry or the whole new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        head = HEAD.pack(MAGIC, len(data), hashlib.sha256(data).digest())
        handle, partial = tempfile.mkstemp(dir=self.folder, suffix=PARTIAL)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(head.ljust(HEAD_BYTES, b"\0"))
                file.write(data)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise

    def _evict(self, keep: Path) -> None:
        """Remove the longest unused entries until all fit."""
        files = (file for file in self.folder.iterdir() if file.suffix in (SUFFIX, PARTIAL))
        entries = [(entry, entry.stat()) for entry in files]
        total = sum(status.st_size for _, status in entries)
        for entry, status in sorted(entries, key=lambda pair: pair[1].st_mtime_ns):
            if total <= self.max_bytes:
                return
            if entry != keep:
                entry.unlink(missing_ok=True)
                total -= status.st_size
                self._log(
                    f"artefact {entry.name} was removed: the cache is bounded to {self.max_bytes} bytes"
                )


def _problem(content: mmap.mmap) -> str:
    """What is wrong with an entry; empty if nothing."""
    if len(content) < HEAD_BYTES:
        return f"is truncated to {len(content)} bytes"
    magic, length, digest = HEAD.unpack_from(content)
    if magic.rstrip(b"\0") != MAGIC:
        return "is not an artefact of this version"
    if len(content) != HEAD_BYTES + length:
        return f"has {len(content)} bytes where its head says {HEAD_BYTES + length}"
    with memoryview(content) as view, view[HEAD_BYTES:] as payload:
        if hashlib.sha256(payload).digest() != digest:
            return "has another SHA-256 than its head says"
    return ""

"""The cache of compiled artefacts: whole and right, or not used."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dynofa_ros.engine.artefacts import HEAD_BYTES, ArtefactCache, artefact_key


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path, log) -> ArtefactCache:
    return ArtefactCache(tmp_path / "artefacts", max_bytes=10 * HEAD_BYTES, log=log.append)


def test_what_was_stored_is_loaded(cache, log):
    cache.store("key", b"payload")
    assert bytes(cache.load("key").data) == b"payload"
    assert cache.load("other") is None
    assert not log


def test_pages_that_were_released_are_read_from_the_file_again(cache):
    content = np.random.default_rng(0).integers(0, 256, 3 * HEAD_BYTES, np.uint8)
    cache.store("key", content.tobytes())
    artefact = cache.load("key")
    artefact.release_pages()
    assert np.array_equal(artefact.data, content)


def test_writing_into_a_loaded_artefact_leaves_the_file(cache):
    cache.store("key", b"payload")
    cache.load("key").data[:] = 0
    assert bytes(cache.load("key").data) == b"payload"


@pytest.mark.parametrize("offset", [0, 20, 40, 70, HEAD_BYTES, HEAD_BYTES + 6])
def test_any_changed_byte_that_matters_is_noticed(cache, log, offset):
    cache.store("key", b"payload")
    (entry,) = cache.folder.iterdir()
    content = bytearray(entry.read_bytes())
    content[offset] ^= 0x40
    entry.write_bytes(content)
    assert cache.load("key") is None
    assert not entry.exists()
    assert str(entry) in log[0]


@pytest.mark.parametrize("length", [0, 1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 6])
def test_a_truncated_entry_is_noticed(cache, log, length):
    cache.store("key", b"payload")
    (entry,) = cache.folder.iterdir()
    os.truncate(entry, length)
    assert cache.load("key") is None
    assert len(log) == 1


def test_the_longest_unused_goes_first(cache, log):
    for index, key in enumerate("abcd"):
        cache.store(key, bytes(HEAD_BYTES))
        os.utime(cache.folder / f"{key}.artefact", (index, index))
    cache.load("a")
    cache.store("e", bytes(2 * HEAD_BYTES))
    assert [key for key in "abcde" if cache.load(key) is not None] == ["a", "c", "d", "e"]
    assert len(log) == 1
    assert "b.artefact" in log[0]


def test_what_is_larger_than_the_cache_is_not_kept(cache, log):
    cache.store("key", bytes(11 * HEAD_BYTES))
    assert cache.load("key") is None
    assert "bounded" in log[0]


def test_a_folder_that_cannot_be_written_costs_no_more_than_the_cache(tmp_path, log):
    (tmp_path / "file").touch()
    cache = ArtefactCache(tmp_path / "file" / "artefacts", log=log.append)
    cache.store("key", b"payload")
    assert "not kept" in log[0]
    assert cache.load("key") is None


def test_nothing_partial_is_left_behind(cache):
    cache.store("key", b"one")
    cache.store("key", b"two")
    assert [file.name for file in cache.folder.iterdir()] == ["key.artefact"]
    assert bytes(cache.load("key").data) == b"two"


def test_keys_tell_their_parts_apart():
    assert artefact_key("ab", "c") != artefact_key("a", "bc")
    assert artefact_key("a", 1) != artefact_key("a", "1")

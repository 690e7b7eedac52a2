"""Keeps what was derived from a few objects that stay the same from decision to decision."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The newest `size` results by key and by the identity of `objects`, which are held meanwhile.

    Identity instead of equality: to compare fifty operating points costs more than to use them. Newest means
    built last: what is asked for again and again does not change its place.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, tuple[Sequence[object], T]] = {}

    def get(self, objects: Sequence[object], key: Hashable, build: Callable[[], T]) -> T:
        """The result for `objects` and `key`, built where it is not known."""
        place = (*map(id, objects), key)
        known = self._kept.get(place)
        if known is not None:
            return known[1]
        result = build()
        self._kept[place] = (objects, result)
        if len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]
        return result

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

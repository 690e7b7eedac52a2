"""Keeps what was derived from a few objects that stay the same from decision to decision."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The newest `size` results by key and by the identity of `objects`, which are held meanwhile.

    Identity instead of equality: to compare fifty operating points costs more than to use them.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[Sequence[object], T]] = OrderedDict()

    def get(self, objects: Sequence[object], key: Hashable, build: Callable[[], T]) -> T:
        """The result for `objects` and `key`, built where it is not known."""
        place = (tuple(map(id, objects)), key)
        known = self._kept.get(place)
        if known is not None:
            self._kept.move_to_end(place)
            return known[1]
        result = build()
        self._kept[place] = (objects, result)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return result

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

"""Memory that ends where the process may read no further: one byte too many is a segmentation fault."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)


def guarded(size: int) -> np.ndarray:
    """uint8 (size,), writeable; an unreadable page follows it, another precedes the page it begins in."""
    page = mmap.PAGESIZE
    pages = -(-size // page)
    memory = np.frombuffer(mmap.mmap(-1, (pages + 2) * page), np.uint8)
    for at in (0, (pages + 1) * page):
        if _libc.mprotect(ctypes.c_void_p(memory.ctypes.data + at), ctypes.c_size_t(page), _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    end = (pages + 1) * page
    return memory[end - size : end]

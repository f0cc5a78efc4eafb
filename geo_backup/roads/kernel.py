"""Kernel: what compiled functions share: their decorator, the type of their arrays, the number that says "no way".

Arrays that are indices come to kernels as uint32: numba then spares the test for negative ones.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy.typing as npt

Array = npt.NDArray[Any]
Number = Any
"""A scalar inside a kernel, of whichever width numba gives it."""
F = TypeVar("F", bound=Callable[..., Any])
Of = TypeVar("Of")
Made = TypeVar("Made")

INF_MS = (1 << 30) - 1
"""No way. Two of them still fit into an int32."""

_TEXTS = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
_SOURCES = hashlib.sha256(b"".join(text for text in _TEXTS if b"@kernel" in text))

KERNELS: list[Any] = []
"""Every compiled function that has been imported."""


def kernel(function: F) -> F:
    """Decorator of every compiled function: cached on disk, and free of the interpreter's lock.

    Numba calls its cache stale when the function's own file has changed, but a kernel has those it calls inside it,
    and they may come from another here: a cache holds for exactly these sources of all kernels.
    """
    import numba  # slow to import, and many who need the types have no kernels

    compiled = numba.njit(cache=True, nogil=True)(function)
    sources = _SOURCES.copy()
    sources.update(Path(function.__code__.co_filename).read_bytes())
    compiled._cache._cache_file._source_stamp = sources.digest()
    KERNELS.append(compiled)
    return cast(F, compiled)


def in_cache() -> tuple[int, int]:
    """How many of the kernels are in the cache on disk, and how many there are."""
    return sum(bool(compiled._cache._cache_file._load_index()) for compiled in KERNELS), len(KERNELS)


def without_blas() -> None:
    """Spare a process that is this program's own the half of SciPy that numba imports to see if kernels may use BLAS:
    none does. To be called before another thread begins to import."""
    if "scipy.linalg" not in sys.modules:
        sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
        try:
            pass  # it asks once, at its import
        finally:
            del sys.modules["scipy.linalg"]


def read_only(array: Array) -> Array:
    """A view that nobody writes to. To the compiler it is another type: a kernel that gets now this and now that is
    compiled twice."""
    view = array.view()
    view.setflags(write=False)
    return view


def per_network(make: Callable[[Of], Made]) -> Callable[[Of], Made]:
    """Decorator of what is made of a network (or of weights on one) on first use, and kept for as long as that is."""
    kept: WeakKeyDictionary[Of, Made] = WeakKeyDictionary()

    @wraps(make)
    def made(of: Of) -> Made:
        found = kept.get(of)
        if found is None:
            found = kept[of] = make(of)
        return found

    return made

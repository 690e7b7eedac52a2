"""The compiled branch and bound, src/arbiter_kernel.cpp, loaded with ctypes: it runs without the GIL.

It is optional. Without it search.py does the same with numpy; both are exact, and where the budget runs out
they may stop at different choices.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dynofa_ros.compiled import load_library
from dynofa_ros.manager.choice import Choices, Question
from dynofa_ros.manager.layout import Layout
from dynofa_ros.manager.power_model import FloatArray
from dynofa_ros.manager.remembered import Remembered
from dynofa_ros.manager.settings import IndexArray
from dynofa_ros.manager.tables import BoolArray

LIBRARY = "_arbiter_kernel"
CODES = {
    "busy": 0, "latency count": 1, "latency": 2, "min_accuracy count": 3, "min_accuracy": 4, "margin": 5,
    "accuracy": 6, "cost": 7, "accuracy of the others": 8, "clocks": 9,
}  # fmt: skip
"""Numbers as in the kernel."""

_COUNTS = (
    *("apps", "settings", "entries", "elements", "terms", "segments", "groups", "candidates", "budget"),
    *("flaws", "flawless"),
)
_OF_TABLES = ("overrun", "excess", "shortfall", "caution", "wanted", "busy", "power_w", "of_target")
_ARRAYS = (
    *("overrun", "excess", "shortfall", "caution", "wanted", "merit", "busy", "power_w"),
    *("of_target", "occupied_ms", "share", "element", "guarded", "kept"),
    *("start", "segment_app", "segment_of", "alone", "least_w", "least_busy"),
    *("background_w", "change_w", "candidate", "only_element", "order", "target_ms", "margin", "limit"),
    *("allowance_ms", "code", "concerned", "floor"),
)


class _Job(ctypes.Structure):
    """`DynofaArbiterJob` of src/arbiter_kernel.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _COUNTS),
        *((name, ctypes.c_void_p) for name in _ARRAYS),
        ("most_w", ctypes.c_double),
        ("known", ctypes.c_int64),
        ("setting", ctypes.c_int64),
        ("entry", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("left_out", ctypes.c_int64),
        ("nodes", ctypes.c_int64),
        ("bound", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Found:
    """What a search leads to."""

    best: Choices
    values: FloatArray
    bound: FloatArray | None
    """Terms that nothing left out undercuts; None where nothing was left out."""
    nodes: int


class ArbiterKernel:
    """The library's function."""

    def __init__(self, file: Path) -> None:
        """Load the library. OSError or AttributeError where it does not load or is another one."""
        library = ctypes.CDLL(str(file))
        self._search = library.dynofa_arbiter_search
        job_bytes = library.dynofa_arbiter_job_bytes
        job_bytes.restype = ctypes.c_int64
        if job_bytes() != ctypes.sizeof(_Job):
            raise OSError(f"{file} belongs to another version: build the package again")
        self.file = file

    def search(
        self, alone: Choices, of_setting: IndexArray, kept: BoolArray, most_w: float, budget: int
    ) -> Found | None:
        """Search the settings of these open choices among the entries `kept`.

        `of_setting` has what every application takes alone, shape (applications, settings of the board).
        None where no choice keeps the power.

        Raises:
            RuntimeError: the kernel refuses the job: a defect.

        """
        question = alone.question
        held: list[object] = [of_setting, kept, alone.setting, question.change_w]
        entry, values = np.zeros(len(of_setting), np.int64), np.zeros(len(question.kinds))
        bound = np.zeros(len(question.kinds))
        job = _Job(
            **_layout_fields(question.layout),
            **_question_fields(question, held),
            candidates=len(alone),
            budget=budget,
            flawless=alone.flawless,
            alone=_address(of_setting),
            kept=_address(kept),
            candidate=_address(alone.setting),
            most_w=most_w,
            entry=_address(entry),
            values=_address(values),
            bound=_address(bound),
        )
        if self._search(ctypes.byref(job)):
            raise RuntimeError(f"arbiter kernel refuses a job with {len(of_setting)} applications")
        if not job.known:
            return None
        best = Choices(question, np.array([job.setting]), entry[:, None])
        return Found(best, values, bound if job.left_out else None, job.nodes)


_OF_LAYOUT: Remembered[tuple[dict[str, int], list[object]]] = Remembered(16)


def _layout_fields(layout: Layout) -> dict[str, int]:
    """What stays the same from decision to decision."""
    return _OF_LAYOUT.get([layout], (), lambda: _laid_out(layout))[0]


def _laid_out(layout: Layout) -> tuple[dict[str, int], list[object]]:
    arrays = {
        name: getattr(layout, name) for name in ("share", "element", "start", "segment_app", "segment_of")
    }
    arrays["merit"] = layout.entry_merit
    arrays["only_element"] = np.array(layout.only_element, dtype=np.int64)
    fields = {
        "apps": len(layout.only_element),
        "settings": layout.settings.count,
        "entries": len(layout.point),
        "elements": len(layout.elements),
        "segments": len(layout.start),
        "groups": layout.segment_of.shape[1],
        **{name: _address(values) for name, values in arrays.items()},
    }
    return fields, list(arrays.values())


def _question_fields(question: Question, held: list[object]) -> dict[str, int]:
    """What belongs to this decision; `held` keeps alive what is made here."""
    tables, apps = question.tables, question.problem.applications
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "background_w": question.background_w,
        "change_w": question.change_w,
        "least_w": question.least_power_w,
        "order": np.array([a for level in question.levels for a in level], dtype=np.int64),
        "target_ms": np.array([app.latency_ms for app in apps]),
        "margin": np.array([app.margin for app in apps]),
        "limit": question.limits,
        "code": np.array([CODES[kind.name] for kind in question.kinds], dtype=np.int64),
        "concerned": np.array([sum(1 << a for a in kind.apps) for kind in question.kinds], dtype=np.int64),
        "floor": question.floor,
        "guarded": tables.guarded,
    }
    for name in _OF_TABLES:
        arrays[name] = getattr(tables, name)
    if max(question.layout.only_element) >= 0:
        arrays["least_busy"] = question.least_busy
    if question.coupled:
        arrays |= {"allowance_ms": question.allowance_ms, "occupied_ms": question.occupied_ms}
    held.append(arrays)
    fields = {name: _address(values) for name, values in arrays.items()}
    return {**fields, "terms": len(question.kinds), "flaws": question.flaws}


def _address(values: npt.NDArray[np.generic]) -> int:
    """Where the values begin: they lie one after the other, which `ArbiterKernel.search` relies on."""
    if not values.flags.c_contiguous:
        raise ValueError("the kernel takes contiguous arrays only: a defect")
    return int(values.__array_interface__["data"][0])


@lru_cache(maxsize=1)
def _loaded() -> tuple[ArbiterKernel | None, str]:
    """The kernel, and what to tell people."""
    kernel, problem = load_library(LIBRARY, "manager", ArbiterKernel)
    return kernel, "compiled kernel" if kernel else f"numpy ({problem})"


def load() -> ArbiterKernel | None:
    """The kernel, or None where it was not built."""
    return _loaded()[0]


def describe() -> str:
    """Which implementation searches, and why not the compiled one, for logs and diagnostics."""
    return _loaded()[1]

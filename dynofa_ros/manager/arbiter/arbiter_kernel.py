"""The compiled arbiter, src/arbiter, loaded with ctypes: it runs without the GIL.

It is optional. Without it search.py does the same with numpy; both are exact, and where the budget runs out
they may stop at different choices.
"""

from __future__ import annotations

import ctypes
import math
from array import array
from functools import lru_cache
from pathlib import Path
from typing import Any, Union

import numpy.typing as npt

from dynofa_ros.compiled import load_library
from dynofa_ros.manager.arbiter.choice import Question, Ranking
from dynofa_ros.manager.arbiter.chosen import Figures
from dynofa_ros.manager.arbiter.found import Found, bound_of
from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.arbiter.tables import current_merit, forbidden_points, parameters, switch_use

LIBRARY = "_arbiter_kernel"
CODES = {
    "busy": 0, "latency count": 1, "latency": 2, "min_accuracy count": 3, "min_accuracy": 4, "margin": 5,
    "accuracy": 6, "cost": 7, "accuracy of the others": 8, "clocks": 9,
}  # fmt: skip
"""Numbers as in the kernel."""


WIDTH = len(Figures._fields)
Memory = Union["array[float]", "array[int]", npt.NDArray[Any]]

_LAYOUT_ARRAYS = (
    *("time_ms", "active_w", "mhz", "point", "app_of", "element_of", "domain_of", "share_of"),
    *("merit", "accuracy", "start", "segment_app", "segment_of", "only_element"),
)


class _Layout(ctypes.Structure):
    """`DynofaArbiterLayout` of src/arbiter/job.h."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("apps", "settings", "entries", "elements", "segments", "groups")
        ),
        *((name, ctypes.c_void_p) for name in _LAYOUT_ARRAYS),
    )


class _Job(ctypes.Structure):
    """`DynofaArbiterJob` of src/arbiter/job.h."""

    _fields_ = (
        ("layout", ctypes.POINTER(_Layout)),
        *((name, ctypes.c_int64) for name in ("terms", "budget", "flaws")),
        *((name, ctypes.c_void_p) for name in ("pair", "app", "current", "current_mhz", "forbidden")),
        *((name, ctypes.c_void_p) for name in ("background_w", "change_w", "limit", "order")),
        *((name, ctypes.c_void_p) for name in ("allowance_ms", "period_ms", "code", "concerned", "floor")),
        ("limit_w", ctypes.c_double),
        *((name, ctypes.c_int64) for name in ("known", "setting", "nodes")),
        *((name, ctypes.c_void_p) for name in ("entry", "values", "figures")),
        ("left_out", ctypes.c_int64),
        ("bound", ctypes.c_void_p),
    )


class ArbiterKernel:
    """The library's functions."""

    def __init__(self, file: Path) -> None:
        """Load the library. OSError or AttributeError where it does not load or is another one."""
        library = ctypes.CDLL(str(file))
        self._solve, self._evaluate = library.dynofa_arbiter_solve, library.dynofa_arbiter_evaluate
        self._evaluate.restype = None
        size = library.dynofa_arbiter_bytes
        size.restype = ctypes.c_int64
        if size() != ctypes.sizeof(_Layout) + ctypes.sizeof(_Job):
            raise OSError(f"{file} belongs to another version: build the package again")
        self.file = file

    def solve(self, question: Question, budget: int) -> Found:
        """The best choice, or the best until `budget` partial choices were examined.

        Raises:
            RuntimeError: the kernel refuses the job or finds nothing: a defect.

        """
        posed = _Posed.of(question)
        job = posed.job
        job.budget, job.known, job.nodes, job.left_out = budget, 0, 0, 0
        if self._solve(ctypes.byref(job)) or not job.known:
            raise RuntimeError(f"the arbiter's kernel finds no choice for {posed.apps} applications")
        left_out = bound_of(question, posed.values, posed.bound) if job.left_out else None
        entries, values = tuple(posed.entry), tuple(posed.values)
        return Found(job.setting, entries, values, left_out, job.nodes, posed.read_figures())

    def evaluate(self, question: Question, entries: tuple[int, ...]) -> tuple[Figures, ...]:
        """What the entries of a complete choice lead to."""
        posed, entry = _Posed.of(question), array("q", entries)
        self._evaluate(
            ctypes.byref(posed.job), ctypes.c_void_p(_address(entry)), ctypes.c_void_p(posed.job.figures)
        )
        return posed.read_figures()


class _Posed:
    """A question in the kernel's terms; holds the memory that the job points to."""

    def __init__(self, question: Question) -> None:
        problem, layout, coupled = question.problem, question.layout, question.coupled
        self.apps, terms = len(problem.applications), len(question.kinds)
        self.entry = array("q", bytes(8 * self.apps))
        self.values, self.bound = _zeros(terms), _zeros(terms)
        self.figures = _zeros(self.apps * WIDTH)
        self.surroundings = _Surroundings.of(question)
        pairs = parameters(problem, layout.elements)
        self.pair = array("d", [value for row in pairs for value in row])
        self.app = array("d", [value for row in _applications(question) for value in row])
        self.current = array("q", _currents(question))
        self.forbidden = _forbidden(question)
        self.allowances = question.allowances if coupled else None
        self.job = _Job(
            **self.surroundings.addresses,
            layout=self.surroundings.laid_out.pointer,
            terms=terms,
            flaws=question.flaws,
            pair=_address(self.pair),
            app=_address(self.app),
            current=_address(self.current),
            forbidden=_address(self.forbidden) if self.forbidden else None,
            allowance_ms=_address(self.allowances.ms) if self.allowances else None,
            period_ms=_address(self.allowances.period_ms) if self.allowances else None,
            limit_w=question.limit_w,
            entry=_address(self.entry),
            values=_address(self.values),
            bound=_address(self.bound),
            figures=_address(self.figures),
        )

    @classmethod
    def of(cls, question: Question) -> _Posed:
        """Kept for the last few questions."""
        return _POSED.get([question], (), lambda: cls(question))

    def read_figures(self) -> tuple[Figures, ...]:
        """What the kernel wrote last, a row per application."""
        figures = self.figures.tolist()
        return tuple([Figures(*figures[at : at + WIDTH]) for at in range(0, len(figures), WIDTH)])


class _Surroundings:
    """All of a question but its applications and its limit of power, in the kernel's terms."""

    def __init__(self, question: Question) -> None:
        layout, clocks = question.layout, question.problem.clocks
        self.laid_out = _OF_LAYOUT.get([layout], (), lambda: _LaidOut(layout))
        self.arrays: dict[str, Memory] = {
            "current_mhz": array("d", [*(table.current_mhz for table in clocks), math.nan]),
            "background_w": question.background_w,
            "change_w": question.change_w,
            "limit": array("d", question.busy_limits),
            "floor": question.floor,
            **_terms(question.ranking),
        }
        self.addresses = {name: _address(memory) for name, memory in self.arrays.items()}

    @classmethod
    def of(cls, question: Question) -> _Surroundings:
        """Kept for the last few: questions that differ in their applications alone are posed in turn."""
        problem = question.problem
        shared = [problem.clocks, problem.elements, problem.power, problem.other_clocks, problem.busy_limits]
        key = (problem.busy_limit, problem.horizon_s)
        return _SURROUNDINGS.get([question.layout, question.ranking, *shared], key, lambda: cls(question))


class _LaidOut:
    """A layout in the kernel's terms."""

    def __init__(self, layout: Layout) -> None:
        self.only_element = array("q", layout.only_element)
        arrays = {name: getattr(layout, name) for name in _LAYOUT_ARRAYS if name != "only_element"}
        self.fields = _Layout(
            apps=len(layout.only_element),
            settings=layout.settings.count,
            entries=len(layout.point),
            elements=len(layout.elements),
            segments=len(layout.start),
            groups=layout.segment_of.shape[1],
            only_element=_address(self.only_element),
            **{name: _address(values) for name, values in arrays.items()},
        )
        self.pointer = ctypes.pointer(self.fields)


_POSED: Remembered[_Posed] = Remembered(8)
_SURROUNDINGS: Remembered[_Surroundings] = Remembered(8)
_OF_LAYOUT: Remembered[_LaidOut] = Remembered(64)


def _applications(question: Question) -> list[tuple[float, float, float, float]]:
    """`DynofaArbiterApplication`, one after the other."""
    problem, layout = question.problem, question.layout
    return [
        (app.latency_ms, app.margin, current_merit(app, first, layout), switch_use(problem, app))
        for app, first in zip(problem.applications, layout.first_point, strict=False)
    ]


def _forbidden(question: Question) -> array[int] | None:
    """1 for each point that is not allowed now; None where all are."""
    points = forbidden_points(question.problem, question.layout)
    if not points:
        return None
    marks = bytearray(len(question.layout.app_of))
    for point in points:
        marks[point] = 1
    return array("b", marks)


@lru_cache(maxsize=64)
def _terms(ranking: Ranking) -> dict[str, Memory]:
    """Applications by priority, and which terms there are."""
    return {
        "order": array("q", [a for level in ranking.levels for a in level]),
        "code": array("q", [CODES[kind.name] for kind in ranking.kinds]),
        "concerned": array("q", [sum(1 << a for a in kind.apps) for kind in ranking.kinds]),
    }


def _currents(question: Question) -> list[int]:
    """The point that each application runs, numbered through; -1 where there is none."""
    pairs = zip(question.problem.applications, question.layout.first_point, strict=False)
    return [-1 if app.current is None else first + app.current for app, first in pairs]


def _zeros(count: int) -> array[float]:
    return array("d", bytes(8 * count))


def _address(memory: Memory) -> int:
    """Where the values begin: they lie one after the other, else TypeError."""
    if isinstance(memory, array):
        return memory.buffer_info()[0]
    return ctypes.addressof(ctypes.c_char.from_buffer(memory.data))


@lru_cache(maxsize=1)
def _loaded() -> tuple[ArbiterKernel | None, str]:
    """The kernel, and what to tell people."""
    kernel, problem = load_library(LIBRARY, "manager/arbiter", ArbiterKernel)
    return kernel, "compiled kernel" if kernel else f"numpy ({problem})"


def load() -> ArbiterKernel | None:
    """The kernel, or None where it was not built."""
    return _loaded()[0]


def describe() -> str:
    """Which implementation searches, and why not the compiled one, for logs and diagnostics."""
    return _loaded()[1]

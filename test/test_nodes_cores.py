"""A worker is woken beside its caller, and may go anywhere afterwards."""

from __future__ import annotations

import os
import threading

import pytest

from dynofa_ros.nodes.cores import WakeElsewhere

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")


@pytest.fixture
def worker():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield thread
    end.set()
    thread.join()


@pytest.fixture
def own_cores():
    """Cores of this thread, given back at the end."""
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def test_the_callers_core_is_left_out_meanwhile_and_given_back(worker, own_cores):
    core = min(own_cores)
    os.sched_setaffinity(0, {core})
    with WakeElsewhere(worker):
        assert os.sched_getaffinity(worker.native_id) == (own_cores - {core} or own_cores)
    assert os.sched_getaffinity(worker.native_id) == own_cores


def test_a_worker_that_has_one_core_keeps_it(worker, own_cores):
    core = min(own_cores)
    os.sched_setaffinity(0, {core})
    os.sched_setaffinity(worker.native_id, {core})
    with WakeElsewhere(worker):
        assert os.sched_getaffinity(worker.native_id) == {core}
    assert os.sched_getaffinity(worker.native_id) == {core}


def test_a_worker_that_never_started_or_has_ended_changes_nothing(own_cores):
    thread = threading.Thread(target=str)
    with WakeElsewhere(thread):
        pass
    thread.start()
    thread.join()
    with WakeElsewhere(thread):
        pass
    assert os.sched_getaffinity(0) == own_cores

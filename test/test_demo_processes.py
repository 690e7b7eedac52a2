"""Supervision of child processes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

import pytest

from dynofa_ros.demo.processes import ChildFailed, Supervisor, log_tail

ENDLESS = "import time\nwhile True: time.sleep(0.05)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('up', flush=True)\n" + ENDLESS
)


def start(supervisor, name, code):
    supervisor.start(name, [sys.executable, "-c", code])


def wait_for(condition):
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_ends_by_itself_is_reported_with_its_last_words(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        start(supervisor, "camera", "print('lens is broken'); raise SystemExit(3)")
        wait_for(lambda: not supervisor.running)
        with pytest.raises(ChildFailed, match=r"(?s)camera ended by itself with code 3.*lens is broken"):
            supervisor.check()


def test_children_that_run_raise_no_complaint_and_are_ended_in_order(tmp_path):
    supervisor = Supervisor(tmp_path)
    start(supervisor, "a", ENDLESS)
    start(supervisor, "b", ENDLESS)
    supervisor.check()
    assert supervisor.running == ["a", "b"]
    supervisor.stop("a")
    assert supervisor.running == ["b"]
    supervisor.check()
    supervisor.stop_all()
    assert supervisor.running == []


def test_a_child_that_ignores_an_interrupt_is_terminated(tmp_path, monkeypatch):
    monkeypatch.setattr("dynofa_ros.demo.processes.INTERRUPT_S", 0.3)
    supervisor = Supervisor(tmp_path)
    start(supervisor, "stubborn", STUBBORN)
    wait_for(lambda: "up" in log_tail(tmp_path / "stubborn.log"))
    assert supervisor.stop("stubborn") == {"stubborn": -15}


def test_an_exception_leaves_no_child_behind(tmp_path):
    pids = []

    def interrupted():
        with Supervisor(tmp_path) as supervisor:
            start(supervisor, "a", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)")
            wait_for(lambda: log_tail(tmp_path / "a.log").strip().isdigit())
            pids.append(int(log_tail(tmp_path / "a.log")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not alive(pids[0])


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_children_end_when_the_demonstration_is_killed(tmp_path):
    code = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from dynofa_ros.demo.processes import Supervisor\n"
        f"supervisor = Supervisor(Path({str(tmp_path / 'inner')!r}))\n"
        "supervisor.start('a', [sys.executable, '-c', "
        "'import os, time; print(os.getpid(), flush=True); time.sleep(1000)'])\n"
        "time.sleep(1000)"
    )
    inner = tmp_path / "inner" / "a.log"
    supervisor = Supervisor(tmp_path)
    start(supervisor, "demo", code)
    wait_for(lambda: log_tail(inner).strip().isdigit())
    os.kill(supervisor.pid("demo"), signal.SIGKILL)
    pid = int(log_tail(inner))
    wait_for(lambda: not alive(pid))


def test_the_environment_reaches_the_child(tmp_path):
    with Supervisor(tmp_path, {"DYNOFA_TEST": "yes"}) as supervisor:
        start(supervisor, "a", "import os\nprint(os.environ['DYNOFA_TEST'])")
        wait_for(lambda: not supervisor.running)
        assert log_tail(tmp_path / "a.log").strip() == "yes"


def test_a_missing_log_has_a_tail_all_the_same(tmp_path):
    assert "empty" in log_tail(tmp_path / "nothing.log")


def test_the_co_runner_ends_with_the_process_that_started_it(tmp_path):
    code = (
        "import os, subprocess, sys\n"
        "command = [sys.executable, '-m', 'dynofa_ros.demo.corunner', str(os.getpid())]\n"
        "child = subprocess.Popen(command)\n"
        "print(child.pid, flush=True)"
    )
    with Supervisor(tmp_path) as supervisor:
        start(supervisor, "parent", code)
        wait_for(lambda: not supervisor.running)
    pid = int(log_tail(tmp_path / "parent.log").split()[0])
    wait_for(lambda: not alive(pid))

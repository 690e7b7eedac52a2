"""Where profiles are kept, and the profile that a starting node uses: the stored one, or a coarse new one."""

from __future__ import annotations

import fcntl
import os
import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import Fingerprint, machine_fingerprint
from dynofa_ros.engine.profile import Profile
from dynofa_ros.engine.profiler import COARSE_BUDGET_S, Progress, ignore_progress, profile_bank
from dynofa_ros.errors import ConfigError

Log = Callable[[str], None]

LOCK_WAIT_S = 30.0
LOCK_POLL_S = 0.05


def cache_dir() -> Path | None:
    """$XDG_CACHE_HOME/dynofa_ros, else ~/.cache/dynofa_ros; None where there is no home directory."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "dynofa_ros"
    home = Path(os.environ.get("HOME", ""))
    if not home.is_absolute():
        home = _account_home()
    return home / ".cache" / "dynofa_ros" if home.is_absolute() else None


def _account_home() -> Path:
    """The home directory of the account, for an unset or empty HOME; "." where the account is unknown."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path()


def default_path(fingerprint: Fingerprint) -> Path | None:
    """Where the profile of this machine and placement is kept."""
    base = cache_dir()
    return base and base / "profiles" / f"{_slug(fingerprint.family)}-{fingerprint.digest}.json"


def _slug(name: str) -> str:
    """A family's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:64]


def load_or_measure(
    bank: SubnetBank,
    path: Path | None = None,
    log: Log = lambda _: None,
    progress: Progress = ignore_progress,
    budget_s: float = COARSE_BUDGET_S,
) -> Profile:
    """The profile of `bank`: from `path` if given; else from the cache, measured and stored at first start.

    Processes that start together measure one after the other, so that they do not disturb each other, and the
    later ones find the result.

    Raises:
        ConfigError: `path` is given and cannot be used, e.g. a profile of another machine.
    """
    fingerprint = machine_fingerprint(bank)
    if path is not None:
        return _complete(Profile.load(path, fingerprint), bank, path)
    stored = default_path(fingerprint)
    with _exclusive(stored, log):
        if stored is not None and stored.exists():
            try:
                return _complete(Profile.load(stored, fingerprint), bank, stored)
            except ConfigError as error:
                log(f"stored profile is not usable and is measured anew: {error}")
        log(f"no profile of ({fingerprint}) yet: measuring {len(bank.names)} sub-networks for a few seconds")
        profile = profile_bank(bank, budget_s=budget_s, progress=progress)
        if profile.disturbed:
            log(disturbance(profile))
        _store(profile, stored, log)
        return profile


def disturbance(profile: Profile) -> str:
    """What to tell people about a profile that other programs disturbed."""
    return (
        f"other programs took the cores away while measuring {', '.join(profile.disturbed)}: latencies are "
        f"estimates; on the idle machine run: dynofa profile {profile.fingerprint.family}"
    )


def _complete(profile: Profile, bank: SubnetBank, path: Path) -> Profile:
    """Refuse a profile that lacks a resident sub-network."""
    missing = [name for name in bank.names if name not in profile.subnets]
    if missing:
        raise ConfigError(path, "subnets", f"{', '.join(missing)} not in the profile: measure it again")
    return Profile(profile.fingerprint, {name: profile.subnets[name] for name in bank.names})


def _store(profile: Profile, path: Path | None, log: Log) -> None:
    """Keep the profile for the next start, if there is a place for it."""
    if path is None:
        log("profile is not stored: neither XDG_CACHE_HOME nor a home directory exists")
        return
    try:
        profile.save(path)
        log(f"profile stored in {path}")
    except OSError as error:
        log(f"profile is not stored: {error}")


@contextmanager
def _exclusive(path: Path | None, log: Log) -> Iterator[None]:
    """Hold the measuring lock of this user, where there is a writable cache."""
    try:
        if path is None:
            raise OSError("no cache directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = (path.parent / ".measuring.lock").open("w")
    except OSError as error:
        log(f"profiling without a lock: {error}")
        yield
        return
    with file:
        if not _lock(file):
            log("another process has been measuring for long: profiling beside it")
        yield


def _lock(file: TextIO) -> bool:
    """Wait for the lock, for a bounded time: a stopped process must not keep others from starting."""
    for _ in range(int(LOCK_WAIT_S / LOCK_POLL_S)):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_POLL_S)
    return False

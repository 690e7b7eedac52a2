"""The native back end computes what OpenVINO computes, also from the cache, and says what it lacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dynofa_ros import compiled
from dynofa_ros.engine import native_backend, native_library
from dynofa_ros.engine.artefacts import HEAD_BYTES, ArtefactCache
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.backends import available_placements, create_backend
from dynofa_ros.engine.native_backend import NativeBackend
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.supernet.family import random_family
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import uniform_spec
from engine_samples import SPACE, mixed_spec, small_family

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def backend() -> NativeBackend:
    try:
        return NativeBackend()
    except BackendUnavailable as error:
        pytest.skip(str(error))


def image(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), np.uint8)


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "spec",
    [uniform_spec("smallest", 64, 2, 3, 3), mixed_spec("mixed", 96), uniform_spec("largest", 96)],
    ids=lambda spec: spec.name,
)
def test_logits_equal_those_of_openvino(backend, spec, threads):
    source = random_family(SPACE, [spec], 0).source(spec.name)
    own, other = backend.compile(source, threads), OpenVinoBackend().compile(source, threads)
    for picture in (image(spec.resolution), np.zeros_like(image(spec.resolution))):
        assert relative_error(own.infer(picture), other.infer(picture)) <= 1e-4


@pytest.mark.parametrize("width_mult", [0.35, 1.0, 1.2])
@pytest.mark.parametrize("resolution", [33, 50, 100])
def test_any_width_and_resolution(backend, width_mult, resolution):
    space = OfaMbv3Space(width_mult=width_mult, n_classes=7, resolutions=(resolution,))
    source = random_family(space, [mixed_spec("odd", resolution)], 1).source("odd")
    picture = image(resolution, 1)
    expected = OpenVinoBackend().compile(source, 1).infer(picture)
    assert relative_error(backend.compile(source, 2).infer(picture), expected) <= 1e-4


def test_logits_equal_the_torch_reference(backend):
    pytest.importorskip("torch", reason="the reference back end needs torch")
    from dynofa_ros.engine.torch_backend import TorchBackend

    source = small_family().source("middle")
    expected = TorchBackend().compile(source, 1).infer(image(64))
    assert relative_error(backend.compile(source, 1).infer(image(64)), expected) <= 1e-4


def test_every_inference_gives_the_same_bits(backend):
    source = small_family().source("large")
    networks = [backend.compile(source, 3) for _ in range(2)]
    expected = networks[0].infer(image(96))
    for _ in range(200):
        for network in networks:
            assert np.array_equal(network.infer(image(96)), expected)


def test_networks_take_turns_from_many_threads(backend):
    family = small_family()
    networks = {name: backend.compile(family.source(name), 2) for name in family.names}
    expected = {name: network.infer(image(network.resolution)) for name, network in networks.items()}
    wrong: list[str] = []

    def infer(name: str) -> None:
        results = [networks[name].infer_input() for _ in range(100)]
        wrong.extend(name for result in results if not np.array_equal(result, expected[name]))

    workers = [threading.Thread(target=infer, args=(name,)) for name in family.names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_more_threads_than_cores(backend):
    source = small_family().source("small")
    expected = backend.compile(source, 1).infer(image(64))
    assert relative_error(backend.compile(source, 13).infer(image(64)), expected) <= 1e-5


def test_a_forked_process_computes_on(backend):
    network = backend.compile(small_family().source("small"), 2)
    expected = network.infer(image(64))
    child = os.fork()
    if child == 0:
        results = [network.infer_input() for _ in range(3)]
        del network
        os._exit(0 if all(np.array_equal(result, expected) for result in results) else 1)
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process hangs")
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_caller_owns_the_logits(backend):
    compiled = backend.compile(small_family().source("small"), threads=1)
    first = compiled.infer(image(64, 1))
    kept = first.copy()
    second = compiled.infer(image(64, 2))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_a_cached_network_computes_the_same(backend, tmp_path):
    messages: list[str] = []
    cache = ArtefactCache(tmp_path, log=messages.append)
    source = small_family().source("middle")
    expected = backend.compile(source, 1).infer(image(64))
    for _ in range(2):
        assert np.array_equal(backend.compile(source, 1, cache).infer(image(64)), expected)
    assert np.array_equal(backend.compile(source, 1, cache).infer(image(64)), expected)
    assert len(list(tmp_path.iterdir())) == 1
    assert not messages


def test_an_altered_artefact_is_built_again(backend, tmp_path):
    messages: list[str] = []
    cache = ArtefactCache(tmp_path, log=messages.append)
    source = small_family().source("small")
    expected = backend.compile(source, 1, cache).infer(image(64))
    (entry,) = tmp_path.iterdir()
    data = bytearray(entry.read_bytes())
    data[HEAD_BYTES + 5000] ^= 1
    entry.write_bytes(data)
    assert np.array_equal(backend.compile(source, 1, cache).infer(image(64)), expected)
    assert len(messages) == 1
    assert "SHA-256" in messages[0]


def test_a_payload_that_is_no_program_is_built_again(backend, tmp_path):
    messages: list[str] = []
    cache = ArtefactCache(tmp_path, log=messages.append)
    source = small_family().source("small")
    expected = backend.compile(source, 1, cache).infer(image(64))
    (entry,) = tmp_path.iterdir()
    cache.store(entry.stem, b"no program at all")
    assert np.array_equal(backend.compile(source, 1, cache).infer(image(64)), expected)
    assert "is no program" in messages[0]


def test_only_fp32_on_the_cpu():
    with pytest.raises(BackendUnavailable, match="bf16 on cpu is not offered"):
        create_backend("native", "cpu", "bf16")


def test_an_absent_library_is_reported_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "_files", lambda *_: iter(()))
    native_library.load.cache_clear()
    try:
        _, missing = available_placements(1, ["native"])
        assert "build the package with a C++ compiler" in missing["cpu/native/fp32"]
        broken = tmp_path / "_network_kernels.so"
        broken.write_bytes(b"no library")
        monkeypatch.setattr(compiled, "_files", lambda *_: iter((broken,)))
        native_library.load.cache_clear()
        assert f"{broken} does not load" in available_placements(1, ["native"])[1]["cpu/native/fp32"]
    finally:
        native_library.load.cache_clear()


def test_a_processor_without_the_instructions_is_reported_by_name(backend, monkeypatch):
    class Without(native_library.NativeLibrary):
        def __init__(self, file: Path) -> None:
            super().__init__(file)
            self.instruction_set = ""

    monkeypatch.setattr(native_library, "NativeLibrary", Without)
    native_library.load.cache_clear()
    try:
        _, missing = available_placements(1, ["native"])
        assert "AVX-512" in missing["cpu/native/fp32"]
    finally:
        native_library.load.cache_clear()


def test_only_marked_functions_use_the_instructions(backend):
    """What runs before the processor was asked must run on every processor: the library loads there too."""
    disassembler = "objdump"
    try:
        text = subprocess.run(
            [disassembler, "-d", "--no-show-raw-insn", "-C", str(backend._library.file)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"{disassembler}: {error}")
    allowed = ("dynofa::product<", "dynofa::depthwise<", "dynofa::matrix_vector<", "dynofa::(anonymous")
    strangers = set()
    for function in text.split("\n\n"):
        name = function.splitlines()[0] if function.strip() else ""
        if "%zmm" in function and not any(mark in name for mark in allowed):
            strangers.add(name)
    assert not strangers


def test_the_code_that_makes_programs_is_part_of_the_key():
    assert len(native_backend._code_sha256()) == 64


def test_a_process_ends_while_networks_exist(backend):
    program = (
        "import numpy as np\n"
        "from dynofa_ros.engine.native_backend import NativeBackend\n"
        "from engine_samples import small_family\n"
        "network = NativeBackend().compile(small_family().source('small'), 3)\n"
        "network.infer_input()\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

"""Fixtures that make image files, and close the network; nothing is written outside pytest's own folders."""

import io
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

collect_ignore = ["trust/fuzz"]
"""Programs for atheris, which is not installed for tests."""


@pytest.fixture(scope="session", autouse=True)
def _caches_of_the_session(tmp_path_factory):
    """The caches of Hugging Face and of infomax lie in a folder of the test session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("huggingface")))
        patch.setenv("INFOMAX_CACHE", str(tmp_path_factory.mktemp("infomax-cache")))
        yield


LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "")
"""Where tests may connect: processes that train together are on this machine."""


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """Ctrl-C is answered, which a shell takes away from what it starts in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    """Stream sockets connect to this machine only, and only its names are looked up."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def refuse_others(host: Any) -> None:
        if host not in LOCAL and host != socket.gethostname():
            raise RuntimeError(f"a test asked the network for {host}; nothing leaves the machine unasked")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        is_stream = self.type == socket.SOCK_STREAM  # a datagram socket that connects sends nothing
        if is_stream and self.family in (socket.AF_INET, socket.AF_INET6):
            refuse_others(address[0])
        connect(self, address)

    def guarded_look_up(host: Any, *others: Any, **how: Any) -> Any:
        refuse_others(host.decode() if isinstance(host, bytes) else host or "")
        return look_up(host, *others, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture
def random_pixels() -> Callable[..., np.ndarray]:
    """Reproducible noise: (seed, height, width[, channels]) -> uint8."""
    return lambda seed, *shape: np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """An array or PIL image as the bytes of a file."""

    def _encode(image, fmt="PNG", **options) -> bytes:
        file = io.BytesIO()
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, fmt, **options)
        return file.getvalue()

    return _encode


@pytest.fixture
def write(tmp_path, encode) -> Callable[..., Path]:
    """Write bytes, an array or a PIL image below `tmp_path`, making folders."""

    def _write(name: str, content, **options) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fmt = {"jpg": "JPEG", "tif": "TIFF"}.get(path.suffix[1:], path.suffix[1:].upper())
        path.write_bytes(content if isinstance(content, bytes) else encode(content, fmt, **options))
        return path

    return _write


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, also the one that Playwright brings."""
    if found := shutil.which("node"):
        return found
    playwright = pytest.importorskip("playwright")
    return str(Path(playwright.__file__).parent / "driver" / "node")

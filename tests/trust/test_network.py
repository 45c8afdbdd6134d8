"""Nothing leaves the machine unless a name on the network is given: tests run with sockets closed."""

import socket
import subprocess
import sys

import datasets
import numpy as np
import pytest
from PIL import Image

from infomax.learning.data.loading import load_images

WATCHED = """
import socket, sys
asked = []
def note(kind):
    def refused(*given, **how):
        asked.append((kind, str(given[-1])[:80]))
        raise OSError("the network is closed")
    return refused
socket.socket.connect = note("connect")
socket.socket.connect_ex = note("connect")
socket.getaddrinfo = note("look up")
from infomax.learning.data.loading import load_images
for path in sys.argv[1:]:
    assert len(load_images(path, size=8, channels=3, cache=None, progress=False)) == 4, path
print(asked)
"""


def test_sockets_of_tests_are_closed():
    for address in (("192.0.2.1", 80), ("huggingface.co", 443)):
        with socket.socket() as one, pytest.raises(RuntimeError, match="asked the network for"):
            one.connect(address)
    with pytest.raises(RuntimeError, match=r"asked the network for huggingface\.co"):
        socket.getaddrinfo("huggingface.co", 443)


def test_processes_of_this_machine_still_find_each_other():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as one,
    ):
        assert one.getpeername() == server.getsockname()


def test_a_name_on_the_hub_asks_the_network_and_fails_in_a_line():
    with pytest.raises((ValueError, RuntimeError), match="the network"):
        load_images("hf:owner/name", size=8, channels=3, progress=False)


def test_local_tables_are_read_without_asking_anybody(tmp_path):
    pictures = [Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)) for i in range(4)]
    columns = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1, 0, 1]}, features=columns)
    rows.to_parquet(tmp_path / "train.parquet")
    rows.save_to_disk(tmp_path / "saved")
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    files = [str(tmp_path / "train.parquet"), str(arrow)]
    watched = subprocess.run(
        [sys.executable, "-c", WATCHED, *files], capture_output=True, text=True, timeout=300
    )
    assert watched.stdout.strip().splitlines()[-1:] == ["[]"], watched.stderr[-2000:]

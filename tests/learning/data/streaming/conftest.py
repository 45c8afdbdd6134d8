"""Shards of images, and a server of this machine that gives parts of files."""

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.fixture
def shards(tmp_path, write_tar, encode):
    """Write shards of images of one colour, the number of the row in red, and give their folder."""

    def _shards(*counts, kind="tar", folder="shards", labels=True, broken=()):
        root, row = tmp_path / folder, 0
        root.mkdir()
        for number, count in enumerate(counts):
            files = [b"junk" if one in broken else image(encode, one) for one in range(row, row + count)]
            path = root / f"part-{number:03d}.{kind}"
            if kind == "tar":
                names = range(row, row + count)
                members = {f"{name:04d}.png": file for name, file in zip(names, files, strict=True)}
                classes = {f"{name:04d}.cls": b"%d" % (name % 3) for name in names} if labels else {}
                write_tar(path, dict(sorted({**members, **classes}.items())))
            else:
                columns = {"image": [{"bytes": file, "path": None} for file in files]}
                columns |= {"label": [one % 3 for one in range(row, row + count)]} if labels else {}
                parquet.write_table(pa.table(columns), path, row_group_size=3)
            row += count
        return root

    return _shards


def image(encode, row):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[...] = row % 256, row // 256, 0
    return encode(pixels)


class Parts(SimpleHTTPRequestHandler):
    """Give parts of files where they are asked for, as stores of objects do."""

    def do_GET(self):
        wanted = self.headers.get("Range")
        if wanted is None:
            super().do_GET()
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        data = Path(self.translate_path(self.path)).read_bytes()
        part = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def served():
    """Serve a folder; give its address."""
    servers = []

    def _served(folder):
        server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *x: Parts(*x, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield _served
    for server in servers:
        server.shutdown()
        server.server_close()

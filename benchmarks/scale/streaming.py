"""How many images a second does training get from shards, beside decoded ones, and how long does a step wait?

    OMP_NUM_THREADS=1 python benchmarks/scale/streaming.py        # three minutes; --save keeps the results

16 shards of 1,000 JPEG files of 64 px, as WebDataset archives (`tar`), as Parquet files, and the archives
from a server of this machine; batches of 128, decoded to 64 px by `decode_image` everywhere. `decoded once`
is the first epoch of the usual loading, `from the cache` each later one. A step that computes elsewhere, as
on a GPU, is a pause of 64 ms: 2,000 images a second. What it waits for the next batch is measured after the
first one.

Other readers of archives (pip install webdataset torchdata; they need not be there) give the same images in a
shuffled order through a buffer of 4,096: webdataset alone and in torchdata's StatefulDataLoader with one
process of its own, and the streaming of `datasets`. `going on` is the time to the first batch after 100
batches, in a new process as it were, without seeing earlier images again.
"""

import io
import sys
import tarfile
import tempfile
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parent.parent))
from infomax.learning.data import decode_image, load_images, stream_images
from infomax.learning.data.streaming.ahead import num_threads, streamed
from recording import arguments_of, environment, report

BATCH, SIDE, NUM_SHARDS, NUM_EACH, WINDOW = 128, 64, 16, 1000, 4096
DECODE = partial(decode_image, size=(SIDE, SIDE))
PAUSE = BATCH / 2000


def main():
    arguments = arguments_of(__doc__, batches=100)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [jpeg(row) for row in range(2000)]
        archives, tables = folder / "tar", folder / "parquet"
        write(files, archives, tables)
        results = {
            "Images a second": [
                *ours(arguments.batches, archives, tables),
                *others(arguments.batches, archives),
            ],
            "Waiting of a step": [waiting(archives, 150), waiting(tables, 150)],
        }
    about = environment("webdataset", "torchdata", "datasets", "pillow", "pyarrow")
    title = "Images from shards, beside decoded ones"
    report("scale_streaming", title, {**about, "threads that decode": num_threads()}, results, arguments)


def jpeg(row):
    random = np.random.default_rng(row)
    colours = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    picture, file = Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC), io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def write(files, archives, tables):
    archives.mkdir()
    tables.mkdir()
    for shard in range(NUM_SHARDS):
        some = [files[(shard * NUM_EACH + row) % len(files)] for row in range(NUM_EACH)]
        with tarfile.open(archives / f"p-{shard:05d}.tar", "w") as archive:
            for row, content in enumerate(some):
                info = tarfile.TarInfo(f"{shard:05d}{row:05d}.jpg")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        rows = pa.table({"image": [{"bytes": content, "path": None} for content in some]})
        parquet.write_table(rows, tables / f"p-{shard:05d}.parquet", row_group_size=100)


# --- ours --------------------------------------------------------------------------------------------------


def ours(num, archives, tables):
    began = time.perf_counter()
    dataset = load_images(archives, size=SIDE, cache=archives.parent / "cache", progress=False)
    yield {"reader": "decoded once (tar)", "images/s": len(dataset) / (time.perf_counter() - began)}
    order = np.random.default_rng(0).permutation(len(dataset))
    batches = (dataset.batch(order[at : at + BATCH]) for at in range(0, num * BATCH, BATCH))
    yield {"reader": "from the cache", "images/s": rate(batches, num)}
    with serving(archives) as address:
        places = {
            "streamed, tar": archives,
            "streamed, Parquet": tables,
            "streamed, tar over HTTP": f"{address}/p-{{00000..{NUM_SHARDS - 1:05d}}}.tar",
        }
        for name, place in places.items():
            began = time.perf_counter()
            stream = stream_images(place, size=SIDE, window=WINDOW)
            looked = time.perf_counter() - began
            found = rate(iter(streamed(stream, BATCH, 0)), num)
            on = first_after(iter(streamed(stream, BATCH, 0, num)))
            yield {"reader": name, "images/s": found, "looking through, s": looked, "going on, s": on}


def rate(batches, num):
    """Images a second, the first two batches and what was read for them not counted."""
    for _ in islice(batches, 2):
        pass
    began = time.perf_counter()
    seen = sum(1 for _ in islice(batches, num - 2))
    return seen * BATCH / (time.perf_counter() - began)


def first_after(batches):
    began = time.perf_counter()
    next(batches)
    return time.perf_counter() - began


def waiting(place, num):
    """Share of steps that wait more than a millisecond for their batch, and the mean of what steps wait."""
    batches = iter(streamed(stream_images(place, size=SIDE, window=WINDOW), BATCH, 0))
    next(batches)
    waits = []
    for _ in range(num):
        time.sleep(PAUSE)
        waits.append(first_after(batches))
    late = [wait for wait in waits if wait > 1e-3]
    return {
        "shards": place.name,
        "steps": num,
        "that wait": len(late) / num,
        "mean wait, ms": 1000 * float(np.mean(waits)),
        "longest, ms": 1000 * max(waits),
    }


class Parts(SimpleHTTPRequestHandler):
    """Gives parts of files, as stores of objects do."""

    def do_GET(self):
        data = Path(self.translate_path(self.path)).read_bytes()
        first, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
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


class serving:
    """Serve a folder; give its address."""

    def __init__(self, folder):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Parts, directory=str(folder)))

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *error):
        self.server.shutdown()


# --- other readers -----------------------------------------------------------------------------------------


def others(num, archives):
    paths = [str(path) for path in sorted(archives.glob("*.tar"))]
    for reader in (by_webdataset, by_stateful_loader, by_datasets):
        try:
            yield {"reader": reader.__name__.removeprefix("by_"), **reader(paths, num)}
        except ImportError as error:
            yield {"reader": reader.__name__.removeprefix("by_"), "not measured": str(error)}


def as_tensor(sample):
    return torch.from_numpy(DECODE(sample["jpg"]).copy())


def shuffled(paths):
    import webdataset

    data = webdataset.WebDataset(paths, shardshuffle=16, seed=0, empty_check=False).shuffle(WINDOW, seed=0)
    return data.repeat().map(as_tensor).batched(BATCH)


def by_webdataset(paths, num):
    return {"images/s": rate(iter(shuffled(paths)), num), "going on, s": None}


def by_stateful_loader(paths, num):
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(shuffled(paths), batch_size=None, num_workers=1)
    batches = iter(loader)
    found = rate(batches, num)
    state = loader.state_dict()
    again = StatefulDataLoader(shuffled(paths), batch_size=None, num_workers=1)
    again.load_state_dict(state)
    return {"images/s": found, "going on, s": first_after(iter(again))}


def by_datasets(paths, num):
    from datasets import load_dataset

    def rows():
        data = load_dataset("webdataset", data_files=paths, split="train", streaming=True)
        return data.decode(False).shuffle(seed=0, buffer_size=WINDOW)

    def batches(data):
        while True:
            images = (DECODE(row["jpg"]["bytes"]) for row in data)
            while len(some := [*islice(images, BATCH)]) == BATCH:
                yield torch.from_numpy(np.stack(some))

    data = rows()
    found = rate(batches(data), num)
    again = rows()
    again.load_state_dict(data.state_dict())
    return {"images/s": found, "going on, s": first_after(batches(again))}


if __name__ == "__main__":
    main()

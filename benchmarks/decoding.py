"""How fast do images become uint8 arrays, compared with opening them one at a time?

    python benchmarks/decoding.py              # 60,000 patches of scikit-learn's photographs, lossless WebP
    python benchmarks/decoding.py --data DIR   # the splits of DIR, such as CIFAR-10 in Parquet
Goal: 60,000 images of 32 x 32 in at most 30 s on 2 cores. Each run is added to results/decoding.json.
"""

import argparse
import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from infomax.files import replacing
from infomax.learning.data.loading import available_splits, load_images
from infomax.learning.data.sources.opening import open_source
from infomax.learning.training.environment import environment

RESULTS = Path(__file__).parent / "results" / "decoding.json"


def encoded(image: np.ndarray | Image.Image, fmt: str, **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, fmt, **options)
    return file.getvalue()


def write_small_images(folder: Path, count: int = 60_000) -> Path:
    """Random 32 x 32 patches of two photographs as lossless WebP in Parquet."""
    random, photographs = np.random.default_rng(0), load_sample_images().images
    writer = None
    for _ in range(0, count, 5000):
        patches = []
        for _ in range(5000):
            photograph = photographs[random.integers(2)]
            top, left = (random.integers(side - 32) for side in photograph.shape[:2])
            patch = photograph[top : top + 32, left : left + 32]
            patches.append({"bytes": encoded(patch, "WEBP", lossless=True, quality=0, method=0)})
        table = pa.table({"image": patches})
        writer = writer or pq.ParquetWriter(folder / "train.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return folder / "train.parquet"


def write_photographs(folder: Path, count: int = 200) -> Path:
    """JPEG files of 1,920 x 1,280 pixels."""
    folder.mkdir()
    for index in range(count):
        image = Image.fromarray(load_sample_images().images[index % 2]).resize((1920, 1280))
        (folder / f"{index:03d}.jpg").write_bytes(encoded(image, "JPEG", quality=90))
    return folder


def one_at_a_time(source: Path, size: int) -> None:
    """The plain loop: open, convert, fit, append."""
    opened, images = open_source(source), []
    for split in opened.splits:
        for item in opened.items(split):
            content = item.value["bytes"] if isinstance(item.value, dict) else item.value.read_bytes()
            image = Image.open(io.BytesIO(content)).convert("RGB")
            images.append(np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)))
    np.stack(images)


def load_all(source: Path, size: int, cache: Path | None) -> int:
    loaded = [
        load_images(source, split=split, size=size, cache=cache, progress=False)
        for split in available_splits(source)
    ]
    return sum(map(len, loaded))


def seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return round(time.perf_counter() - start, 3)


def anonymous_mib() -> float:
    """Memory of this process that no file backs (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@contextmanager
def peak_growth() -> Iterator[list[float]]:
    """The largest growth of anonymous memory during the block, in MiB; empty if the system does not tell."""
    growth: list[float] = []
    if not Path("/proc/self/status").exists():
        yield growth
        return
    before, done = anonymous_mib(), threading.Event()

    def watch() -> None:
        peak = before
        while not done.wait(0.02):
            peak = max(peak, anonymous_mib())
        growth.append(round(peak - before, 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        done.set()
        watcher.join()


def measure(source: Path, size: int, folder: Path) -> dict[str, object]:
    """The best of three interleaved rounds, so that a busy machine spoils none of the comparisons."""
    load_all(source, size, None)  # everything imported, every file in the page cache
    with peak_growth() as growth:
        load_all(source, size, folder / "memory")
    rounds = []
    for number in range(3):
        cache = folder / f"round {number}"
        rounds.append(
            {
                "one at a time": seconds(one_at_a_time, source, size),
                "load_images, in memory": seconds(load_all, source, size, None),
                "load_images, into the cache": seconds(load_all, source, size, cache),
                "load_images, from the cache": seconds(load_all, source, size, cache),
            }
        )
    times = {name: min(times[name] for times in rounds) for name in rounds[0]}
    count = load_all(source, size, folder / "memory")
    return {
        "images": count,
        "size": size,
        "pixels_mib": round(count * size * size * 3 / 2**20, 1),
        "seconds": times,
        "seconds_of_each_round": rounds,
        "images_per_second": {name: round(count / time_) for name, time_ in times.items()},
        "peak_memory_growth_into_the_cache_mib": growth[0] if growth else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a data set instead of the patches")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small = arguments.data or write_small_images(folder)
        name = arguments.data.name if arguments.data else "patches as lossless WebP"
        run = {
            "environment": {**environment(), "pillow": PIL.__version__, "pyarrow": pa.__version__},
            "cores": os.cpu_count(),
            "load_average_before": os.getloadavg()[0],
            "small images": {"source": name, **measure(small, 32, folder / "a")},
            "JPEG photographs 1920 x 1280 to 64": measure(
                write_photographs(folder / "jpeg"), 64, folder / "b"
            ),
        }
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    with replacing(RESULTS) as file:
        file.write_text(json.dumps([*earlier, run], indent=1) + "\n")
    print(json.dumps(run, indent=1))


if __name__ == "__main__":
    main()

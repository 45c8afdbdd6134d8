"""Bad inputs for the parsers, and what may come of one: an answer or a documented error, soon, and no NaN."""

import io
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

MAX_SECONDS = 5.0
"""Seconds of the processor that one input may take."""
SPECIAL = [
    b"", b"\0", b"\xff\xfe", b"NaN", b"-1", b"1e999", b"99999999999999999999", b"[" * 60, b"{", b'"', b",",
    b"\n", b"&a *a", b"!!python/object:os.system", b"../../etc/passwd", b"%s%n", "\u202e".encode(), b"null",
    b"inf", b"\x89PNG", b"PK\x03\x04", b"\x93NUMPY", b"PAR1", b"|", b";", b"(", b"\t", b"\r",
]  # fmt: skip
"""Pieces that have broken parsers."""


@dataclass(frozen=True)
class Target:
    """A parser under test.

    Attributes:
        seeds: sound inputs, from which bad ones are made.
        call: reads one.
        refusals: the errors that it may raise.
    """

    seeds: Callable[[], list[bytes]]
    call: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...] = (ValueError, OSError)


def mutated(content: bytes, random: Random) -> bytes:
    """Return a sound input with one to four changes: bytes flipped, cut, doubled, moved, or replaced."""
    made = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at, other = sorted(random.randint(0, len(made)) for _ in range(2))
        kind = random.randrange(7)
        if kind == 0 and made:
            made[min(at, len(made) - 1)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del made[at:other]
        elif kind == 2:
            made[at:at] = random.choice(SPECIAL)
        elif kind == 3:
            made[at:other] = random.choice(SPECIAL)
        elif kind == 4:
            made[at:at] = made[at : min(other, at + 64)]
        elif kind == 5:
            made[at : at + 4] = random.randbytes(4)
        else:
            del made[at:]
    return bytes(made)


def fuzz(target: Target, num: int, seed: int = 0) -> Counter[str]:
    """Return how many of `num` bad inputs were answered, and how many refused with which error.

    Raises:
        AssertionError: another error, a NaN, or more than `MAX_SECONDS`; the message holds the input.
    """
    random, seeds, counts = Random(seed), target.seeds(), Counter()
    for _ in range(num):
        counts[outcome(target, mutated(random.choice(seeds), random))] += 1
    return counts


def outcome(target: Target, content: bytes) -> str:
    """Return what came of one input: ``answered``, or the name of the error that refused it."""
    before = time.process_time()
    try:
        found = target.call(content)
    except target.refusals as error:
        assert str(error).strip(), f"an error without words for {content!r}"
        found, came = None, type(error).__name__
    except BaseException as error:  # a panic in Rust is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AssertionError(f"{type(error).__name__}: {error} for {content!r}") from error
    else:
        came = "answered"
    seconds = time.process_time() - before
    assert seconds < MAX_SECONDS, f"{seconds:.1f} s for {content!r}"
    assert not is_nan(found), f"NaN for {content!r}"
    return came


def is_nan(found: Any) -> bool:
    """Return whether an answer is, or holds, a float that is NaN."""
    if isinstance(found, float):
        return math.isnan(found)
    return isinstance(found, list | tuple) and any(map(is_nan, found))


def in_file(suffix: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """Return what writes an input into a file and reads that."""

    def call(content: bytes) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{suffix}"
            path.write_bytes(content)
            return read(path)

    return call


def text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """Return what reads an input as text."""
    return lambda content: read(content.decode("utf-8", "replace"))


# ------------------------------------------------------------------------------------------------ parsers


@cache
def recipe_text() -> bytes:
    from infomax.learning.training.recipes import recipe_named
    from infomax.learning.training.run import as_yaml

    return as_yaml(recipe_named("amdim-digits")).encode()


def recipe(path: Path) -> None:
    from infomax.learning.training.run import Run

    path.rename(path.with_name("recipe.yaml"))
    Run(path.parent).read_recipe()


def environment(path: Path) -> None:
    from infomax.learning.training.run import Run

    path.rename(path.with_name("environment.json"))
    Run(path.parent).read_environment()


def arrays() -> list[bytes]:
    one, several, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(one, np.arange(12.0).reshape(3, 4))
    np.savez(several, a=np.arange(5), b=np.eye(2))
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    return [file.getvalue() for file in (one, several, objects)]


def load_arrays(path: Path) -> None:
    from infomax.files import load_arrays, reading

    with reading("fuzz", path, "expected arrays"):
        found = load_arrays(path)
        for name in getattr(found, "files", ()):
            found[name]


def tables() -> list[bytes]:
    rows = "\n".join(f"{'ab'[i % 2]},{i},{i / 7:.3f},2024-01-{1 + i % 28:02d}" for i in range(40))
    return [f"label,count,weight,day\n{rows}\n".encode(), rows.replace(",", "\t").encode()]


def measure(path: Path) -> Any:
    from infomax.estimation.tables.columns import columns_of
    from infomax.estimation.tables.read import read_frame

    return len(columns_of("measure", read_frame(path)))


def columnar(kind: str) -> Callable[[], list[bytes]]:
    """Return what makes tables of a few types, packed by each codec, as Parquet or Arrow."""

    def made() -> list[bytes]:
        import polars as pl

        few = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
        more = pl.DataFrame({"c": [[i] for i in range(99)], "d": [i / 7 for i in range(99)]})
        more = more.with_columns(e=pl.Series(["u", "v", None] * 33, dtype=pl.Categorical))
        files = []
        for frame, codec in product((few, more), ("uncompressed", "lz4", "zstd")):
            file = io.BytesIO()
            getattr(frame, f"write_{kind}")(file, compression=codec)
            files.append(file.getvalue())
        return files

    return made


def stored_images(path: Path) -> None:
    from infomax.learning.data.loading import load_images

    load_images(str(path), size=8, channels=1, progress=False)


def image_tables() -> list[bytes]:
    """Return pictures and labels in Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    images = [{"bytes": pictures()[0], "path": f"{i}.png"} for i in range(3)]
    parquet.write_table(pa.table({"image": images, "label": [0, 1, 0]}), file)
    return [file.getvalue()]


def image_streams() -> list[bytes]:
    """Return pictures and labels in Arrow's streams, as `datasets` writes them, and in its files."""
    import pyarrow as pa
    from pyarrow import parquet

    table, made = parquet.read_table(io.BytesIO(image_tables()[0])), []
    for write in (pa.ipc.new_stream, pa.ipc.new_file):
        file = io.BytesIO()
        with write(file, table.schema) as writer:
            writer.write_table(table)
        made.append(file.getvalue())
    return made


def pictures() -> list[bytes]:
    from PIL import Image

    made = []
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        made.append(file.getvalue())
    return made


def see(content: bytes) -> None:
    """Read a picture; any error is one that names the picture, as `load_images` catches them all."""
    from infomax.learning.data.pixels.formats import read_file

    try:
        np.asarray(read_file(content, 3, "first", whole=False, at_least=8))
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


@cache
def encoder_file() -> bytes:
    import torch

    from infomax.learning.encoders.amdim import AMDIMEncoder
    from infomax.learning.encoders.saving import save_encoder
    from infomax.learning.views.images import ViewsConfig

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        save_encoder(folder, AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))
        description = (Path(folder) / "encoder.json").read_bytes()
        weights = (Path(folder) / "encoder.safetensors").read_bytes()
    return len(description).to_bytes(8, "big") + description + weights


def load_encoder(content: bytes) -> None:
    from infomax.learning.encoders.saving import load_encoder

    size = int.from_bytes(encoder_file()[:8], "big")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "encoder.json").write_bytes(content[8 : 8 + size])
        (Path(folder) / "encoder.safetensors").write_bytes(content[8 + size :])
        load_encoder(folder)


def options(line: str) -> None:
    from infomax.learning.training.options import recipe_from_options
    from infomax.learning.training.recipes import recipe_named

    recipe_from_options(recipe_named("amdim-digits"), line.replace("\0", "").split())


def command(line: str) -> None:
    """Read a command line; argparse leaves by SystemExit where help is asked for or a value is missing."""
    from infomax.cli.main import read_command

    try:
        read_command(line.replace("\0", "").split())
    except SystemExit as leaving:
        raise ValueError(f"exit {leaving.code}") from None


def parse_json(content: bytes) -> Any:
    from infomax.files import parse_json

    return parse_json(content, {"type": "object", "properties": {"a": {"type": "number", "minimum": 1}}})


def labels(path: Path) -> None:
    from infomax.learning.data.labels.tables import label_columns, read_table

    label_columns(read_table(path), None)


def quantities(expression: str) -> Any:
    from infomax.information import Joint

    joint = Joint(np.array([[0.25, 0.25], [0.5, 0.0]]), names=("x", "y"))
    return float(joint.I(expression)) if ";" in expression else float(joint.H(expression))


def words(expression: str) -> None:
    """Read the small languages: ranges, pages, budgets of labels."""
    from infomax.evaluation.finetuning.labels import LabelBudget
    from infomax.learning.data.pixels.ranges import limits_of, page_numbers

    read: list[Callable[[str], Any]] = [limits_of, page_numbers, LabelBudget.parse]
    faults = []
    for one in read:
        try:
            one(expression)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("; ".join(faults))


def lines(*given: str) -> Callable[[], list[bytes]]:
    """Return seeds of text."""
    return lambda: [one.encode() for one in given]


TARGETS: Mapping[str, Target] = {
    "json": Target(lambda: [b'{"a": 3, "b": [1, {"c": null}]}'], parse_json),
    "recipe": Target(lambda: [recipe_text()], in_file(".yaml", recipe)),
    "environment": Target(lambda: [json.dumps({"stages": [{}], "parts": {}, "seed": 0}).encode()],
                          in_file(".json", environment)),
    "arrays": Target(arrays, in_file(".npy", load_arrays)),
    "delimited": Target(tables, in_file(".csv", measure)),
    "parquet": Target(columnar("parquet"), in_file(".parquet", measure)),
    "arrow": Target(columnar("ipc"), in_file(".arrow", measure)),
    "images in parquet": Target(image_tables, in_file(".parquet", stored_images)),
    "images in arrow": Target(image_streams, in_file(".arrow", stored_images)),
    "labels": Target(lines("name,label\na.png,cat\nb.png,dog\n"), in_file(".csv", labels)),
    "pictures": Target(pictures, see),
    "encoder": Target(lambda: [encoder_file()], load_encoder),
    "options": Target(lines("--train.steps 7 --optimizer.lr 1e-3", "--minutes 5 --method.encoder.width 8"),
                      text(options)),
    "command": Target(lines("evaluate runs/a --data d --probes linear,knn", "measure t.csv --target y --json",
                            "pretrain amdim-digits --steps 3"), text(command)),
    "expressions": Target(lines("x, y | x", "x ; y", "x"), text(quantities)),
    "words": Target(lines("0:255", "1,2,3", "50/class", "10%", "percentile"), text(words)),
}  # fmt: skip
"""The parsers, by the names that `make fuzz` takes."""

"""How long does `infomax measure` take for tables larger than memory, and how much memory?

    python benchmarks/scale/tables.py --rows 100000000 --save --overwrite    # minutes on a core, 6 GB of disk

A table of 12 columns is generated into Parquet files of 5 million rows: six of labels, of 2 to 5,000 each,
and six of Gaussian numbers. `infomax measure FILES --in-parts always` measures all pairs in a process of its
own. `peak MB` is the most memory of that process, pages of the files that it maps included (Linux).

Three things are checked. Values of labels are compared with those of the whole table in memory, up to 10
million rows, and from the counts of Polars' own streaming group-by of one pair beyond. Values of numbers are
compared with the truth, −½ log(1 − ρ²), in standard errors. The row of each size is recorded.
"""

import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent.parent))
from infomax.estimation.counting.suited import SuitedCounting
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.read import read_frame
from recording import add, arguments_of, environment, recorded, report

ROWS_A_FILE = 5_000_000
MAX_WHOLE = 10_000_000
LABELS = ["sex", "region", "plan", "weekday", "shop", "user"]
STRENGTHS = [0.9, 0.5, 0.2]
"""Correlations of x0 and y0, x1 and y1, x2 and y2."""
HEADING = "Tables in parts, 12 columns"


def main():
    arguments = arguments_of(__doc__, rows=1_000_000, folder="")
    with TemporaryDirectory(dir=arguments.folder or None) as folder:
        generate(Path(folder), arguments.rows)
        row = measured(Path(folder), arguments.rows)
    results = recorded("scale_tables", HEADING)
    add(results[HEADING], {"rows": arguments.rows}, row)
    about = environment("polars", "pyarrow", "numpy", "joblib")
    report("scale_tables", "Tables larger than memory", about, results, arguments)


def generate(folder, num_rows):
    """Write the table, each file from a seed of its own."""
    for number, first in enumerate(range(0, num_rows, ROWS_A_FILE)):
        columns(min(ROWS_A_FILE, num_rows - first), number).write_parquet(
            folder / f"part-{number:05}.parquet", compression="uncompressed", row_group_size=1 << 19
        )


def columns(n, seed):
    """Labels that depend on each other, and numbers of which each y depends on its x."""
    rng = np.random.default_rng(seed)
    region, user = rng.integers(0, 8, n, np.int8), rng.integers(0, 5000, n, np.int16)
    shop = (region.astype(np.int16) * 12 + rng.integers(0, 24, n, np.int16)) % 200
    labels = {
        "sex": texts("sex", 2)[rng.integers(0, 2, n, np.int8)],
        "region": texts("region", 8)[region],
        "plan": texts("plan", 4)[(region // 2 + (rng.random(n, np.float32) < 0.2)) % 4],
        "weekday": pl.Series(rng.integers(0, 7, n, np.int8)),
        "shop": texts("shop", 200)[shop],
        "user": texts("user", 5000)[user],
    }
    numbers = {}
    for k, rho in enumerate(STRENGTHS):
        x, noise = rng.standard_normal(n), rng.standard_normal(n)
        numbers |= {f"x{k}": x, f"y{k}": rho * x + math.sqrt(1 - rho**2) * noise}
    return pl.DataFrame({**labels, **numbers})


def texts(name, number):
    """Different labels; indexed by codes, they are a column."""
    return pl.Series([f"{name} {k}" for k in range(number)]).cast(pl.Categorical)


def measured(folder, num_rows):
    """The row of a table: time, memory, and how far values are from what they should be."""
    files = sorted(folder.glob("*.parquet"))
    command = [sys.executable, "-m", "infomax.cli", "measure", *map(str, files), "--in-parts", "always"]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - began
    answer = json.loads(done.stdout)
    return {
        "GB of files": sum(file.stat().st_size for file in files) / 1e9,
        "seconds": seconds,
        "million rows/s": num_rows / seconds / 1e6,
        "peak MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000,
        "rows sampled": answer["num_sampled_rows"],
        **labels_compared(folder, {(row["x"], row["y"]): row for row in answer["rows"]}, num_rows),
        **numbers_compared({(row["x"], row["y"]): row for row in answer["rows"]}),
    }


def labels_compared(folder, rows, num_rows):
    """Largest difference in bits of pairs of labels, and between what values it is."""
    if num_rows <= MAX_WHOLE:
        whole = pairwise(read_frame(str(folder / "*.parquet"), LABELS))
        pairs = {(row["x"], row["y"]): row["bits"] for row in whole}
        against = "the whole table in memory, 15 pairs"
    else:
        counts = (
            pl.scan_parquet(folder / "*.parquet").group_by("region", "shop").len().collect(engine="streaming")
        )
        table = counts.pivot("shop", index="region", values="len").drop("region").fill_null(0).to_numpy()
        pairs = {("region", "shop"): SuitedCounting().information_of_counts(table).bits}
        against = "Polars' group-by, 1 pair"
    assert all(rows[pair]["num_samples"] == num_rows for pair in pairs)
    return {
        "bits that labels differ": max(abs(rows[p]["bits"] - bits) for p, bits in pairs.items()),
        "from": against,
    }


def numbers_compared(rows):
    """Largest distance of a pair of numbers from the truth, in standard errors, and the largest of these."""
    truth = {(f"x{k}", f"y{k}"): -0.5 * math.log2(1 - rho**2) for k, rho in enumerate(STRENGTHS)}
    away = [abs(rows[p]["bits"] - bits) / rows[p]["standard_error"] for p, bits in truth.items()]
    return {
        "numbers: standard errors from the truth": max(away),
        "numbers: largest standard error, bits": max(rows[pair]["standard_error"] for pair in truth),
    }


if __name__ == "__main__":
    main()

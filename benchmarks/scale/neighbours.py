"""How long do near-duplicates and outliers among many embeddings take, how much memory, and what is missed?

    python benchmarks/scale/neighbours.py --rows 100000 --save --overwrite     # a minute or two, 30 MB
    python benchmarks/scale/neighbours.py --rows 1000000 --save --overwrite    # minutes, 300 MB

Embeddings of 32 numbers are generated into parts, as `embedding.py` generates them. Every thousandth row is
then a copy of the row before it, with noise of spread 0.001. `group_parts` finds groups, near-duplicates and
outliers in a process of its own; neighbours are found by inverted lists. `peak MB` is the most memory of that
process beyond what it had after its imports. `recall` is the share of the 20 nearest of 100 drawn rows that
the lists hold, and `copies found` the share of the copies that are among the near-duplicates. Ten queries are
searched exactly by `nearest_in_parts`.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent))
from infomax.evaluation.outputs.parts import part_path
from recording import add, arguments_of, environment, recorded, report
from scale.embedding import NUM_FEATURES, ROWS_A_PART, generate

HEADING = "Near-duplicates and outliers in parts, 32 features"
EVERY, NOISE = 1000, 0.001
WORK = """
import json, re, resource, sys, time
import numpy as np
import polars as pl
from infomax.evaluation.grouping import features
from infomax.evaluation.grouping.parts import group_parts, nearest_in_parts

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

files, out = sys.argv[1:]
features.MAX_IN_MEMORY = 0
before, began = peak(), time.perf_counter()
found = group_parts(files, out, knn="lists")
grouped, memory = time.perf_counter(), peak() - before
nearest_in_parts(np.eye(10, 32, dtype=np.float32), files, 20)
searched = time.perf_counter()
said = found["approximated"][0]
pairs = pl.read_parquet(f"{out}/duplicates.parquet")
print(json.dumps({
    "seconds": grouped - began, "peak MB": memory, "seconds to search, 10 queries": searched - grouped,
    "lists": re.search("FAISS, (.*), which", said)[1],
    "recall": float(re.search("hold ([0-9.]+) %", said)[1]) / 100,
    "pairs": [pairs["name"].to_list(), pairs["other"].to_list()], "outliers": found["outliers"]["num"],
}))
"""


def main():
    arguments = arguments_of(__doc__, rows=100_000, folder="")
    with TemporaryDirectory(dir=arguments.folder or None) as folder:
        row = measured(Path(folder), arguments.rows)
    results = recorded("scale_neighbours", HEADING)
    add(results[HEADING], {"rows": arguments.rows}, row)
    about = environment("scikit-learn", "polars", "pyarrow", "numpy", "faiss-cpu")
    report("scale_neighbours", "Near-duplicates and outliers in parts", about, results, arguments)


def measured(folder, num_rows):
    """The row of a number of embeddings."""
    num_parts = max(num_rows // ROWS_A_PART, 1)
    (folder / "features").mkdir()
    copies = set()
    for number in range(num_parts):
        generate(folder / "features/f.parquet", num_rows, number, num_parts)
        copies |= with_copies(part_path(folder / "features/f.parquet", number, num_parts), number)
    command = [sys.executable, "-c", WORK, str(folder / "features/f-*.parquet"), str(folder / "groups")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    pairs = {frozenset(pair) for pair in zip(*found.pop("pairs"), strict=True)}
    return {**found, "copies": len(copies), "copies found": len(copies & pairs) / len(copies)}


def with_copies(path, seed):
    """Make every thousandth row of a part a copy of the one before it, and return the names of the pairs."""
    table = pq.read_table(path)
    rows = np.array(table["embedding"].combine_chunks().flatten()).reshape(-1, NUM_FEATURES)
    some = np.arange(EVERY - 1, len(rows), EVERY)
    noise = NOISE * np.random.default_rng(seed).standard_normal((len(some), NUM_FEATURES), np.float32)
    rows[some] = rows[some - 1] + noise
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), NUM_FEATURES)
    pq.write_table(table.set_column(1, "embedding", embedding), path)
    names = table["name"].to_pylist()
    return {frozenset((names[row - 1], names[row])) for row in some.tolist()}


if __name__ == "__main__":
    main()

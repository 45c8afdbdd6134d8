"""How long do groups of ten million embeddings in parts take, and how much memory?

    python benchmarks/scale/embedding.py --rows 10000000 --save --overwrite    # minutes, 1.4 GB

Embeddings of 32 numbers are generated, not embedded: ten kinds, one a hundred times as often as another, each
a Gaussian of spread 1 around a centre drawn from a Gaussian of spread 1.5. They are written into parts of
250,000 rows, as `infomax embed --parts` writes them, and grouped as `group_parts` does it, in a process of
its own. `peak MB` is the most memory of that process. The groups are compared with the kinds, by the adjusted
Rand index of a million rows. Ten queries are searched by `nearest_in_parts`.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import adjusted_rand_score

sys.path.insert(0, str(Path(__file__).parent.parent))
from infomax.evaluation.outputs.parts import part_path
from recording import add, arguments_of, environment, recorded, report

NUM_FEATURES, NUM_KINDS, ROWS_A_PART = 32, 10, 250_000
HEADING = "Groups of embeddings in parts, 32 features"
WORK = """
import json, sys, time
import numpy as np
from infomax.evaluation.grouping.groups import directions
from infomax.evaluation.grouping.parts import nearest_in_parts
from infomax.evaluation.grouping.streaming import grouped_in_blocks
from infomax.evaluation.in_parts.files import batches, files_of
from infomax.evaluation.probes.stored import StoredRows
from infomax.progress import stages
files, out = sys.argv[1:]
began = time.perf_counter()
unit = StoredRows.of(map(directions, batches("groups", files_of("groups", files))))
with stages() as stage:
    found = grouped_in_blocks(unit, stage=stage)
grouped = time.perf_counter()
nearest_in_parts(np.eye(10, 32, dtype=np.float32), files, 20)
np.save(out, found.group[:1_000_000])
times = {"groups": grouped - began, "search": time.perf_counter() - grouped}
print(json.dumps({**times, "num_groups": found.num_groups}))
"""


def main():
    arguments = arguments_of(__doc__, rows=1_000_000, folder="")
    with TemporaryDirectory(dir=arguments.folder or None) as folder:
        row = measured(Path(folder), arguments.rows)
    results = recorded("scale_embedding", HEADING)
    add(results[HEADING], {"rows": arguments.rows}, row)
    about = environment("scikit-learn", "polars", "pyarrow", "numpy", "faiss-cpu")
    report("scale_embedding", "Embeddings in parts", about, results, arguments)


def measured(folder, num_rows):
    """The row of a number of embeddings."""
    num_parts = max(num_rows // ROWS_A_PART, 1)
    (folder / "features").mkdir()
    began = time.perf_counter()
    kinds = [generate(folder / "features/f.parquet", num_rows, k, num_parts) for k in range(num_parts)]
    written = time.perf_counter() - began
    command = [sys.executable, "-c", WORK, str(folder / "features/f-*.parquet"), str(folder / "groups.npy")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    found = json.loads(done.stdout)
    groups = np.load(folder / "groups.npy")
    return {
        "parts": num_parts,
        "GB of files": sum(file.stat().st_size for file in (folder / "features").iterdir()) / 1e9,
        "seconds to generate": written,
        "seconds to group": found["groups"],
        "seconds to search, 10 queries": found["search"],
        "peak MB": peak,
        "groups": found["num_groups"],
        "adjusted Rand index": adjusted_rand_score(np.concatenate(kinds)[: len(groups)], groups),
    }


def generate(out, num_rows, number, num_parts):
    """Write a part, and return the kinds of its rows."""
    rng = np.random.default_rng(number)
    n = (number + 1) * num_rows // num_parts - number * num_rows // num_parts
    often = np.geomspace(1, 100, NUM_KINDS)
    kinds = rng.choice(NUM_KINDS, n, p=often / often.sum())
    centers = 1.5 * np.random.default_rng(12345).standard_normal((NUM_KINDS, NUM_FEATURES), np.float32)
    rows = centers[kinds] + rng.standard_normal((n, NUM_FEATURES), np.float32)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), NUM_FEATURES)
    names = pa.array([f"{number}/{k}" for k in range(n)])
    pq.write_table(pa.table({"name": names, "embedding": embedding}), part_path(out, number, num_parts))
    return kinds.astype(np.int8)


if __name__ == "__main__":
    main()

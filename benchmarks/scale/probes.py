"""How much memory and time do probes of features in parts take, beside the same probes in memory?

    python benchmarks/scale/probes.py --save --overwrite    # five minutes

Features of 64 numbers are generated, not embedded: ten kinds, each a Gaussian of spread 3 around a centre
drawn from a Gaussian of spread 1. A fifth are test rows. They are stored as `infomax evaluate` stores what it
reads from parts, and the linear probe is fitted to them, block by block. Neighbours vote for 10,000 further
rows, as `infomax evaluate` finds them: exactly up to 10⁹ pairs of rows, of more by FAISS's inverted lists.
Each row is measured in a process of its own. `MB` is the most memory of that process beyond what it had after
its imports. `in memory` are the same probes of arrays.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent))
from recording import add, arguments_of, environment, recorded, report

HEADING = "Probes of stored rows, 64 features"
WORK = """
import json, resource, sys, time
import numpy as np
from infomax.evaluation.in_parts.nearest import MAX_EXACT_PAIRS, InvertedLists
from infomax.evaluation import linear_probe, nearest_neighbor_probe
from infomax.evaluation import StoredRows

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

def generated(n, seed):
    rng, centers = np.random.default_rng(seed), np.random.default_rng(12345).standard_normal((10, 64))
    labels = rng.integers(0, 10, n).astype(np.int64)
    blocks = ((centers[some] + 3 * rng.standard_normal((len(some), 64))).astype(np.float32)
              for some in np.array_split(labels, max(1, n // 20_000)))
    stored = sys.argv[3] == "stored"
    return labels, StoredRows.of(blocks, sys.argv[2]) if stored else np.concatenate([*blocks])

num, before = int(sys.argv[1]), peak()
labels, rows = generated(num * 4 // 5, 0)
test_labels, test = generated(num // 5, 1)
began = time.perf_counter()
linear = linear_probe(rows, labels, test, test_labels)
fitted, memory = time.perf_counter(), peak() - before
some_labels, some = generated(min(10_000, num // 5), 2)
exact = sys.argv[3] != "stored" or len(rows) * len(some) <= MAX_EXACT_PAIRS
knn = nearest_neighbor_probe(rows, labels, some, some_labels, index=None if exact else InvertedLists.of)
print(json.dumps({
    "seconds, linear": fitted - began, "MB, linear": memory, "accuracy, linear": linear.accuracy,
    "seconds, knn": time.perf_counter() - fitted, "MB, knn": peak() - before, "accuracy, knn": knn.accuracy,
    "neighbours": knn.settings.get("search", "exact"), "found": knn.settings.get("share_found", 1.0),
}))
"""


def main():
    arguments = arguments_of(__doc__, least=100_000, most=1_000_000, folder="")
    results = recorded("scale_probes", HEADING)
    for num, kept in ((100_000, "in memory"), (100_000, "stored"), (1_000_000, "stored")):
        if arguments.least <= num <= arguments.most:
            with TemporaryDirectory(dir=arguments.folder or None) as folder:
                command = [sys.executable, "-c", WORK, str(num), folder, kept]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            add(results[HEADING], {"rows": num, "features": kept}, json.loads(done.stdout))
    about = environment("torch", "numpy", "scipy", "faiss-cpu")
    report("scale_probes", "Probes of features in parts", about, results, arguments)


if __name__ == "__main__":
    main()

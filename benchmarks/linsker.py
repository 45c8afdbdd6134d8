"""Findings of the experiments of `infomax principle`, and layer C grown with five values of k₁.

    python benchmarks/linsker.py --save                     # some minutes
    python benchmarks/linsker.py --folder principle --save  # takes what `infomax principle` wrote there

Every experiment runs once; its finding is the sentence that `infomax principle` writes. Layer C: 100 cells
that receive the covariance of layer B (white noise summed over Gaussian arbors), k₂ = −3, weights between
−1/2 and 1/2. Σ s w is the mean over cells. Roundness is the mean share of a cell's variance that the distance
from its middle explains; there is none if all weights are equal.
"""

import math
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits

from infomax.principle.arbors import (
    average_over_places,
    covariances_between,
    gaussian_arbor,
    propagate,
    response_matrix,
    white_noise,
)
from infomax.principle.experiments.results import Results
from infomax.principle.experiments.running import experiments_named, run_experiments
from infomax.principle.hebb import HebbRule, grow
from infomax.principle.receptive_fields import roundness
from recording import arguments_of, environment, report

SIDE, SPREAD, K2 = 40, 1.2, -3.0


def covariance_of_layer_b():
    arbor = gaussian_arbor(SPREAD)
    matrix = response_matrix(np.ones((SIDE**2, len(arbor.density))), arbor, SIDE)
    covariance = average_over_places(propagate(matrix, white_noise(SIDE)))
    return covariance / covariance[0, 0]


@threadpool_limits.wrap(limits=1)
def layer_c(k1, seed, num_units=100):
    arbor, received = gaussian_arbor(math.sqrt(3) * SPREAD), covariance_of_layer_b()
    covariances = covariances_between(received, arbor.offsets, arbor.offsets)
    mean = float(arbor.density @ covariances @ arbor.density)
    rule = HebbRule(k1, K2)
    weights = grow(arbor, received, rule, seed=seed, num_units=num_units)
    shaped = weights.std(axis=1) > 0
    distance = np.hypot(*arbor.offsets.T)
    centre, surround = distance < arbor.reach / 3, distance > 2 * arbor.reach / 3
    shape = {"roundness": float(roundness(weights[shaped], arbor.offsets).mean())} if shaped.any() else {}
    return {
        "k1": k1,
        "sum of s w": float((weights @ arbor.density).mean()),
        "as predicted": min(k1 / (abs(K2) - mean), rule.limit),
        "mean of Q": mean,
        **shape,
        "share of cells all excitatory": float((weights > 0).all(axis=1).mean()),
        "mean weight in the centre": float(weights[:, centre].mean()),
        "mean weight in the surround": float(weights[:, surround].mean()),
        "excitatory synapses": float((weights > 0).mean()),
    }


def found_in(folder, names, seed):
    """The results of these experiments: those in the folder, and the others run now and written there."""
    there = {result.experiment for result in Results(folder).read()}
    missing = [name for name in names if name not in there]
    if missing:
        run_experiments(missing, folder, seed=seed)
    return {result.experiment: result for result in Results(folder).read() if result.experiment in names}


def layers_by_hebb(numbers):
    return [{"layer": name, **values} for name, values in numbers["layers"].items()]


def bits_a_unit(numbers):
    """A row for each network and quantity; above a layer's name is what reaches that layer."""
    return [
        {"network": network, "bits a unit": quantity, **dict(zip(numbers["layers"], bits, strict=True))}
        for network, quantities in numbers["bits_a_unit"].items()
        for quantity, bits in quantities.items()
    ]


def main():
    arguments = arguments_of(__doc__, seed=0, folder="")
    about = environment("numpy", "scipy", "scikit-learn")
    about["seed"] = arguments.seed
    with TemporaryDirectory() as fresh:
        found = found_in(arguments.folder or fresh, experiments_named([]), arguments.seed)
    wrong = sorted(name for name, result in found.items() if result.seed != arguments.seed)
    if wrong:
        raise SystemExit(f"{arguments.folder} holds results of another seed: {', '.join(wrong)}")
    about["seconds of the experiments"] = round(sum(result.seconds for result in found.values()))
    results = {
        "Layer C with k2 = −3": [layer_c(k1, arguments.seed) for k1 in (0.0, 0.1, 0.45, 0.9, 1.5)],
        "Layers grown by Hebb's rule": layers_by_hebb(found["layers-hebbian"].numbers),
        "What layers preserve": bits_a_unit(found["layers-infomax"].numbers),
        "Findings": [
            {"experiment": name, "holds": result.holds, "finding": result.finding}
            for name, result in found.items()
        ],
    }
    report("linsker", "The experiments of the principle", about, results, arguments)


if __name__ == "__main__":
    main()

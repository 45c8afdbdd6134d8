"""
Nearest neighbours against histograms
=====================================

The information between two measurements, from a few hundred samples: how far are
two common estimators from the truth?
"""

# %%
# **A case with a known answer.** Two Gaussian variables of correlation
# :math:`\rho` share :math:`-\frac12 \log_2 (1 - \rho^2)` bits.

import matplotlib.pyplot as plt
import numpy as np

from infomax.estimation import KSG, EqualMassBins, FixedBins

CORRELATION = 0.9
truth = -np.log2(1 - CORRELATION**2) / 2
print(f"truth: {truth:.3f} bits")


def draw(rng, num_samples):
    x = rng.normal(size=num_samples)
    return x, CORRELATION * x + np.sqrt(1 - CORRELATION**2) * rng.normal(
        size=num_samples
    )


# %%
# **Three estimators.** A histogram counts pairs in boxes. Boxes of equal width
# are empty at the rim; boxes of equal mass suit the data. Nearest neighbours
# (KSG) need no boxes: small distances show where samples are dense.

estimators = {
    "20 × 20 boxes of equal width": FixedBins(20),
    "10 × 10 boxes of equal mass": EqualMassBins(10),
    "nearest neighbours (KSG)": KSG(),
}
sizes = (100, 200, 400, 800, 1600, 3200)
rng = np.random.default_rng(0)
found = {name: [] for name in estimators}
for size in sizes:
    samples = [draw(rng, size) for _ in range(10)]
    for name, estimator in estimators.items():
        found[name].append(
            [estimator.estimate(x, y).value / np.log(2) for x, y in samples]
        )
for name, values in found.items():
    print(f"{name:29}", " ".join(f"{np.mean(one):6.3f}" for one in values))

# %%
# Mean and spread of ten draws for each number of samples.

figure, (cloud, curves) = plt.subplots(
    1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=(1, 1.8)
)
cloud.plot(*draw(rng, 400), ".", markersize=3)
cloud.set(title="400 samples", xlabel="x", ylabel="y")
for name, values in found.items():
    curves.errorbar(
        sizes,
        np.mean(values, axis=1),
        np.std(values, axis=1),
        marker=".",
        capsize=2,
        label=name,
    )
curves.axhline(truth, color="black", linestyle="--", label="truth")
curves.set(xscale="log", xlabel="samples", ylabel="bits", title="Estimates")
curves.legend(fontsize=8)
plt.show()

# %%
# **What to see.** With few samples the boxes are nearly empty, and chance looks
# like dependence or hides it. With many samples boxes still blur what happens
# inside them. The neighbours are right from the start, within their spread. One
# estimate says how large that is:

print(KSG().estimate(*draw(rng, 400)))

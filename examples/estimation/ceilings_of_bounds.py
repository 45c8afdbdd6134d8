"""
Bounds and their ceilings
=========================

Deep networks learn by bounds on information. What do the bounds show if the
information is large, and a batch is small?
"""

# %%
# **A case with a known answer.** Pairs of Gaussian vectors with as much
# information as we like. The best possible critic is known, too: it is the log
# ratio of the densities. So whatever is missing below is not the fault of
# training.

import math

import matplotlib.pyplot as plt
import numpy as np
import torch

from infomax.estimation.bounds import (
    donsker_varadhan,
    infonce,
    nwj_of_log_ratio,
    smile,
)

DIMENSIONS, BATCH, NUM_BATCHES = 20, 64, 50


def true_scores(bits, generator):
    """Log ratios [batch, batch] of a batch of pairs that share so many bits."""
    rho = math.sqrt(1 - 2 ** (-2 * bits / DIMENSIONS))
    x, noise = torch.randn(2, BATCH, DIMENSIONS, generator=generator)
    y = rho * x + math.sqrt(1 - rho**2) * noise
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)
    return (rho * x @ y.T - rho**2 * squares / 2) / (
        1 - rho**2
    ) - DIMENSIONS * math.log(1 - rho**2) / 2


# %%
# **Four bounds** on the same scores.

bounds = {
    "InfoNCE": infonce,
    "NWJ": nwj_of_log_ratio,
    "Donsker–Varadhan": donsker_varadhan,
    "SMILE": smile,
}
truth = np.arange(1, 13)
generator = torch.Generator().manual_seed(0)
found = {name: [] for name in bounds}
for bits in truth:
    batches = [true_scores(bits, generator) for _ in range(NUM_BATCHES)]
    for name, bound in bounds.items():
        found[name].append(
            [bound(scores).item() / math.log(2) for scores in batches]
        )
for name, values in found.items():
    print(f"{name:17}", " ".join(f"{np.median(one):5.1f}" for one in values))

# %%
# Median and quartiles of 50 batches of 64 pairs.

figure, axes = plt.subplots(
    1, 4, figsize=(11, 3.2), layout="constrained", sharey=True
)
for panel, (name, values) in zip(axes, found.items(), strict=True):
    low, middle, high = np.percentile(values, (25, 50, 75), axis=1)
    panel.plot(truth, truth, "--", color="black", linewidth=1, label="truth")
    panel.axhline(
        math.log2(BATCH), color="0.5", linestyle=":", label="log of the batch"
    )
    panel.fill_between(truth, low, high, alpha=0.3)
    panel.plot(truth, middle)
    panel.set(title=name, xlabel="true bits", ylim=(0, 14))
axes[0].set_ylabel("bits shown")
axes[0].legend(loc="upper left")
plt.show()

# %%
# **What to see.** InfoNCE is steady and stops at the logarithm of the batch, here
# 6 bits. The others go on, at a price. NWJ and Donsker–Varadhan need the mean of
# numbers that are huge and rare. A batch seldom contains the largest of them, so
# most batches show *more* than there is, and they scatter. SMILE clips these
# numbers: it is steadier, but no longer a bound.

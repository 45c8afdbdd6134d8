"""
Units in the light and in the dark
==================================

A row of light sensors, and as many units that are to tell as much as they can of
what the sensors see. What they should do depends on the noise: sharpen in the
light, pool in the dark.
"""

# %%
# **The inputs** are brightnesses along a line, alike where they are near: their
# correlation falls by a tenth from one sensor to the next.

import matplotlib.pyplot as plt
import numpy as np

from infomax.principle.linear import LinearUnits
from infomax.principle.optima import best_units_of_power

d = 41
signal = 0.9 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))

# %%
# **The best units** of a limited power lie along principal axes. Their outputs
# can be turned without changing what they convey; turned back to the sensors, all
# of them do the same, each at its own place.

axes_of_signal = np.linalg.eigh(signal)[1][:, ::-1]


def best_local_units(noise):
    best = best_units_of_power(
        signal, power=d, num_units=d, input_noise=noise, output_noise=3
    )
    return LinearUnits(axes_of_signal @ best.weights, signal, noise, output_noise=3)


levels = [0.001, 0.1, 1, 10]
units = [best_local_units(noise) for noise in levels]
for noise, one in zip(levels, units, strict=True):
    neighbours = np.diagonal(one.correlations(), offset=1).mean()
    print(
        f"noise {noise:5g}: {one.information(base=2):5.2f} bits, "
        f"correlation of neighbours {neighbours:.2f}"
    )

# %%
# In the light a unit takes off what its neighbours say anyway, and responses are
# nearly uncorrelated. In the dark sensors cannot be trusted one by one, and each
# unit listens to many.

figure, panels = plt.subplots(
    1, len(levels), figsize=(10, 2.6), layout="constrained"
)
for axes, noise, one in zip(panels, levels, units, strict=True):
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.plot(np.arange(d) - d // 2, one.weights[d // 2], marker=".")
    axes.set(title=f"noise {noise:g}", xlabel="sensor, from the unit's own")
panels[0].set_ylabel("weight")
plt.show()

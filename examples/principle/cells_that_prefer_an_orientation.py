"""
Cells that prefer an orientation, out of noise
==============================================

Layers of cells grow before an eye has seen anything. What do they come to prefer,
if they receive nothing but noise?
"""

# %%
# **Six layers**, B to G, as in Linsker's papers of 1986. Each cell listens to
# neighbours in the layer below, and each connection grows by Hebb's rule:
# connections whose ends are active together get stronger.

import matplotlib.pyplot as plt
import numpy as np

from infomax.principle import develop, linsker_plans, orientation_tuning

layers = develop(linsker_plans(), side=32, seed=0)
for layer in layers:
    cells, synapses = layer.weights.shape
    excitatory = (layer.weights > 0).mean()
    print(
        f"layer {layer.plan.name}: {cells} cells of {synapses} connections, "
        f"{excitatory:.0%} excitatory"
    )

# %%
# **The fields** of a few cells: excitatory connections red, inhibitory blue.


def picture(layer, cell):
    """The weights of a cell, where its connections are."""
    rows, columns = (
        layer.plan.arbor.offsets - layer.plan.arbor.offsets.min(axis=0)
    ).T
    drawn = np.full((rows.max() + 1, columns.max() + 1), np.nan)
    drawn[rows, columns] = layer.plan.arbor.density * layer.weights[cell]
    return drawn


figure, axes = plt.subplots(3, 6, figsize=(10, 5.2), layout="constrained")
for column, layer in zip(axes.T, layers, strict=True):
    column[0].set_title(f"layer {layer.plan.name}")
    for panel, cell in zip(column, (100, 450, 800), strict=True):
        drawn = picture(layer, cell)
        limit = np.nanmax(np.abs(drawn))
        panel.imshow(drawn, cmap="RdBu_r", vmin=-limit, vmax=limit)
        panel.axis("off")
plt.show()

# %%
# **How much do they prefer an orientation?** The selectivity is 0 for a cell that
# responds to bars of all orientations alike, and 1 for a cell that does not
# respond to bars across its own.

frequencies = np.arange(1, 9) / 32
for layer in layers[1:]:
    tuning = orientation_tuning(
        layer.plan.arbor.density * layer.weights,
        layer.plan.arbor.offsets,
        frequencies,
    )
    selectivity = np.median(tuning.selectivity)
    print(f"layer {layer.plan.name}: median selectivity {selectivity:.2f}")

# %%
# **What to see.** B sums. Cells of C to F like a bright spot on dark ground, as
# cells in the retina do. Cells of G like an edge of one orientation, as cells in
# the visual cortex do, although the input had none.

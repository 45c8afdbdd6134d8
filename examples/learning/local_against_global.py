"""
Deep InfoMax: whole picture or parts?
=====================================

An encoder is to tell much about its picture. About the picture as a whole, or
about each of its parts?
"""

# %%
# The same small encoder and the same number of steps. By the *global* objective,
# the summary of a picture is to recognise its own picture among others. By the
# *local* one, it is to recognise each part of its own picture.

import tempfile
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

import infomax

runs = tempfile.mkdtemp()
recipe = infomax.recipe("dim-digits")
labels = {
    split: infomax.load_images(
        "digits", split=split, size=32, channels=1, progress=False
    ).labels
    for split in ("train", "test")
}


def features_of(name, steps, global_weight, local_weight):
    """Features of all digits, of length 1."""
    method = replace(
        recipe.method,
        critic_units=64,
        global_weight=global_weight,
        local_weight=local_weight,
    )
    run = infomax.pretrain(
        "digits",
        replace(recipe, method=method),
        f"{runs}/{name}",
        steps=steps,
        quiet=True,
    )
    found = {split: run.embed("digits", split=split) for split in labels}
    return {
        split: one / np.linalg.norm(one, axis=1, keepdims=True)
        for split, one in found.items()
    }


# %%
# **With five labels a class.** Ten classes, fifty labelled digits; every test
# digit takes the label of the nearest of them. The draw is repeated twenty times.


def accuracies(features):
    """Return the accuracies of twenty draws of five labelled digits a class."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        of_class = [
            rng.choice(np.flatnonzero(labels["train"] == one), 5, replace=False)
            for one in range(10)
        ]
        rows = np.concatenate(of_class)
        nearest = KNeighborsClassifier(1).fit(
            features["train"][rows], labels["train"][rows]
        )
        found.append(nearest.score(features["test"], labels["test"]))
    return found


plans = {
    "hardly trained": (1, 0.0, 1.0),
    "global": (80, 1.0, 0.0),
    "local": (80, 0.0, 1.0),
    "both": (80, 0.5, 1.0),
}
results = {
    name: accuracies(features_of(name, *plan)) for name, plan in plans.items()
}
for name, found in results.items():
    print(f"{name:15} {np.mean(found):.3f} ± {np.std(found):.3f}")

# %%
figure, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
means = [np.mean(found) for found in results.values()]
bars = axes.barh([*results], means, color=["0.6", "C0", "C1", "C2"])
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(
    xlim=(0, 1), xlabel="accuracy", title="Nearest neighbour, five labels a class"
)
axes.invert_yaxis()
plt.show()

# %%
# **What to see.** The global objective makes these features worse than those of
# an encoder that has hardly learned; the local one makes them better. A reason
# may be that any detail is enough to recognise a whole picture, also one that
# says nothing about the digit, while what holds for *all* parts is more likely
# to be what the picture is about. This is one run of each; Hjelm et al. (2019)
# found the local objective better on photographs, and the page of
# :doc:`Deep InfoMax </deep-infomax>` has recorded runs.

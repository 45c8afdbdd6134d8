"""
Two cameras: what the views share
=================================

Two cameras look at the same digit, each with a background of its own. What does
an encoder learn that makes the views tell about each other?
"""

# %%
# **The scenes.** The digit and its size are shared. The background, a texture, is
# private to each camera.

import tempfile
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

import infomax
from infomax.estimation import MillerMadow
from infomax.learning.data.scenes import two_cameras

scenes = {split: two_cameras(split) for split in ("train", "test")}
figure, axes = plt.subplots(2, 6, figsize=(8, 3), layout="constrained")
for number, column in enumerate(axes.T):
    for camera, panel in zip(("left", "right"), column, strict=True):
        panel.imshow(scenes["test"].columns[camera][number], cmap="gray")
        panel.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("left")
axes[1, 0].set_ylabel("right")
figure.suptitle("Six scenes, seen by two cameras")
plt.show()

# %%
# **Two ways to learn.** One encoder for each camera, so that left and right
# predict each other; or one encoder of the left camera alone, which sees two
# random crops of its picture.

runs = tempfile.mkdtemp()
recipe = infomax.recipe("amdim-two-cameras")
small = replace(
    recipe.method, encoder=replace(recipe.method.encoder, width=8, embedding_dim=32)
)
recipe = replace(recipe, method=small)
whole = replace(
    recipe.views.first, crop_scale=None, jitter=(0.0, 0.0, 0.0, 0.0)
)  # pictures as they are
crops = replace(
    recipe.views.first, crop_scale=(0.5, 1.0), jitter=(0.4, 0.4, 0.0, 0.0)
)
views = {
    "two cameras": replace(recipe.views, first=whole, second=whole),
    "two crops of one": crops,
}
trained = {}
for name, seen in views.items():
    column = None if name == "two cameras" else "left"
    chosen = replace(recipe, views=seen, column=column)
    trained[name] = infomax.pretrain(
        "two-cameras", chosen, f"{runs}/{name}", steps=200, quiet=True
    )

# %%
# **What do the features of the left camera know?** Each test scene takes the
# value that most of the twenty nearest training scenes have. What this vote tells
# about the true value, the features know at least.

left = {
    split: infomax.Given("two-cameras", split=split, column="left")
    for split in scenes
}
factors = {"digit": "class", "size": "size", "background": "left background"}
bits = {}
for name, run in trained.items():
    encoder = run.encoder("left" if name == "two cameras" else "")
    features = {
        split: infomax.embed(encoder, given.load(encoder.views))
        for split, given in left.items()
    }
    mean = features["train"].mean(axis=0)
    features = {split: one - mean for split, one in features.items()}
    for factor, column in factors.items():
        train, test = (scenes[split].factors[column] for split in ("train", "test"))
        votes = (
            KNeighborsClassifier(20, metric="cosine")
            .fit(features["train"], train)
            .predict(features["test"])
        )
        found = MillerMadow().estimate(votes, test)
        bits[name, factor] = found.bits
        print(f"{name:17} {factor:10} {found.bits:5.2f} bits")

# %%
figure, axes = plt.subplots(figsize=(6.5, 3), layout="constrained")
for shift, name in ((-0.2, "two cameras"), (0.2, "two crops of one")):
    places = np.arange(len(factors)) + shift
    bars = axes.bar(
        places, [bits[name, factor] for factor in factors], width=0.36, label=name
    )
    axes.bar_label(bars, fmt="%.1f", padding=2)
axes.set_xticks(range(len(factors)), [*factors])
axes.set(ylabel="bits", title="What the features know", ylim=(0, 2.3))
axes.axhline(0, color="black", linewidth=0.8)
axes.legend()
plt.show()

# %%
# **What to see.** Two crops of one picture share its background, so the encoder
# keeps it. Two cameras share the digit and its size; the background goes out of
# the way. This is one short run of each, with settings chosen so that the effect
# is seen; the page of :doc:`AMDIM </amdim>` has recorded runs.

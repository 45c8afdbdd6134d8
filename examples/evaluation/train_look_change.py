"""
Train, look and change an encoder
=================================

An encoder of digits learned without labels, what it is worth, and the same with
one thing changed.
"""

# %%
# **Train.** 150 steps on the built-in digits, a few seconds: two views of each
# picture are to tell as much as possible of each other.

import tempfile

import matplotlib.pyplot as plt
import numpy as np

import infomax

runs = tempfile.mkdtemp()
run = infomax.pretrain(
    "digits", "amdim-digits", f"{runs}/first", steps=150, quiet=True
)
print(
    {
        name: round(value, 2)
        for name, value in run.files.last_metrics().items()
        if name.startswith("bits")
    }
)

# %%
# **Look.** Features of the test pictures, and for some of them the pictures whose
# features are nearest. No label was used so far.

digits = infomax.load_images(
    "digits", split="test", size=32, channels=1, progress=False
)
features = run.embed(digits)
features /= np.linalg.norm(features, axis=1, keepdims=True)
queries = [3, 14, 15, 92]
nearest = np.argsort(-features[queries] @ features.T, axis=1)[:, :6]

figure, axes = plt.subplots(4, 6, figsize=(6, 4), layout="constrained")
for row, ax in zip(nearest, axes, strict=True):
    for image, cell in zip(row, ax, strict=True):
        cell.imshow(digits.values[image, ..., 0], cmap="gray")
        cell.axis("off")
figure.suptitle("First column: the picture; then its nearest neighbours")
plt.show()

# %%
# **What is it worth?** With labels, a linear classifier of the features, beside a
# random encoder and the pixels.

found = run.evaluate("digits", probes=("linear",), labels_per_class=None)
for row in found["rows"]:
    print(f"{row['representation']:15} {row['accuracy']:.3f}")

# %%
# **Change one thing**: the objective. The global features alone predict each
# other, without local ones; all else is the same.

from dataclasses import replace

recipe = infomax.recipe("amdim-digits")
only_global = replace(recipe, method=replace(recipe.method, scales=((1, 1),)))
other = infomax.pretrain(
    "digits", only_global, f"{runs}/global", steps=150, quiet=True
)
for name, one in (("three scales", run), ("global only", other)):
    rows = one.evaluate(
        "digits", probes=("knn",), labels_per_class=None, name="knn"
    )["rows"]
    print(f"{name:14} nearest neighbours {rows[0]['accuracy']:.3f}")

"""
A row of the Deep InfoMax table, in miniature
=============================================

The paper compares objectives: InfoNCE, the Jensen–Shannon bound,
Donsker–Varadhan. Here on digits.
"""

# %%
# The same small encoder, critic and budget; only the bound differs. The paper's
# table has these rows for CIFAR-10 and large encoders, after long training;
# digits are easy, and differences of a few points here mean little.

import tempfile
from dataclasses import replace

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import infomax

runs = tempfile.mkdtemp()
recipe = infomax.recipe("dim-digits")
recipe = replace(recipe, method=replace(recipe.method, critic_units=64))
digits = {
    split: infomax.load_images(
        "digits", split=split, size=32, channels=1, progress=False
    )
    for split in ("train", "test")
}


def accuracy(rows):
    """Return the accuracy of a linear classifier fitted to the training digits."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    model.fit(rows["train"], digits["train"].labels)
    return model.score(rows["test"], digits["test"].labels)


def trained(name, bound, steps):
    """The accuracy with features of an encoder that maximises a bound."""
    run = infomax.pretrain(
        "digits", recipe, f"{runs}/{name}", bound=bound, steps=steps, quiet=True
    )
    return accuracy({split: run.embed(one) for split, one in digits.items()})


bounds = ("infonce", "jensen_shannon", "donsker_varadhan")
learned = {bound: trained(bound, bound, steps=80) for bound in bounds}
without = {
    "hardly trained": trained("start", "infonce", steps=1),
    "raw pixels": accuracy(
        {
            split: one.values.reshape(len(one), -1) / 255
            for split, one in digits.items()
        }
    ),
}
for name, value in {**learned, **without}.items():
    print(f"{name:17} {value:.3f}")

# %%
# Beside them stand an encoder after one step, and raw pixels: what is above these
# was learned.

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
bars = axes.barh([*learned], [*learned.values()])
axes.bar_label(bars, fmt="%.3f", padding=-40, color="white")
for (name, value), style in zip(without.items(), ("--", ":"), strict=True):
    axes.axvline(value, color="black", linestyle=style, label=name)
axes.set(xlim=(0.5, 1), xlabel="accuracy of a linear classifier", title="By bound")
axes.legend(loc="lower left")
plt.show()

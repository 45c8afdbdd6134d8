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

import infomax

runs = tempfile.mkdtemp()
recipe = infomax.recipe("dim-digits")
recipe = replace(recipe, method=replace(recipe.method, critic_units=64))
bounds = ("infonce", "jensen_shannon", "donsker_varadhan")
accuracy = {}
for bound in bounds:
    run = infomax.pretrain(
        "digits", recipe, f"{runs}/{bound}", bound=bound, steps=80, quiet=True
    )
    rows = run.evaluate("digits", probes=("linear",), labels_per_class=None)["rows"]
    accuracy[bound] = rows[0]["accuracy"]
    without = {row["representation"]: row["accuracy"] for row in rows[1:]}
print({name: round(value, 3) for name, value in {**accuracy, **without}.items()})

# %%
# Beside them stand the same probe of a random encoder and of raw pixels: what is
# above these was learned.

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.barh([*accuracy], [*accuracy.values()])
for (name, value), style in zip(without.items(), ("--", ":"), strict=True):
    axes.axvline(value, color="black", linestyle=style, label=name)
axes.set(xlim=(0.5, 1), xlabel="accuracy of a linear probe, test digits")
axes.legend()
plt.show()

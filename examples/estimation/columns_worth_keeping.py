"""
Columns worth keeping
=====================

Thirty measurements of cells, benign or malignant. Many of them say the same.
Which few tell most *together*?
"""

# %%
# The Wisconsin data on breast cancer come with scikit-learn. Ranked one by one,
# the best columns are all about size: radius, perimeter and area of the same
# cell.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from infomax.estimation import (
    EqualMassBins,
    InformativeFeatures,
    information_classif,
)

data = load_breast_cancer()
names = np.array(data.feature_names)
relevance = information_classif(data.data, data.target) / np.log(2)  # bits
ranked = np.argsort(-relevance)
print("one by one:", ", ".join(names[ranked[:6]]))

# %%
# **Redundancy.** How many bits the best of them shares with the next five:

six = data.data[:, ranked[:6]]
shared = [EqualMassBins().estimate(six[:, 0], column).bits for column in six.T[1:]]
print("shared with the best:", [round(value, 2) for value in shared])

# %%
# **Together.** ``InformativeFeatures`` takes a column only if it tells something
# that the columns before it do not. It stops where none is left.

selector = InformativeFeatures(6).fit(data.data, data.target)
chosen = np.flatnonzero(selector.get_support())
print("together:", ", ".join(names[chosen]))


# %%
# **Is it worth it?** The accuracy of a logistic regression on as many columns,
# cross-validated.


def accuracy(columns):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return cross_val_score(model, data.data[:, columns], data.target, cv=10).mean()


rows = {
    "all 30": accuracy(np.arange(30)),
    f"best {len(chosen)}, one by one": accuracy(ranked[: len(chosen)]),
    f"best {len(chosen)}, together": accuracy(chosen),
}
figure, (bars, result) = plt.subplots(
    1, 2, figsize=(10, 5), layout="constrained", width_ratios=(1.5, 1)
)
colors = ["C1" if column in chosen else "C0" for column in ranked]
bars.barh(names[ranked], relevance[ranked], color=colors)
bars.invert_yaxis()
bars.tick_params(axis="y", labelsize=8)
bars.set(
    xlabel="bits about the diagnosis",
    title="Each column alone; orange: chosen together",
)
shown = result.barh([*rows], [*rows.values()], color=["0.6", "C0", "C1"])
result.bar_label(shown, fmt="%.3f", padding=3)
result.set(xlim=(0.85, 1.0), xlabel="accuracy", title="With these columns")
result.invert_yaxis()
plt.show()

# %%
# **What to see.** The choice jumps over columns that are highly ranked but repeat
# what is known, and takes lower ones that add something.

"""
A third variable: common cause and puzzle
=========================================

Ice cream and sunburn tell about each other. Does one cause the other? And can two
things that tell nothing, each alone, tell everything together?
"""

# %%
# **A common cause.** On hot days people eat ice cream and get sunburnt, both
# independently of each other.

import matplotlib.pyplot as plt
import numpy as np

from infomax.information import Joint

p_hot = 0.4
ice = {"hot": 0.8, "cool": 0.1}  # the probability of ice cream on such a day
burn = {"hot": 0.7, "cool": 0.05}


def day(weather, share):
    """Probabilities [ice, burn] of such a day, times the share of such days."""
    return share * np.outer(
        [1 - ice[weather], ice[weather]], [1 - burn[weather], burn[weather]]
    )


table = np.stack([day("cool", 1 - p_hot), day("hot", p_hot)], axis=-1)
summer = Joint(table, "ice burn weather")
print(summer.I("ice ; burn", base=2))
print(summer.I("ice ; burn | weather", base=2))

# %%
# Who knows the weather learns nothing about sunburn from ice cream: the
# *conditional* information is 0. The whole dependence went through the weather.

# %%
# **A puzzle.** Two coins are tossed, and a lamp is lit if they differ (XOR). Each
# coin alone tells nothing about the lamp. Who knows the other coin learns all.

xor = np.zeros((2, 2, 2))
for first in (0, 1):
    for second in (0, 1):
        xor[first, second, first ^ second] = 1 / 4
coins = Joint(xor, "first second lamp")
print(coins.I("first ; lamp", base=2))
print(coins.I("first ; lamp | second", base=2))

# %%
# Conditioning can take information away, and it can bring information about.

rows = {
    "ice cream ; sunburn": summer.I("ice ; burn", base=2),
    "… if weather is known": summer.I("ice ; burn | weather", base=2),
    "first coin ; lamp": coins.I("first ; lamp", base=2),
    "… if second coin is known": coins.I("first ; lamp | second", base=2),
}
figure, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
bars = axes.barh(
    [*rows],
    [float(value) for value in rows.values()],
    color=["C0", "C0", "C1", "C1"],
)
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(
    xlabel="bits",
    xlim=(0, 1.15),
    title="Information without and with the third variable",
)
axes.invert_yaxis()
plt.show()

# %%
# **What to see.** Information between two columns of a table is a fact about the
# two, not about causes. Before drawing an arrow, ask what a third column would
# change. With samples in place of a table, ``KSG``, ``Gaussian`` and the counting
# estimators take ``given=``.

"""
How many bits do two columns share?
===================================

A table of measurements: which columns tell of each other, how much, and how sure
is that?
"""

# %%
# Four columns. The second follows the first along a curve, the third only repeats
# its size, and the fourth is alone. Correlation sees none of this; information
# does.

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from infomax.estimation import KSG, pairwise, permutation_test, rank_columns

rng = np.random.default_rng(0)
x = rng.normal(size=1000)
table = pl.DataFrame(
    {
        "x": x,
        "curve": np.cos(2 * x) + 0.2 * rng.normal(size=1000),
        "size": np.where(np.abs(x) > 1, "large", "small"),
        "alone": rng.normal(size=1000),
    }
)
print(
    "correlation of x and curve:",
    round(float(np.corrcoef(x, table["curve"])[0, 1]), 3),
)

# %%
# **One pair.** An estimate has a standard error, and says what it is an estimate
# of.

found = KSG().estimate(table["x"], table["curve"])
print(found)
print(f"{found.value / np.log(2):.2f} bits")

# %%
# **Is it more than chance?** Shuffling one column breaks the dependence and keeps
# both columns as they are.

for name in ("curve", "alone"):
    test = permutation_test(table["x"], table[name], KSG(), num_permutations=99)
    print(f"{name:6} p = {test.p_value:.2f}")

# %%
# **Which columns tell of x?** Each column is scored by an estimator for its kind.

print(rank_columns(table, "x"))

# %%
# **All pairs** at once.

pairs = pairwise(table)
names = pairs.names
bits = pairs.value / np.log(
    2
)  # the diagonal is NaN: a column and itself are no pair
figure, axes = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
shown = axes.imshow(bits, vmin=0)
axes.set_xticks(range(4), names)
axes.set_yticks(range(4), names)
figure.colorbar(shown, label="bits")
plt.show()

"""
Who drives whom? Information in time
====================================

Two signals go up and down together. Does one of them drive the other, and after
how long?
"""

# %%
# The second signal follows the *size* of the first, three steps later, and has a
# memory of its own. Sizes are not seen by correlation.

import matplotlib.pyplot as plt
import numpy as np

from infomax.estimation import KSG, lagged_information, transfer_entropy

rng = np.random.default_rng(1)
NUM_STEPS, DELAY = 1500, 3
driver, follower = np.zeros(NUM_STEPS), np.zeros(NUM_STEPS)
for t in range(DELAY, NUM_STEPS):
    driver[t] = 0.6 * driver[t - 1] + rng.normal()
    follower[t] = (
        0.4 * follower[t - 1] + 0.8 * abs(driver[t - DELAY]) + 0.4 * rng.normal()
    )
print(
    "correlation at the delay:",
    round(float(np.corrcoef(driver[:-DELAY], follower[DELAY:])[0, 1]), 3),
)

# %%
# **After how long?** Information between the driver and the follower some steps
# later. The peak stands at the delay. One step later there is a smaller one,
# since the follower remembers.

lags = np.arange(-8, 9)
bits = [lagged_information(driver, follower, KSG(), lag).bits for lag in lags]
print("largest at a lag of", lags[int(np.argmax(bits))])

# %%
# **In which direction?** *Transfer entropy* asks what the past of one signal adds
# to the past of the other itself.

both = {
    "driver → follower": transfer_entropy(
        driver, follower, KSG(), source_lags=(DELAY,)
    ),
    "follower → driver": transfer_entropy(
        follower, driver, KSG(), source_lags=(DELAY,)
    ),
}
for name, found in both.items():
    print(f"{name}: {found}")

# %%
figure, axes = plt.subplot_mosaic(
    [["signals", "signals"], ["lags", "directions"]],
    figsize=(9, 5),
    layout="constrained",
)
axes["signals"].plot(driver[100:250], label="driver")
axes["signals"].plot(follower[100:250], label="follower")
axes["signals"].set(xlabel="step", title="Two signals")
axes["signals"].legend(loc="upper right")
axes["lags"].plot(lags, bits, marker=".")
axes["lags"].axvline(DELAY, linestyle=":", color="0.5")
axes["lags"].set(
    xlabel="steps from driver to follower",
    ylabel="bits",
    title="Information by lag",
)
values = [found.bits for found in both.values()]
errors = [found.standard_error / np.log(2) for found in both.values()]
axes["directions"].bar([*both], values, yerr=errors, capsize=4, color=["C0", "C1"])
axes["directions"].axhline(0, color="black", linewidth=0.8)
axes["directions"].set(ylabel="bits", title="Transfer entropy")
plt.show()

# %%
# **What to see.** One direction is far from 0, the other within its error. (A
# third signal that drives both would look the same; ``given=`` takes what is
# known of it.)

"""
How much can a noisy channel carry?
===================================

A channel turns a 1 into a 0 in one of three cases, and never a 0 into a 1. How
often should one send a 1?
"""

# %%
# This is the *Z channel*. Each row holds the probabilities of what arrives.

import matplotlib.pyplot as plt
import numpy as np

from infomax.information import Channel, kl_divergence

channel = Channel([[1, 0], [1 / 3, 2 / 3]])

# %%
# **Try all inputs.** What arrives depends on how often a 1 is sent. The largest
# value is the *capacity*.

shares = np.linspace(0, 1, 201)
bits = channel.mutual_information(np.stack([1 - shares, shares], axis=-1), base=2)
best = bits.argmax()
print(
    f"best of 201 inputs: send a 1 in {shares[best]:.1%} of cases, "
    f"{bits[best]:.4f} bits a use"
)

# %%
# **Climb.** Blahut and Arimoto found a rule that needs no trying. A letter that
# is easy to tell from the others, :math:`D(P_x \| q)` large, is sent more often:
#
# .. math:: p(x) \leftarrow p(x) \, 2^{D(P_x \| q)} / Z
#
# where :math:`q` is what arrives on average. The information that passes is a
# lower bound on the capacity, and the largest :math:`D` an upper bound. The two
# meet.

p = np.array([0.95, 0.05])
lower, upper, path = [], [], []
for _ in range(25):
    divergence = np.array(
        [
            kl_divergence(row, channel.output(p), base=2)
            for row in channel.transition
        ]
    )
    lower.append(channel.mutual_information(p, base=2))
    upper.append(divergence.max())
    path.append(p[1])
    p = p * 2**divergence
    p /= p.sum()
print(f"after 25 steps: between {lower[-1]:.4f} and {upper[-1]:.4f} bits")

# %%
# **The library** does the same until the two are as close as is asked for.

capacity = channel.capacity(base=2)
print(
    f"Channel.capacity: {capacity.lower:.9f} to {capacity.upper:.9f} bits, "
    f"input {capacity.input.round(4)}"
)

# %%
# Left, the steps up the curve of all inputs. Right, the two bounds.

figure, (curve, bounds) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
curve.plot(shares, bits)
curve.plot(path, lower, ".-", color="C1", label="steps")
curve.plot(
    capacity.input[1],
    capacity.lower,
    "*",
    color="C3",
    markersize=14,
    label="capacity",
)
curve.set(
    xlabel="share of 1 in the input",
    ylabel="bits a use",
    title="Information by input",
)
curve.legend(loc="lower center")
bounds.plot(upper, label="upper bound")
bounds.plot(lower, label="lower bound")
bounds.axhline(capacity.lower, linestyle=":", color="0.5", label="capacity")
bounds.set(xlabel="step", ylabel="bits a use", title="Two bounds that meet")
bounds.legend()
plt.show()

# %%
# **What to see.** A 1 is sent in fewer than half of the cases, because it is the
# letter that suffers. The curve is flat at its top: equally many 0 and 1 lose
# little.

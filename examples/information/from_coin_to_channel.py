"""
From a coin to a channel
========================

Entropy, mutual information and capacity in a few lines, and a picture of what a
noisy channel lets through.
"""

# %%
# **Entropy** is the average surprise: one bit for a fair coin, less for an unfair
# one, and 1.75 bits for a die two faces of which never come up.

import matplotlib.pyplot as plt
import numpy as np

from infomax.information.channels.channel import Channel
from infomax.information.joint import Joint
from infomax.information.measures import entropy

fair, unfair, die = (
    [1 / 2, 1 / 2],
    [3 / 4, 1 / 4],
    [1 / 2, 1 / 4, 0, 0, 1 / 8, 1 / 8],
)
for name, p in [("fair coin", fair), ("unfair coin", unfair), ("die", die)]:
    print(f"{name:12} {entropy(p, base=2):.11f} bits")

# %%
# **Mutual information** is what one variable tells of another. All its forms
# agree, and `explain` shows one.

joint = Joint([[1 / 2, 0], [1 / 4, 1 / 4]], "x y")
independent = joint.marginal("x").expand(joint.marginal("y"))
print(joint.I("x ; y", base=2).explain())
print(
    "H(x) - H(x | y) =", round(joint.H("x", base=2) - joint.H("x | y", base=2), 6)
)
print("D(p(x,y) || p(x)p(y)) =", round(joint.kl(independent, base=2), 6))
print("I(y ; x) =", round(float(joint.I("y ; x", base=2)), 6))

# %%
# **Two copies** that know nothing of each other carry twice as much.

copies = joint.expand(Joint(joint.table, "w z"))
print(copies.I("x, w ; y, z", base=2))

# %%
# **A channel** is its matrix of transition probabilities. Through an ideal one
# all of H(X) passes, through a fully disturbed one nothing does.

for name, channel in [
    ("ideal", Channel.ideal(6)),
    ("one error in ten", Channel.symmetric(6, 0.1)),
    ("fully disturbed", Channel.fully_disturbed([1 / 2, 1 / 2], 6)),
]:
    passed = channel.joint(die)
    print(f"{name:17} {passed.I('x ; y', base=2)}, {passed.H('x | y', base=2)}")

# %%
# **Between the extremes** lies every binary symmetric channel. The information it
# passes depends on how often a 1 is sent and how often a bit is flipped; a batch
# of channels and a batch of inputs give the whole surface at once. The best input
# of each channel is marked: its information is the capacity, 1 − h(error).

shares, errors = np.linspace(0, 1, 101), np.linspace(0, 1, 101)
channels = Channel.binary_symmetric(errors[:, None])
information = channels.mutual_information(
    np.stack([1 - shares, shares], axis=-1), base=2
)
marked = errors[::5]
best = [Channel.binary_symmetric(error).capacity(base=2) for error in errors]
capacities = np.array([capacity.lower for capacity in best])

figure, (surface, ridge) = plt.subplots(
    1, 2, figsize=(10, 4.2), layout="constrained"
)
shown = surface.pcolormesh(
    shares, errors, information, vmin=0, vmax=1, shading="gouraud"
)
surface.contour(
    shares,
    errors,
    information,
    levels=np.linspace(0.1, 0.9, 9),
    colors="white",
    linewidths=0.5,
)
surface.plot(
    [capacity.input[1] for capacity in best[::5]],
    marked,
    "wo",
    markersize=4,
    label="capacity",
)
surface.set(
    xlabel="probability of sending 1",
    ylabel="probability of an error",
    title="I(X;Y), bits",
)
surface.legend(loc="center right", facecolor="0.3", labelcolor="white")
figure.colorbar(shown, ax=surface)
for share in (0.5, 0.2, 0.05):
    ridge.plot(
        errors,
        information[:, round(share * 100)],
        label=f"1 sent with probability {share:g}",
    )
ridge.plot(marked, capacities[::5], "ko", markersize=4, label="capacity")
ridge.set(
    xlabel="probability of an error",
    ylabel="bits a use",
    title="Cuts through the surface",
)
ridge.legend()
plt.show()

# %%
# A channel that always errs is as good as one that never does: the receiver need
# only turn every bit around. In the middle, at one half, output and input are
# independent, and nothing helps.

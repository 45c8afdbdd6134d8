"""
What noise takes, nothing gives back
====================================

A picture is copied again and again by a machine that makes mistakes. How many
bits about the first picture are left in the last copy?
"""

# %%
# The picture has black and white dots. The machine flips each dot with a
# probability of 4 %.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from infomax.information import Channel

machine = Channel.binary_symmetric(0.04)
picture = np.kron(load_digits().images[0] > 6, np.ones((4, 4), bool))
share = picture.mean()
source = [1 - share, share]

# %%
# **Channels in a row.** ``then`` makes one channel of two. By the *data
# processing inequality*, the information about the source can only fall.

copies = [1, 2, 4, 8, 16, 32]
chain, channels = Channel.ideal(2), {0: Channel.ideal(2)}
for number in range(1, copies[-1] + 1):
    chain = chain.then(machine)
    channels[number] = chain
bits = {
    number: float(one.mutual_information(source, base=2))
    for number, one in channels.items()
}
for number in [0, *copies]:
    wrong = channels[number].transition[0, 1]
    print(
        f"copy {number:2}: a dot is wrong with probability {wrong:.3f}, "
        f"{bits[number]:.3f} bits a dot left"
    )

# %%
# **Can one repair a copy?** Whatever is done to a dot after the noise, no bit
# comes back. At best nothing more is lost.

worse = channels[8]
for name, step in {
    "leave as it is": Channel.ideal(2),
    "turn every dot": Channel([[0, 1], [1, 0]]),
    "copy once more": machine,
}.items():
    left = worse.then(step).mutual_information(source, base=2)
    print(f"{name}: {left:.3f} bits a dot")

# %%
# The copies, drawn from their channels, and what is left in them.

rng = np.random.default_rng(0)
figure, axes = plt.subplot_mosaic(
    [["0", "1", "2", "4", "8", "16", "32"], ["curve"] * 7],
    figsize=(9, 4.2),
    layout="constrained",
)
for number in [0, *copies]:
    flipped = rng.random(picture.shape) < channels[number].transition[0, 1]
    axes[str(number)].imshow(picture ^ flipped, cmap="gray")
    axes[str(number)].set_title(
        "picture" if number == 0 else f"copy {number}", fontsize=10
    )
    axes[str(number)].axis("off")
axes["curve"].plot(bits.keys(), bits.values(), marker=".")
axes["curve"].set(
    xlabel="copies",
    ylabel="bits a dot",
    ylim=(0, None),
    title="Information about the picture",
)
plt.show()

# %%
# **What to see.** The first copies cost most. Long before the information is
# gone, the digit cannot be read dot by dot; the eye still sees it for a while,
# because it looks at many dots at once.

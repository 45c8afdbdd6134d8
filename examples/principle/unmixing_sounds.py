"""
Unmixing sounds
===============

Three sounds at once, heard by three microphones. A network that conveys as much
as it can about what the microphones hear finds the three sounds.
"""

# %%
# **The sounds**: a melody, a voice-like rattle and the wind. Nobody tells the
# network what they are.

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter
from sklearn.decomposition import PCA

from infomax.principle import InfoMaxICA, amari_distance

rng = np.random.default_rng(0)
RATE = 8000
time = np.arange(2 * RATE) / RATE
notes = np.repeat([262, 330, 392, 523, 392, 330, 294, 262], len(time) // 8)
melody = np.sin(2 * np.pi * np.cumsum(notes) / RATE)
clicks = lfilter(
    [1],
    [1, -1.8, 0.95],
    rng.normal(size=len(time)) * (rng.random(len(time)) < 0.01),
)
wind = (
    lfilter([1], [1, -0.98], rng.laplace(size=len(time)))
    * (1 + np.sin(3 * time))
    / 2
)
sounds = np.stack([melody, clicks, wind], axis=1)
sounds = (sounds - sounds.mean(axis=0)) / sounds.std(axis=0)

# %%
# **The microphones** hear mixtures. Each is nearer to another sound.

mixing = np.array([[1.0, 0.6, 0.5], [0.5, 1.0, 0.6], [0.4, 0.7, 1.0]])
heard = sounds @ mixing.T

# %%
# **Unmixing.** Principal components only remove correlation. The InfoMax network
# makes its outputs convey most. The *Amari distance* is 0 if each output is one
# sound.

network = InfoMaxICA().fit(heard)
principal = PCA(whiten=True).fit(heard)
print(f"microphones          {amari_distance(mixing):.2f}")
print(f"principal components {amari_distance(principal.components_ @ mixing):.2f}")
print(f"InfoMax              {amari_distance(network.components_ @ mixing):.3f}")

# %%
# A short stretch of each.

found = network.transform(heard)
order = np.abs(np.corrcoef(sounds.T, found.T)[:3, 3:]).argmax(axis=1)
columns = {
    "sounds": sounds,
    "microphones": heard,
    "principal": principal.transform(heard),
    "InfoMax": found[:, order],
}
figure, axes = plt.subplots(
    3, 4, figsize=(10, 4), layout="constrained", sharex=True
)
part = slice(RATE // 2, RATE // 2 + 500)
for column, (title, signals) in zip(axes.T, columns.items(), strict=True):
    column[0].set_title(title)
    for panel, signal in zip(column, signals.T, strict=True):
        panel.plot(time[part], signal[part], linewidth=0.8)
        panel.set_yticks([])
    column[-1].set_xlabel("seconds")
plt.show()

# %%
# **What to see.** The last column is the first, except that a sound may be upside
# down: the order, the sign and the loudness of sources cannot be known from
# mixtures.

"""
Bits about a label that nobody showed
=====================================

While an encoder learns, its own bound goes up. Does what it knows about the
*label* go up, too?
"""

# %%
# **Learn, and look again and again.** The encoder never sees a label. After some
# steps, a classifier is fitted to the features of the training digits. What it
# finds on the test digits is a lower bound on the information between features
# and label, in bits; ten classes have 3.32.

import tempfile

import matplotlib.pyplot as plt
import numpy as np

import infomax
from infomax.evaluation import label_information

runs = tempfile.mkdtemp()
digits = {
    split: infomax.load_images(
        "digits", split=split, size=32, channels=1, progress=False
    )
    for split in ("train", "test")
}
labels = {split: one.labels for split, one in digits.items()}


def bits_about_label(features):
    """A lower bound by a linear classifier."""
    return label_information(
        features["train"], labels["train"], features["test"], labels["test"]
    )


steps = (1, 25, 50, 100, 200)
found, bound = [], []
for number in steps:
    run = infomax.pretrain(
        "digits", "amdim-digits", f"{runs}/{number}", steps=number, quiet=True
    )
    found.append(
        bits_about_label({split: run.embed(one) for split, one in digits.items()})
    )
    bound.append(run.files.last_metrics()["bits_1to5"])
    print(
        f"{number:3} steps: {bound[-1]:.2f} bits of the bound, "
        f"{found[-1].bits:.2f} bits about the label"
    )

# %%
figure, (learned, label) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
learned.plot(steps, bound, marker="o")
learned.set(
    xlabel="steps", ylabel="bits", title="What it maximises: between two views"
)
label.errorbar(
    steps,
    [one.bits for one in found],
    [one.standard_error / np.log(2) for one in found],
    marker="o",
    capsize=3,
)
label.axhline(np.log2(10), color="black", linestyle=":", label="all there is")
label.set(xlabel="steps", ylabel="bits", title="What it is not told: the label")
label.legend(loc="lower right")
plt.show()

# %%
# **What to see.** Digits are easy: even features of an encoder that has not
# learned yet tell a linear classifier about 3 bits. The first steps lose some of
# them, later ones add to them, although no label was shown: two views of a digit
# share what digit it is. The two curves need not rise together. Views also share
# other things, such as the slant of the hand, and the bound rises by these as well.

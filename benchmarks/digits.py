"""What the demo's encoder is worth on digits that no setting was chosen on.

    python benchmarks/digits.py --save    # five splits, ten minutes on two cores; writes results/digits.*

Settings of the recipe `amdim-digits` were chosen on the demo's own split of train and test images. Here each
seed splits all 1,797 digits again, and a new encoder is trained on each train part. The spread is over
splits; within a split, ten draws of five labels a class are averaged.
"""

import tempfile
from dataclasses import replace

import numpy as np
from sklearn.model_selection import train_test_split

from infomax.evaluation.clean import evaluate_clean
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.splits import Split
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named
from recording import arguments_of, environment, report


def main():
    arguments = arguments_of(__doc__, splits=5)
    recipe = recipe_named("amdim-digits")
    views = recipe.views
    parts = [load_images("digits", split=s, size=views.stored_size, channels=1) for s in ("train", "test")]
    accuracies: dict[tuple[str, str, str], list[float]] = {}
    for seed in range(1, arguments.splits + 1):
        for row in one_split(recipe, parts, seed):
            key = (row["representation"], row["probe"], row["labels"])
            accuracies.setdefault(key, []).append(row["accuracy"])
    rows = [summary(key, values) for key, values in accuracies.items()]
    about = environment("torch", "lightning", "kornia", "scikit-learn")
    report("digits", "Digits, on splits that no setting was chosen on", about, {"Accuracy": rows}, arguments)


def one_split(recipe, parts, seed):
    """Rows of every probe on a fresh split and a fresh encoder."""
    pixels = np.concatenate([part.values for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    rows = train_test_split(np.arange(len(labels)), test_size=450, stratify=labels, random_state=seed)
    train, test = (Dataset(pixels[r], labels[r], [str(i) for i in r], parts[0].classes) for r in rows)
    recipe = replace(recipe, train=replace(recipe.train, seed=seed))
    options = CleanOptions(probes=("linear", "knn"), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(pretrain(recipe, train, folder).folder)
    return evaluate_clean(encoder, Split(train, test, f"split {seed}"), options).rows


def summary(key, values):
    names = dict(zip(("representation", "probe", "labels"), key, strict=True))
    return {
        **names,
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)),
        "splits": len(values),
    }


if __name__ == "__main__":
    main()

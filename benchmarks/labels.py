"""Measure accuracy against the number of labels: probes, fine-tuning, and the same network from scratch.

    python benchmarks/labels.py --data cifar10/ --run runs/minutes/cifar10-20-0 --save     # an hour
    python benchmarks/labels.py … --labels 1% --save --overwrite                           # one of the rows

The encoder learned from all training images without labels. Shares of the labels of each class are drawn,
`--draws` times, or once where they are all. A fifth of the drawn labels chooses the rate, of two, and when
fine-tuning stops: after 400 steps, or after `--epochs` passes where these are more. Rows of
other numbers of labels stay.
"""

from dataclasses import replace

from infomax.evaluation.finetuning.comparing import compare_finetuning
from infomax.evaluation.finetuning.labels import LabelBudget
from infomax.evaluation.options import DEFAULT_FINETUNING
from infomax.evaluation.splits import labelled_split
from infomax.learning.encoders.saving import load_encoder
from recording import add, arguments_of, environment, recorded, report

HEADING = "Accuracy on the test images"


def main():
    arguments = arguments_of(
        __doc__,
        data="cifar10",
        run="runs/minutes/cifar10-20-0",
        labels="1%,10%,100%",
        draws=3,
        epochs=4.0,
        name="labels",
    )
    about = environment("torch", "scikit-learn")
    encoder = load_encoder(arguments.run)
    split = labelled_split(arguments.data, encoder.views)
    found = recorded(arguments.name, HEADING)
    for text in arguments.labels.split(","):
        budget = LabelBudget.parse(text)
        assert budget.share is not None, "labels: expected shares such as 10%"
        num = budget.share * len(split.train)
        config = with_steps(round(arguments.epochs * num / DEFAULT_FINETUNING.batch_size))
        draws = 1 if budget.share == 1 else arguments.draws
        rows = compare_finetuning(encoder, split, num_labels=budget, num_draws=draws, config=config).rows
        for row in rows:
            key = {"labels": text, "representation": row["representation"], "probe": row["probe"]}
            values = {name: row[name] for name in ("accuracy", "std", "num_labels")}
            settings = {"draws": draws, "at most steps": config.max_steps, "commit": about["commit"]}
            add(found[HEADING], key, {**values, **settings})
        report(arguments.name, f"Accuracy against labels, {arguments.data}", about, found, arguments)


def with_steps(steps):
    """Return settings of fine-tuning for so many steps, at least the usual number, validated as often."""
    usual = DEFAULT_FINETUNING
    steps = max(steps, usual.max_steps)
    return replace(usual, max_steps=steps, evaluate_every=usual.evaluate_every * steps // usual.max_steps)


if __name__ == "__main__":
    main()

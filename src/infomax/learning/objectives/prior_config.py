"""Options of prior matching."""

from dataclasses import dataclass

from infomax.learning.objectives.choices import PRIORS
from infomax.ranges import Count, Positive, Size, Weight, check_ranges


@dataclass(frozen=True)
class PriorConfig:
    """The prior that the global feature should match, and the discriminator that compares them.

    weight: weight γ of the encoder's term; 0 for no prior.
    kind: ``uniform`` on [0, 1] in each coordinate, standard ``gaussian``, or ``spherical`` (uniform on
    vectors of length 1).
    hidden: widths of the discriminator's hidden layers.
    lr: learning rate of the discriminator's Adam.
    gradient_penalty: weight of the mean squared gradient of the discriminator's score.
    num_steps: steps of the discriminator for each step of the encoder.
    """

    weight: Weight = 0.0
    kind: str = "uniform"
    hidden: tuple[Size, ...] = (1000, 200)
    lr: Positive = 1e-4
    gradient_penalty: Weight = 1.0
    num_steps: Count = 1

    def __post_init__(self) -> None:
        PRIORS.check(self.kind, "prior matching")
        check_ranges(self, "prior matching")

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        others = ("kind", "hidden", "lr", "gradient_penalty", "num_steps")
        return {} if self.weight else dict.fromkeys(others, "the prior's weight is 0")

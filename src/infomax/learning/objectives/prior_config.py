"""Options of prior matching."""

from dataclasses import dataclass

from infomax.errors import refuse
from infomax.learning.objectives.choices import PRIORS


@dataclass(frozen=True)
class PriorConfig:
    """The prior that the global feature is to match, and the discriminator that compares them.

    weight: γ of the encoder's term; 0 is no prior.
    kind: ``uniform`` on [0, 1] in each coordinate, standard ``gaussian``, or ``spherical``, uniform on
    vectors of length 1.
    hidden: widths of the discriminator's hidden layers.
    lr: rate of the discriminator's Adam.
    gradient_penalty: weight of the mean squared gradient of the discriminator's score.
    num_steps: steps of the discriminator for each step of the encoder.
    """

    weight: float = 0.0
    kind: str = "uniform"
    hidden: tuple[int, ...] = (1000, 200)
    lr: float = 1e-4
    gradient_penalty: float = 1.0
    num_steps: int = 1

    def __post_init__(self) -> None:
        PRIORS.check(self.kind, "prior matching")
        refuse(
            not (self.weight >= 0 and self.gradient_penalty >= 0 and self.lr > 0),
            "prior matching: weight and gradient_penalty must be at least 0, and lr above it, got "
            f"{self.weight}, {self.gradient_penalty} and {self.lr}; the defaults are {PriorConfig.weight}, "
            f"{PriorConfig.gradient_penalty} and {PriorConfig.lr}",
        )
        refuse(
            min(self.num_steps, *self.hidden, 1) < 1,
            "prior matching: num_steps and the widths in hidden must be at least 1, got "
            f"{self.num_steps} and {self.hidden}; the defaults are {PriorConfig.num_steps} and "
            f"{PriorConfig.hidden}",
        )

"""SimCLR (Chen et al., 2020) by lightly, with the settings of its CIFAR-10 benchmark.

Views, head, temperature 0.5, SGD and cosine: `docs/source/getting_started/benchmarks/cifar10_benchmark.py` of
lightly's repository, class SimCLRModel.
"""

from common import Learner, Pictures, fit
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform

TRANSFORM = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)


class SimCLR(Learner):
    def __init__(self, task):
        super().__init__(task, Pictures(task.images, TRANSFORM))
        self.head = SimCLRProjectionHead(self.num_features, 512, 128)
        self.criterion = NTXentLoss()

    def outputs(self, views, /):
        return [self.head(self.backbone(view)) for view in views]


def train(task):
    return fit(SimCLR, task)

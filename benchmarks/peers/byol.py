"""BYOL (Grill et al., 2020) by lightly, with the settings of its CIFAR-10 benchmark.

Views, heads, momentum 0.99, SGD and cosine: `docs/source/getting_started/benchmarks/cifar10_benchmark.py` of
lightly's repository, class BYOLModel.
"""

import copy

import torch
from common import Learner, Pictures, fit
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import BYOLTransform, BYOLView1Transform, BYOLView2Transform
from torch import nn

TRANSFORM = BYOLTransform(
    view_1_transform=BYOLView1Transform(input_size=32, gaussian_blur=0.0),
    view_2_transform=BYOLView2Transform(input_size=32, gaussian_blur=0.0),
)


class BYOL(Learner):
    def __init__(self, task):
        super().__init__(task, Pictures(task.images, TRANSFORM))
        self.projected = nn.Sequential(self.backbone, BYOLProjectionHead(self.num_features, 1024, 256))
        self.predict = BYOLPredictionHead(256, 1024, 256)
        self.target = copy.deepcopy(self.projected)
        deactivate_requires_grad(self.target)
        self.similarity = NegativeCosineSimilarity()

    def outputs(self, views, /):
        update_momentum(self.projected, self.target, m=0.99)
        predictions = [self.predict(self.projected(view)) for view in views]
        with torch.no_grad():
            targets = [self.target(view) for view in views]
        return *predictions, *targets

    def criterion(self, prediction_0, prediction_1, target_0, target_1):
        return (self.similarity(prediction_0, target_1) + self.similarity(prediction_1, target_0)) / 2


def train(task):
    return fit(BYOL, task)

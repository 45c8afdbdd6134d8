"""VICReg (Bardes et al., 2022) by lightly.

It is not in lightly's CIFAR-10 benchmark. Head, LARS with a rate of 0.3 for 256 images, and warm-up along a
tenth of the run are those of its benchmark of the same ResNet-18 on Imagenette, `imagenette_benchmark.py`
beside the other, class VICRegModel; views are its own, without blur as all of the CIFAR-10 benchmark.
"""

from common import BATCH_SIZE, Learner, Pictures, fit
from lightly.loss import VICRegLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead
from lightly.transforms import VICRegTransform
from lightly.utils.lars import LARS
from lightly.utils.scheduler import CosineWarmupScheduler

TRANSFORM = VICRegTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)


def lars(learner, num_steps):
    lr = 0.3 * BATCH_SIZE / 256
    optimizer = LARS(learner.trainable(), lr=lr, momentum=0.9, weight_decay=1e-4)
    return optimizer, CosineWarmupScheduler(optimizer, num_steps // 10, num_steps)


class VICReg(Learner):
    optimization = staticmethod(lars)

    def __init__(self, task):
        super().__init__(task, Pictures(task.images, TRANSFORM))
        self.head = BarlowTwinsProjectionHead(self.num_features, 2048, 2048)
        self.criterion = VICRegLoss()

    def outputs(self, views, /):
        return [self.head(self.backbone(view)) for view in views]


def train(task):
    return fit(VICReg, task)

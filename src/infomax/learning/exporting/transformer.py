"""An encoder in scikit-learn's pipelines: `fit` trains it without labels, `transform` embeds images."""

from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from infomax.errors import refuse
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.features import example_features, features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.config import Recipe
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.kinds import SingleViews
from infomax.progress import silence

DEFAULT_RECIPE = "amdim-cpu"
"""Recipe of a transformer for which none is named."""


class EncoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from images to embeddings.

    `fit` trains an encoder by a recipe, without labels; `transform` returns its representations. With a
    trained `encoder`, `fit` does not train.

    Images are an array [n, h, w], [n, h, w, c] or [n, c, h, w], or a sequence of what `load_images` takes for
    an image: arrays, pictures, paths. If `fit` finds the range of values from the set, as for images of more
    than 8 bits, `transform` uses the same range. Signals are arrays [n, t] or [n, t, c], with a recipe for
    signals.

    Args:
        recipe: a name, see ``infomax.learning.RECIPES``, or a `Recipe`, in which its views see one thing.
        encoder: a trained encoder from `load_encoder`, instead of training.
        image_shape: (h, w) or (h, w, c) of images that come as rows of an array [n, h·w·c].
        steps, minutes, epochs: replaces the recipe's budget; at most one of them.
        seed: replaces the recipe's seed.
        out: folder of the run, new or empty; None for a temporary one, which is removed.
        batch_size: images that are embedded at a time.
        quiet: show no progress.

    Attributes:
        encoder_: what was trained, or `encoder`.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> images = load_digits().images[:40].astype("uint8")
        >>> made = EncoderTransformer("amdim-digits", steps=2, quiet=True).fit_transform(images)
        >>> made.shape, made.dtype
        ((40, 64), dtype('float32'))
    """

    encoder_: PretrainedEncoder

    def __init__(
        self,
        recipe: str | Recipe = DEFAULT_RECIPE,
        *,
        encoder: PretrainedEncoder | None = None,
        image_shape: tuple[int, ...] | None = None,
        steps: int | None = None,
        minutes: int | float | None = None,
        epochs: int | float | None = None,
        seed: int | None = None,
        out: str | None = None,
        batch_size: int = 512,
        quiet: bool = False,
    ):
        self.recipe = recipe
        self.encoder = encoder
        self.image_shape = image_shape
        self.steps = steps
        self.minutes = minutes
        self.epochs = epochs
        self.seed = seed
        self.out = out
        self.batch_size = batch_size
        self.quiet = quiet

    def fit(self, X: Any, y: Any = None) -> "EncoderTransformer":
        """Train on images; labels are not used.

        Raises:
            ValueError: images of an impossible shape or type; fewer than two; two budgets; a recipe whose
                views see two things together.
        """
        if self.encoder is not None:
            self._loaded(X, self.encoder.views)
            self.encoder_ = self.encoder
            return self
        recipe = self._recipe()
        dataset = self._loaded(X, cast(SingleViews, recipe.views))
        if self.out is not None:
            self.encoder_ = load_encoder(pretrain(recipe, dataset, self.out, quiet=self.quiet).folder)
            return self
        with TemporaryDirectory(prefix="infomax-") as folder:
            self.encoder_ = load_encoder(pretrain(recipe, dataset, folder, quiet=self.quiet).folder)
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "n d"]:
        """Return the representation of each image.

        Raises:
            ValueError: images of an impossible shape or type.
            NotFittedError: `fit` was not called, and there is no `encoder`.
        """
        check_is_fitted(self)
        encoder: Any = getattr(self, "encoder_", self.encoder)
        dataset = self._loaded(X, encoder.views)
        starts = range(0, len(dataset), self.batch_size)
        blocks = [
            features_of_rows(encoder, dataset, slice(start, start + self.batch_size)).representation
            for start in starts
        ]
        return torch.cat(blocks).float().cpu().numpy()

    def _recipe(self) -> Recipe:
        """Return the recipe with what was chosen in its place."""
        recipe = recipe_named(self.recipe) if isinstance(self.recipe, str) else self.recipe
        refuse(
            len(recipe.views.parts) != 1,
            f"EncoderTransformer: received a recipe whose views see {len(recipe.views.parts)} things "
            "together, expected one for single images or signals; infomax.pretrain takes both",
        )
        budget = {"steps": self.steps, "minutes": self.minutes, "epochs": self.epochs}
        return replace(recipe, train=recipe.train.with_choices(budget, self.seed))

    def _loaded(self, X: Any, views: SingleViews) -> Dataset:
        """Return what is seen, as the views load it."""
        rows = X.to_numpy() if self.image_shape is not None and hasattr(X, "to_numpy") else X
        if isinstance(rows, np.ndarray):
            rows = self._shaped(rows, views)
        refuse(
            not len(rows), "EncoderTransformer: received no images, expected at least one; give a sequence"
        )
        with silence(self.quiet):
            return views.load(rows)

    def _shaped(self, X: np.ndarray, views: SingleViews) -> np.ndarray:
        """Return an array of images; rows of numbers in the shape that was named."""
        if self.image_shape is not None and X.ndim == 2:
            refuse(
                X.shape[1] != np.prod(self.image_shape),
                f"EncoderTransformer: received rows of {X.shape[1]} numbers, expected those of images "
                f"{list(self.image_shape)}; change image_shape",
            )
            return X.reshape(len(X), *self.image_shape)
        refuse(
            X.ndim < len(views.stored_shape),
            f"EncoderTransformer: received an array {list(X.shape)}, expected {views.noun}s, [n, …]; for "
            "rows of pixels say image_shape=(h, w) or (h, w, c)",
        )
        return X

    @property
    def _n_features_out(self) -> int:
        """Return the dimension of the embedding, from which scikit-learn names its features."""
        return example_features(self.encoder_.encoder, 1).representation.shape[1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_") or self.encoder is not None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.requires_fit = self.encoder is None
        return tags

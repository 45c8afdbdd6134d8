"""An encoder as a transformer: in pipelines and searches, by scikit-learn's own checks, and refused input."""

import pickle
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from infomax.learning import (
    AMDIMConfig,
    AMDIMEncoderConfig,
    PairedViewsConfig,
    Recipe,
    TrainConfig,
    ViewsConfig,
    load_encoder,
)
from infomax.learning.exporting.transformer import EncoderTransformer

VIEWS = ViewsConfig(
    stored_size=16,
    image_size=16,
    jitter=(0.0, 0.0, 0.0, 0.0),
    grayscale=0.0,
    mean=(0.5,),
    std=(0.3,),
)
RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)),
    views=VIEWS,
    train=TrainConfig(steps=2, batch_size=8, accelerator="cpu", precision="float32"),
)
make = partial(EncoderTransformer, RECIPE, quiet=True)


def digits(num=24):
    data = load_digits()
    return (data.images[:num] * 15).astype(np.uint8), data.target[:num]


def test_fit_trains_and_transform_embeds(tmp_path):
    images, labels = digits()
    made = make(out=str(tmp_path / "run")).fit(images, labels)
    again = load_encoder(tmp_path / "run")
    np.testing.assert_array_equal(made.transform(images), again.as_transformer().transform(images))
    assert made.transform(images).shape == (24, 8)
    assert [*made.get_feature_names_out()][:2] == ["encodertransformer0", "encodertransformer1"]
    assert not np.array_equal(make(seed=1).fit(images).transform(images), made.transform(images))
    pickled = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(pickled.transform(images), made.transform(images))
    some = made.set_params(batch_size=5).transform(images[:7])
    np.testing.assert_allclose(some, again.as_transformer().transform(images)[:7], atol=1e-5)


def test_in_a_pipeline_and_across_folds():
    images, labels = digits(40)
    pipeline = make_pipeline(make(steps=1), LogisticRegression(max_iter=20))
    assert cross_val_score(pipeline, images, labels % 2, cv=2).shape == (2,)
    rows = images.reshape(40, 64)
    flat = make(image_shape=(8, 8)).fit(rows)  # the same seed, the same encoder
    np.testing.assert_array_equal(flat.transform(rows), make().fit(images).transform(images))


def test_a_trained_encoder_is_used_as_it_is():
    images, _ = digits()
    encoder = make().fit(images).encoder_
    transformer = encoder.as_transformer(batch_size=7)
    assert transformer.fit(images).encoder_ is encoder
    np.testing.assert_allclose(
        clone(transformer).transform(images), make().fit(images).transform(images), atol=1e-5
    )


def test_values_are_read_by_the_range_that_was_found():
    """Deep images are read by the range of those that it was fitted to."""
    deep = np.random.default_rng(0).integers(0, 4096, (12, 16, 16), np.uint16)
    made = make().fit(deep)
    assert made.encoder_.views.range == "0:4095"
    one = make().fit(deep).transform([deep[0]])
    np.testing.assert_allclose(one, made.transform(deep)[:1], atol=1e-5)


def test_refused():
    images, _ = digits()
    with pytest.raises(NotFittedError):
        make().transform(images)
    with pytest.raises(ValueError, match=r"array \[24, 64\], expected images, \[n, …\]; for rows of"):
        make().fit(images.reshape(24, 64))
    with pytest.raises(ValueError, match=r"rows of 64 numbers, expected those of images \[4, 4\]"):
        make(image_shape=(4, 4)).fit(images.reshape(24, 64))
    with pytest.raises(ValueError, match="received no images"):
        make().fit(images[:0])
    with pytest.raises(ValueError, match="expected one budget, got steps 2 and minutes 1"):
        make(steps=2, minutes=1).fit(images)
    paired = Recipe(views=PairedViewsConfig())
    with pytest.raises(ValueError, match="whose views see 2 things together"):
        EncoderTransformer(paired).fit(images)


WITHOUT_DATA = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_mixin_order",
    "check_get_params_invariance",
    "check_set_params",
    "check_parameters_default_constructible",
    "check_transformer_get_feature_names_out",
]


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_checks_of_scikit_learn_that_need_no_table(name):
    getattr(estimator_checks, name)("EncoderTransformer", make())


class OfTable(TransformerMixin, BaseEstimator):
    """The transformer for the tables that scikit-learn's checks are made of: each row becomes an image."""

    def fit(self, X, y=None):
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.low_, self.high_ = X.min(), X.max() + 1
        self.made_ = make(image_shape=(16, 16)).fit(self.images(X))
        return self

    def transform(self, X):
        check_is_fitted(self)
        return self.made_.transform(self.images(validate_data(self, X, dtype=np.float64, reset=False)))

    def images(self, X):
        grey = 255 * (np.clip(X, self.low_, self.high_) - self.low_) / (self.high_ - self.low_)
        return np.tile(grey, (1, -(-256 // X.shape[1])))[:, :256].astype(np.uint8)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


def test_check_estimator():
    """Its input is no table, of which scikit-learn's checks are made: what is left of them passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator_checks.check_estimator(make())


@pytest.mark.slow
def test_any_parameter_is_accepted_until_fit():
    """As scikit-learn wants it; in a process where types are not checked, as they are in these tests."""
    code = (
        "from sklearn.utils import estimator_checks as checks; "
        "from infomax.learning import EncoderTransformer; "
        "checks.check_do_not_raise_errors_in_init_or_set_params('', EncoderTransformer())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_check_estimator_of_rows_that_are_images():
    """All checks, with each row of their tables made an image."""
    results = estimator_checks.check_estimator(OfTable(), on_fail="warn", on_skip=None)
    assert len(results) > 30
    assert not [one for one in results if one["status"] == "failed"]

"""Selection of features by the information that they add, as scikit-learn selects them."""

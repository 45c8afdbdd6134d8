"""The page of a collection: groups of images, near-duplicates and outliers, with pictures of each."""

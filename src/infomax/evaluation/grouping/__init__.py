"""Groups of a collection without labels: clusters of its features, near-duplicates, outliers, a map."""

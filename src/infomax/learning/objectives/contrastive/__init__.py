"""The contrastive objective, computed in several ways."""

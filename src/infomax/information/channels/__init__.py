"""Channels, and the most or the least information that passes through one.

`channel` and its `capacity`; the `best_channel` for a source; the least information for a purpose, as
`rate_distortion` or `bottleneck` (with the best `partitions`); `gaussian` and `scalar` channels. `simplex`
maximises concave functions over probability vectors.
"""

"""Rung 1: exact information, from probability tables.

`measures` and `divergences` of tables, `joint` with named variables, `channel` and its `capacity`, the
`best_channel` for a source, `tradeoff` between rate and distortion or relevance, `gaussian` and `scalar`
channels, and `distributions` that know their own information (`beyond_normal`: forty of them).

Start with `entropy`, `mutual_information`, `Joint` and `Channel`. Importing this does not import Torch.
"""

"""How well a vector of one view predicts each place of the other: one direction of one term of AMDIM.

`dense` is the definition. `streamed`, `fused` and `ring` compute the same, and are tested equal to it;
`choose` takes the one that costs least.
"""

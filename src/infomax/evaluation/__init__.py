"""Rung 5: what an encoder is worth, and what it is used for.

`evaluate_run` evaluates a run by a protocol, `finetune_run` fine-tunes it on few labels, `embed` and
`embed_to_file` give the features of a dataset, `verify_run` checks a run. The probes are functions of
features and labels alone.
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)

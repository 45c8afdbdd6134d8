"""Fine-tuning: an encoder and a linear head trained together on few labels, beside the same from scratch.

This is semi-supervised learning as in Hjelm et al. (2018), section 4.1. What matters is how much better few
labels do on an encoder that has seen many images without labels.
"""

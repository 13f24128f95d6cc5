"""Predicted masks against label maps: their figures (`evaluate`), their files (`predictions`), their errors (`worst`).

The counts and scores themselves are `mlt_s_tools.metrics`, which any training loop can use.
"""

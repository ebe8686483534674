"""Weights: what there is, how it comes here, whether it is whole. Knows no network and loads nothing of one."""

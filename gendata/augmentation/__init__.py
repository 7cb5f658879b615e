"""Augmentations of image batches, differentiable, used alike by methods and evaluation."""

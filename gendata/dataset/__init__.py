"""Artifacts as torch datasets."""

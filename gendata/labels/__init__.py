"""Soft labels: teachers, which are trained networks that answer for images nobody labelled."""

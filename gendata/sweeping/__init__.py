"""Sweeps: variants of one recipe, condensed and scored over seeds, side by side, into one table and one plot."""

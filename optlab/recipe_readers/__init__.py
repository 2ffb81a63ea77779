"""Recipes that were written for other tools, as the steps of ours: mappings in, mappings out, one file a format."""

"""A recipe in the words of other tools: one file for each tool, a line each in `tools`. Torch-free."""

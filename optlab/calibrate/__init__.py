"""What a model does to its inputs: computed once per model and text, kept on disk, shared by every method.

`walk` runs a model block by block, so that memory never holds more than one block's results; `statistics` gathers
second moments, means and ranges of every linear layer's input on such a walk.
"""

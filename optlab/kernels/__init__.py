"""What makes a compressed model really smaller and faster: the packed file, packed layers, and the decode loop.

`artefact` writes and reads the file whose bytes are the size that is shown; `linear` holds layers that compute with
packed weights; `runtime` swaps them into a model and decodes; `generate` turns that into a stream of tokens.
"""

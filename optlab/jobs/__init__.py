"""What a kind of run is and how it is done: one file for each, listed in `registry`. Torch only inside functions."""

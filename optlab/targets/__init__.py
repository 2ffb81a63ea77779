"""Other machines than this one: whether a model fits them, and how fast they would decode it, estimated. Torch-free."""

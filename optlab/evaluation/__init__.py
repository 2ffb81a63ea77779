"""What a compression did, in numbers that were measured: quality, size, latency, memory.

`compare.compare` judges quality (both models on the same words, one pass), `perplexity.perplexity` one model alone,
`size.weight_bytes` the files, `latency.latency` the clock, `memory.peak_memory` the memory of a process of its own.
Nothing is imported here, so that `environment` stays usable where torch must not be loaded.
"""

"""Checkpoints that another tool has quantized: GPTQ, AWQ, compressed-tensors, bitsandbytes, HQQ, float8.

Their weights are codes with scales. `convert` reads them once into a folder of floats, as a GGUF file is, so that every
family and every method works on them; `weights` gives the codes themselves, where the packed kernels run them as they
are. A new format is one file here and one line in `registry`. Which formats are read is known without torch.
"""

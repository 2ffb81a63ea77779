"""GGUF, the file format of llama.cpp: read without torch, checked before it is believed, turned into hub layout.

    header         the bytes of one file: metadata and where each tensor lies
    file           a model in one file or in several parts, and how its weights are stored
    blocks         quantized blocks as numbers
    architectures  which hub model an architecture is: names, config.json, what is done to the weights
    understanding  the check that nothing is left over
    rotary         rotary positions, which a GGUF says in five ways
    pre_tokenizers how a text is split before merging, by llama.cpp's names
    tokenizer      the vocabulary as tokenizer.json

What is not understood is refused with the name of the key or the tensor: a guess would be a wrong perplexity.
"""

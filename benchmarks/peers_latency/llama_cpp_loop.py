"""llama.cpp for benchmarks/latency.py, in an environment that has llama-cpp-python: llama_cpp_loop.py FILE.gguf"""

import json
import os
import sys
import time

from llama_cpp import Llama

threads = len(os.sched_getaffinity(0))
model = Llama(sys.argv[1], n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False)
for line in sys.stdin:
    asked = json.loads(line)
    model.reset()
    began = time.perf_counter()
    model.eval(asked["ids"])
    token = model.sample(temp=0.0, top_k=1)
    prompt, times = time.perf_counter() - began, []
    for _ in range(asked["new"]):
        began = time.perf_counter()
        model.eval([token])
        token = model.sample(temp=0.0, top_k=1)
        times.append(time.perf_counter() - began)
    print(json.dumps({"prompt_s": prompt, "token_s": times}), flush=True)

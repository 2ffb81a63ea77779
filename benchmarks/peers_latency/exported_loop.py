"""A file that OptLab exported, in another program, for benchmarks/latency.py: exported_loop.py ENGINE FILE

ENGINE is one of `optlab.runtimes`: llama.cpp, onnxruntime, openvino. Runs in an environment that has OptLab's
requirements and that program.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from optlab.runtimes import open_runtime

one = open_runtime(Path(sys.argv[2]), len(os.sched_getaffinity(0)), sys.argv[1])
for line in sys.stdin:
    asked = json.loads(line)
    one.reset()
    began = time.perf_counter()
    token = int(one.prefill(asked["ids"]).argmax())
    prompt, times = time.perf_counter() - began, []
    for _ in range(asked["new"]):
        began = time.perf_counter()
        token = int(one.decode(token).argmax())
        times.append(time.perf_counter() - began)
    print(json.dumps({"prompt_s": prompt, "token_s": times}), flush=True)

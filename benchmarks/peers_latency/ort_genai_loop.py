"""ONNX Runtime GenAI for benchmarks/latency.py, in an environment that has onnxruntime-genai: ort_genai_loop.py FOLDER

FOLDER comes from its own builder: python -m onnxruntime_genai.models.builder -i MODEL_FOLDER -o FOLDER -p int4 -e cpu
"""

import json
import sys
import time

import onnxruntime_genai as genai

model = genai.Model(sys.argv[1])
for line in sys.stdin:
    asked = json.loads(line)
    settings = genai.GeneratorParams(model)
    settings.set_search_options(do_sample=False, max_length=len(asked["ids"]) + asked["new"] + 8)
    generator = genai.Generator(model, settings)
    began = time.perf_counter()
    generator.append_tokens(asked["ids"])
    generator.generate_next_token()
    prompt, times = time.perf_counter() - began, []
    for _ in range(asked["new"]):
        began = time.perf_counter()
        generator.generate_next_token()
        times.append(time.perf_counter() - began)
    del generator
    print(json.dumps({"prompt_s": prompt, "token_s": times}), flush=True)

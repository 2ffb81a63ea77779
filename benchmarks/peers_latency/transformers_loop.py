"""transformers for benchmarks/latency.py, bfloat16 and eager: transformers_loop.py FOLDER [int8]

int8: torchao rounds the weights of the blocks' linear layers for its kernel (its 4-bit formats are for GPUs).
"""

import json
import os
import sys
import time

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(len(os.sched_getaffinity(0)))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16, local_files_only=True).eval()
if len(sys.argv) > 2:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    blocks = lambda module, name: isinstance(module, torch.nn.Linear) and name != "lm_head"  # noqa: E731
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=blocks)
with torch.inference_mode():
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        out = model(input_ids=torch.tensor([asked["ids"]]), use_cache=True, logits_to_keep=1)
        token = int(out.logits[0, -1].argmax())
        prompt, times = time.perf_counter() - began, []
        for _ in range(asked["new"]):
            began = time.perf_counter()
            out = model(input_ids=torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True)
            token = int(out.logits[0, -1].argmax())
            times.append(time.perf_counter() - began)
        print(json.dumps({"prompt_s": prompt, "token_s": times}), flush=True)

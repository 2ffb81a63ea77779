// A Llama-family model as the loops read it.
#pragma once
#include "attention.h"

constexpr int MOST_TOGETHER = 64;  // texts that are continued in one call

struct Block {
    const float* input_norm;
    const float* post_norm;
    Linear q, k, v, o, gate, up, down;
};

// cos, sin: [length, head_dim] float. keys, values: for every layer and key-value head a cache of `room` numbers each
// (attention.h). shared: floats for residual [width], qkv, attention, mlp. scratch: `scratch_floats` per thread.
struct Model {
    int32_t blocks, width, heads, kv_heads, head_dim, mlp_width, vocabulary, length, gelu, threads;
    float eps, embedding_scale;
    const Block* block;
    const float* norm;
    const bf16* embedding;
    Linear head;
    const float* cos;
    const float* sin;
    bf16* keys;
    bf16* values;
    int64_t key_room, value_room;
    float* shared;
    float* scratch;
    int64_t scratch_floats;

    Cache cache(int layer, int kv_head) const {
        const int64_t at = (int64_t)layer * kv_heads + kv_head;
        return {keys + at * key_room, values + at * value_room, head_dim, (head_dim + 15) / 16 * 16};
    }
};

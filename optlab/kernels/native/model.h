// A model of our Transformer as the loops read it: its traits are numbers here, and the loops are the same for all.
#pragma once
#include "attention.h"

constexpr int MOST_TOGETHER = 64;  // texts that are continued in one call

enum QueryNorm : int32_t { NO_NORM = 0, HEAD_NORM = 1, WIDTH_NORM = 2 };  // of each head, or of all heads together

// mlp_norm is attention_norm where both read the same. Without a gate, `gate` is what the activation reads, and `up` is
// empty. cos, sin: [length, turned] float, null where positions are not rotated. window: positions that a query sees,
// its own included; 0 = all.
struct Block {
    Norm attention_norm, attention_output_norm, mlp_norm, mlp_output_norm, q_norm, k_norm;
    Linear q, k, v, o, gate, up, down;
    const float* cos;
    const float* sin;
    int32_t window;
};

// centred: norms are LayerNorms. parallel: attention and MLP read the same residual. turned: numbers of a head that are
// rotated. caps: 0 = none. positions: learned ones, null = none. keys, values: for every layer and key-value head a
// cache of `room` numbers each (attention.h). shared: floats for residual [width], qkv, attention, mlp, branch [width].
// scratch: `scratch_floats` per thread.
struct Model {
    int32_t blocks, width, heads, kv_heads, head_dim, mlp_width, vocabulary, length;
    int32_t activation, gated, centred, parallel, turned, query_norm, threads;
    float eps, embedding_scale, attention_scale, attention_cap, residual_scale, logit_scale, logit_cap;
    const Block* block;
    Norm norm;
    const bf16* embedding;
    const bf16* positions;
    Linear head;
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

    Scores scores(int layer) const { return {attention_scale, attention_cap, block[layer].window}; }

    // Head `head` of all the queries or keys of a token, `row`, as it is multiplied: normalized, then rotated.
    void turn(int layer, const Norm& norm, const float* row, int head, int heads, int position, float* to) const {
        const float* from = row + head * head_dim;
        Scaling by;
        const float* weight = norm.weight;
        if (query_norm == WIDTH_NORM) {
            by = scaling_of(row, heads * head_dim, eps, false);
            weight += head * head_dim;
        } else if (query_norm == HEAD_NORM) {
            by = scaling_of(from, head_dim, eps, false);
        }
        for (int i = 0; i < head_dim; ++i) to[i] = weight ? from[i] * by.factor * weight[i] : from[i];
        const int64_t at = (int64_t)position * turned;
        if (block[layer].cos) rotate(to, block[layer].cos + at, block[layer].sin + at, turned);
    }
};

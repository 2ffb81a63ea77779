// What lies between the large multiplications of a prompt, which are left to a library: all tokens at once, and each
// number read and written as few times as possible.
//
// The residual stays float32; what a weight reads is written in the form in which it is multiplied (bfloat16, or int8
// codes with a step per token), and what a multiplication gives (bfloat16, or int32) is taken as it comes.
#include <omp.h>

#include <vector>

#include "prompt.h"

namespace {

// x normalized as row `token` of what is read. x is used up.
void read_row(float* x, const Scaling& by, const Norm& norm, const Reading& to, int64_t token) {
    bf16* rounded = to.rounded + token * to.width;
    for (int i = 0; i < to.width; i += 32) {
        __m512 part[2];
        for (int j = 0; j < 2; ++j)
            part[j] = normalized(_mm512_loadu_ps(x + i + 16 * j), by, norm, i + 16 * j);
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(part[1], part[0]);
        if (!to.levels) {
            _mm512_storeu_si512(rounded + i, both);
            continue;
        }
        _mm512_storeu_ps(x + i, widen(_mm512_castsi512_si256(both)));
        _mm512_storeu_ps(x + i + 16, widen(_mm512_extracti64x4_epi64(both, 1)));
    }
    if (!to.levels) return;
    const float step = to.step == 0.0f ? input_step(x, to.width, to.levels) : to.step;
    const __m512 steps = _mm512_set1_ps(step), levels = _mm512_set1_ps(to.levels);
    if (to.codes) to.steps[token] = step;
    for (int i = 0; i < to.width; i += 16) {
        const __m512 code = code_of(_mm512_loadu_ps(x + i), steps, levels);
        if (to.codes)
            _mm_storeu_si128((__m128i*)(to.codes + token * to.width + i),
                             _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(code)));
        else
            _mm256_storeu_si256((__m256i*)(rounded + i), (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(code, steps)));
    }
}

}  // namespace

extern "C" {

// residual [tokens, width] += added, where given, normalized by `output` before, where that has a weight; what the next
// weight reads, where `to` is given, is its norm.
void optlab_prompt_norm(const Model* model, float* residual, const Products* added, const Norm* output,
                        const Norm* norm, const Reading* to, int32_t tokens, int32_t threads) {
    const Model& m = *model;
    const int width = m.width;
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> copy(width);
#pragma omp for schedule(static)
        for (int t = 0; t < tokens; ++t) {
            float* row = residual + (int64_t)t * width;
            if (added) {
                for (int i = 0; i < width; i += 16) _mm512_storeu_ps(copy.data() + i, added->at(t, i));
                Scaling by;
                if (output->weight) by = scaling_of(copy.data(), width, m.eps, m.centred);
                for (int i = 0; i < width; i += 16) {
                    const __m512 part = normalized(_mm512_loadu_ps(copy.data() + i), by, *output, i);
                    const __m512 before = _mm512_loadu_ps(row + i);
                    _mm512_storeu_ps(row + i, _mm512_fmadd_ps(part, _mm512_set1_ps(m.residual_scale), before));
                }
            }
            if (!to) continue;
            std::copy(row, row + width, copy.data());
            read_row(copy.data(), norm->weight ? scaling_of(row, width, m.eps, m.centred) : Scaling{}, *norm, *to, t);
        }
    }
}

// gate and up lie side by side, or there is no gate.
void optlab_prompt_activate(const Model* model, const Products* gate_up, const Reading* to, int32_t tokens,
                            int32_t threads) {
    const Model& m = *model;
    const int width = to->width;
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> row(width);
#pragma omp for schedule(static)
        for (int t = 0; t < tokens; ++t) {
            for (int i = 0; i < width; i += 16) {
                __m512 found = activate(gate_up->at(t, i), m.activation);
                if (m.gated) found = _mm512_mul_ps(found, gate_up->at(t, width + i));
                _mm512_storeu_ps(row.data() + i, found);
            }
            read_row(row.data(), {}, {}, *to, t);
        }
    }
}

// q, k and v lie side by side. Fills the caches of this layer from position 0 on. queries: bfloat16
// and mixed: floats, both [tokens, heads * head_dim] to work in. Only the tokens from `from` on are asked for; the first
// row of what is read is that of token `from`.
void optlab_prompt_attention(const Model* model, int32_t layer, const Products* qkv, bf16* queries, float* mixed,
                             const Reading* to, int32_t from, int32_t tokens, int32_t threads) {
    const Model& m = *model;
    const int size = m.head_dim, all = m.heads * size, together = m.heads / m.kv_heads;
    const Block& block = m.block[layer];
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> row(qkv->width), turned(size), scratch(attention_floats(tokens, m.cache(0, 0).columns));
        std::vector<bf16> rounded(size);
#pragma omp for schedule(static)
        for (int t = 0; t < tokens; ++t) {
            for (int i = 0; i < qkv->width; i += 16) _mm512_storeu_ps(row.data() + i, qkv->at(t, i));
            for (int h = 0; h < m.heads; ++h) {
                m.turn(layer, block.q_norm, row.data(), h, m.heads, t, turned.data());
                round_row(turned.data(), size, queries + (int64_t)t * all + h * size);
            }
            for (int h = 0; h < m.kv_heads; ++h) {
                m.turn(layer, block.k_norm, row.data() + all, h, m.kv_heads, t, turned.data());
                const float* value = row.data() + all + (m.kv_heads + h) * size;
                m.cache(layer, h).write(t, turned.data(), value, rounded.data());
            }
        }
#pragma omp for schedule(static)
        for (int h = 0; h < m.kv_heads; ++h) m.cache(layer, h).end(tokens);
        const int per_head = (tokens - from + ROWS - 1) / ROWS;
#pragma omp for schedule(dynamic, 4)
        for (int task = per_head * m.heads - 1; task >= 0; --task) {
            const int h = task % m.heads, begin = from + task / m.heads * ROWS, rows = std::min(ROWS, tokens - begin);
            const int64_t at = (int64_t)begin * all + h * size;
            attend(m.cache(layer, h / together), m.scores(layer), queries + at, all, rows, begin + 1, 1, mixed + at, all,
                   scratch.data());
        }
#pragma omp for schedule(static)
        for (int t = from; t < tokens; ++t) read_row(mixed + (int64_t)t * all, {}, {}, *to, t - from);
    }
}
}

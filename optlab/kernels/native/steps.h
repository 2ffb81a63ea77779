// What happens between multiplications, for one token: norms, activations, rotations, and the rounding of what a
// weight reads.
#pragma once
#include <algorithm>
#include <cmath>

#include "batched_rows.h"

static inline __m512 exponential(__m512 x) {  // relative error below 2e-7
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    const float rest[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    for (const float c : rest) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

// gate * sigmoid(gate) * up, or with the tanh form of GELU, which is gate * sigmoid(2 u).
static inline __m512 activate(__m512 gate, __m512 up, bool gelu) {
    __m512 u = gate;
    if (gelu) {
        const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(gate, gate), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
        u = _mm512_mul_ps(_mm512_mul_ps(gate, cubic), _mm512_set1_ps(1.59576912f));
    }
    const __m512 below = _mm512_add_ps(_mm512_set1_ps(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), u)));
    return _mm512_div_ps(_mm512_mul_ps(gate, up), below);
}

static inline float norm_factor(const float* x, int width, float eps) {
    __m512 squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += 16) {
        const __m512 part = _mm512_loadu_ps(x + i);
        squares = _mm512_fmadd_ps(part, part, squares);
    }
    return 1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + eps);
}

// x times factor (times weight, where given), rounded to bfloat16, with its sums; width is a multiple of 32.
static inline void prepare(const float* x, int width, float factor, const float* weight, const Input& to) {
    for (int i = 0; i < width; i += 32) {
        __m512 part[2];
        for (int j = 0; j < 2; ++j) {
            part[j] = _mm512_mul_ps(_mm512_loadu_ps(x + i + 16 * j), _mm512_set1_ps(factor));
            if (weight) part[j] = _mm512_mul_ps(part[j], _mm512_loadu_ps(weight + i + 16 * j));
        }
        const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(part[1], part[0]);
        _mm512_storeu_si512(to.rounded + i, rounded);
        const __m512 low = widen(_mm512_castsi512_si256(rounded)), high = widen(_mm512_extracti64x4_epi64(rounded, 1));
        _mm512_storeu_ps(to.values + i, low);
        _mm512_storeu_ps(to.values + i + 16, high);
        to.sums[i / 32] = _mm512_reduce_add_ps(_mm512_add_ps(low, high));
    }
}

// What code 1 stands for when x is rounded to `levels` codes on either side.
static inline float input_step(const float* x, int width, int levels) {
    __m512 largest = _mm512_setzero_ps();
    for (int i = 0; i < width; i += 16) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    return std::fmax(_mm512_reduce_max_ps(largest) / levels, 1.17549435e-38f);
}

static inline __m512 code_of(__m512 x, __m512 step, __m512 levels) {
    const __m512 code = _mm512_roundscale_ps(_mm512_div_ps(x, step), _MM_FROUND_TO_NEAREST_INT);
    return _mm512_max_ps(_mm512_min_ps(code, levels), _mm512_sub_ps(_mm512_setzero_ps(), levels));
}

// x rounded to whole multiples of a step, where w wants that; x has been prepared.
static inline void round_input(const Linear& w, const Input& x) {
    if (!w.levels) return;
    const float step = w.step == 0.0f ? input_step(x.values, w.in, w.levels) : w.step;
    const __m512 levels = _mm512_set1_ps(w.levels), steps = _mm512_set1_ps(step);
    for (int i = 0; i < w.in; i += 32) {
        __m512 part[2];
        for (int j = 0; j < 2; ++j) {
            part[j] = _mm512_mul_ps(code_of(_mm512_loadu_ps(x.values + i + 16 * j), steps, levels), steps);
            _mm512_storeu_ps(x.values + i + 16 * j, part[j]);
        }
        _mm512_storeu_si512(x.rounded + i, (__m512i)_mm512_cvtne2ps_pbh(part[1], part[0]));
        x.sums[i / 32] = _mm512_reduce_add_ps(_mm512_add_ps(part[0], part[1]));
    }
}

static inline Input input_at(float* memory, int padded) {  // in 4 * padded floats
    return {memory, (bf16*)(memory + padded), memory + padded + padded / 2, memory + 2 * padded, memory + 3 * padded};
}

struct Share {  // of `count` things, those of one thread; in whole blocks of 16
    int begin, end;
    Share(int count, int me, int threads) {
        const int blocks = (count + 15) / 16;
        begin = blocks * me / threads * 16;
        end = std::min(blocks * (me + 1) / threads * 16, count);
    }
};

// The two halves of a head turned against each other by the angles of its position.
static inline void rotate(const float* from, const float* cos, const float* sin, int size, float* to) {
    const int half = size / 2;
    for (int i = 0; i < half; ++i) {
        to[i] = from[i] * cos[i] - from[i + half] * sin[i];
        to[i + half] = from[i + half] * cos[i + half] + from[i] * sin[i + half];
    }
}

static inline void round_row(const float* from, int size, bf16* to) {
    for (int i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        _mm256_mask_storeu_epi16(to + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i)));
    }
}

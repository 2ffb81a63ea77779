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

static inline __m512 hyperbolic_tangent(__m512 x) {  // absolute error below 2e-7
    const __m512 one = _mm512_set1_ps(1.0f), two = _mm512_set1_ps(2.0f);
    return _mm512_sub_ps(one, _mm512_div_ps(two, _mm512_add_ps(exponential(_mm512_mul_ps(x, two)), one)));
}

// x becomes cap * tanh(x * scale / cap), or x * scale without a cap.
static inline __m512 capped(__m512 x, float scale, float cap) {
    if (cap == 0.0f) return _mm512_mul_ps(x, _mm512_set1_ps(scale));
    return _mm512_mul_ps(hyperbolic_tangent(_mm512_mul_ps(x, _mm512_set1_ps(scale / cap))), _mm512_set1_ps(cap));
}

// The error function; absolute error below 2e-7 (Abramowitz and Stegun, 7.1.26).
static inline __m512 error_function(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f), size = _mm512_abs_ps(x);
    const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(size, _mm512_set1_ps(0.3275911f), one));
    __m512 p = _mm512_set1_ps(1.061405429f);
    for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
        p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(c));
    const __m512 falling = exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(x, x)));
    const __m512 found = _mm512_fnmadd_ps(_mm512_mul_ps(p, t), falling, one);
    return _mm512_mask_sub_ps(found, _mm512_cmplt_ps_mask(x, _mm512_setzero_ps()), _mm512_setzero_ps(), found);
}

enum Activation : int32_t { SILU = 0, GELU_TANH = 1, GELU = 2, RELU = 3 };

static inline __m512 activate(__m512 x, int32_t kind) {
    if (kind == RELU) return _mm512_max_ps(x, _mm512_setzero_ps());
    if (kind == GELU) {
        const __m512 half = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
        return _mm512_fmadd_ps(half, error_function(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678f))), half);
    }
    __m512 u = x;  // x * sigmoid(u); the tanh form of GELU is that of twice its cubic
    if (kind == GELU_TANH) {
        const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
        u = _mm512_mul_ps(_mm512_mul_ps(x, cubic), _mm512_set1_ps(1.59576912f));
    }
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), u))));
}

// What a norm multiplies by, and adds; weight null: what is read stays as it is. bias may be null.
struct Norm {
    const float* weight;
    const float* bias;
};

struct Scaling {  // (x - mean) * factor
    float mean = 0.0f, factor = 1.0f;
};

// centred: by mean and deviation (LayerNorm), else by the root of the mean square.
static inline Scaling scaling_of(const float* x, int width, float eps, bool centred) {
    Scaling found;
    if (centred) {
        __m512 sum = _mm512_setzero_ps();
        for (int i = 0; i < width; i += 16) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first(width - i), x + i));
        found.mean = _mm512_reduce_add_ps(sum) / width;
    }
    __m512 squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += 16) {
        const __mmask16 mask = first(width - i);
        const __m512 part = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(found.mean));
        squares = _mm512_fmadd_ps(part, part, squares);
    }
    found.factor = 1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + eps);
    return found;
}

// 16 numbers of x from i on, normalized.
static inline __m512 normalized(__m512 x, const Scaling& by, const Norm& norm, int i) {
    x = _mm512_mul_ps(_mm512_sub_ps(x, _mm512_set1_ps(by.mean)), _mm512_set1_ps(by.factor));
    if (norm.weight) x = _mm512_mul_ps(x, _mm512_loadu_ps(norm.weight + i));
    return norm.bias ? _mm512_add_ps(x, _mm512_loadu_ps(norm.bias + i)) : x;
}

// x normalized and rounded to bfloat16, with its sums; width is a multiple of 32.
static inline void prepare(const float* x, int width, const Scaling& by, const Norm& norm, const Input& to) {
    for (int i = 0; i < width; i += 32) {
        __m512 part[2];
        for (int j = 0; j < 2; ++j)
            part[j] = normalized(_mm512_loadu_ps(x + i + 16 * j), by, norm, i + 16 * j);
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

// The two halves of `size` numbers turned against each other by the angles of a position, in place.
static inline void rotate(float* x, const float* cos, const float* sin, int size) {
    const int half = size / 2;
    for (int i = 0; i < half; ++i) {
        const float low = x[i], high = x[i + half];
        x[i] = low * cos[i] - high * sin[i];
        x[i + half] = high * cos[i + half] + low * sin[i + half];
    }
}

static inline void round_row(const float* from, int size, bf16* to) {
    for (int i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        _mm256_mask_storeu_epi16(to + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i)));
    }
}

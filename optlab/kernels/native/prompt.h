// What the multiplications of a prompt read, and what they gave (prompt.cpp).
#pragma once
#include "model.h"

// What a weight reads, [tokens, width]: rounded, or codes and the step of each token where codes is not null.
// levels, step: as in Linear.
struct Reading {
    bf16* rounded;
    int8_t* codes;
    float* steps;
    int32_t width, levels;
    float step;
};

// What a multiplication gave, [tokens, width]: bfloat16 where scale is null, else int32, in units of a token's step
// times a column's scale. bias may be null.
struct Products {
    const void* values;
    const float* steps;
    const float* scale;
    const float* bias;
    int32_t width;

    __m512 at(int64_t token, int column) const {
        const int64_t i = token * width + column;
        __m512 found;
        if (scale) {
            const __m512 sums = _mm512_cvtepi32_ps(_mm512_loadu_si512((const int32_t*)values + i));
            found = _mm512_mul_ps(_mm512_mul_ps(sums, _mm512_set1_ps(steps[token])), _mm512_loadu_ps(scale + column));
        } else {
            found = widen(_mm256_loadu_si256((const __m256i*)((const bf16*)values + i)));
        }
        return bias ? _mm512_add_ps(found, _mm512_loadu_ps(bias + column)) : found;
    }
};

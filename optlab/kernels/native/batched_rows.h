// Rows of a packed weight times two inputs or more: each row is taken from memory, and its codes are expanded, once.
//
// The same sums in the same order as for one input, which has loops of its own (rows.h): what is kept in arrays here
// costs a third of the time there.
#pragma once
#include <algorithm>

#include "rows.h"

template <int B>
static void int8_row_of(const int8_t* codes, const float* scales, const Input* x, int in, int group, __m512* totals) {
    const float* from[B];
    for (int b = 0; b < B; ++b) from[b] = x[b].values;
    for (int i = 0, g = 0; i < in; ++g) {
        __m512 even[B], odd[B];
        for (int b = 0; b < B; ++b) even[b] = odd[b] = _mm512_setzero_ps();
        for (int end = i + group; i < end; i += 32) {
            const __m512 low =
                _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(codes + i))));
            const __m512 high =
                _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(codes + i + 16))));
            for (int b = 0; b < B; ++b) {
                even[b] = _mm512_fmadd_ps(low, _mm512_loadu_ps(from[b] + i), even[b]);
                odd[b] = _mm512_fmadd_ps(high, _mm512_loadu_ps(from[b] + i + 16), odd[b]);
            }
        }
        for (int b = 0; b < B; ++b)
            totals[b] = _mm512_fmadd_ps(_mm512_add_ps(even[b], odd[b]), _mm512_set1_ps(scales[g]), totals[b]);
    }
}

// Row r of W x + b for each of B inputs. `sum_groups` must have been called for this weight and all of them.
template <int B>
static inline void one_row(const Linear& w, const Input* x, int r, float (*out)[4]) {
    const uint8_t* codes = (const uint8_t*)w.weight + r * row_bytes(w);
    __m512 totals[B];
    for (int b = 0; b < B; ++b) totals[b] = _mm512_setzero_ps();
    if (w.kind == DENSE) {
        for (int b = 0; b < B; ++b) totals[b] = dense_row((const bf16*)codes, x[b].rounded, w.in);
    } else {
        const int groups = w.in / w.group;
        float* scales = x[0].scales;
        expand_scales(w.scale + (int64_t)r * groups, groups, scales);
        if (w.kind == INT8) int8_row_of<B>((const int8_t*)codes, scales, x, w.in, w.group, totals);
        else
            for (int b = 0; b < B; ++b) totals[b] = int4_row(codes, scales, x[b].rounded, w.in, w.group);
        if (w.offset)
            for (int g = 0; g < groups; g += 16) {
                const __mmask16 mask = first(groups - g);
                const __m512 offset = load_f16(w.offset + (int64_t)r * groups + g, mask);
                for (int b = 0; b < B; ++b)
                    totals[b] = _mm512_fmadd_ps(offset, _mm512_maskz_loadu_ps(mask, x[b].group_sums + g), totals[b]);
            }
    }
    for (int b = 0; b < B; ++b) out[b][0] = _mm512_reduce_add_ps(totals[b]) + (w.bias ? w.bias[r] : 0.0f);
}

// R rows at once, from r on, of 4-bit codes in groups of a multiple of 64.
template <int R, int B>
static void int4_rows_of(const Linear& w, const Input* x, int r, float (*out)[4]) {
    const int64_t stride = row_bytes(w);
    const int groups = w.in / w.group;
    const uint8_t* codes = (const uint8_t*)w.weight + r * stride;
    const __m512i table = _mm512_load_si512(FOUR_BITS);
    float* scales = x[0].scales;
    expand_scales(w.scale + (int64_t)r * groups, R * groups, scales);
    __m512 totals[B][R];
    for (int b = 0; b < B; ++b)
        for (int j = 0; j < R; ++j) totals[b][j] = _mm512_setzero_ps();
    const uint8_t* ahead = codes + AHEAD;
    for (int i = 0, g = 0; i < w.in; ++g) {
        __m512 sums[B][R];
        for (int b = 0; b < B; ++b)
            for (int j = 0; j < R; ++j) sums[b][j] = _mm512_setzero_ps();
        for (const int end = i + w.group; i < end; i += 64, codes += 32) {
            for (int j = 0; j < R; j += 2, ahead += 64) _mm_prefetch(ahead, _MM_HINT_T0);
            __m512i low[B], high[B];
            for (int b = 0; b < B; ++b) {
                low[b] = _mm512_loadu_si512(x[b].rounded + i);
                high[b] = _mm512_loadu_si512(x[b].rounded + i + 32);
            }
            for (int j = 0; j < R; ++j) {
                const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)(codes + j * stride)));
                const __m512i first_half = _mm512_permutexvar_epi16(pairs, table);
                const __m512i second_half = _mm512_permutexvar_epi16(_mm512_srli_epi16(pairs, 4), table);
                for (int b = 0; b < B; ++b) {
                    sums[b][j] = dot(sums[b][j], first_half, low[b]);
                    sums[b][j] = dot(sums[b][j], second_half, high[b]);
                }
            }
        }
        for (int b = 0; b < B; ++b)
            for (int j = 0; j < R; ++j)
                totals[b][j] = _mm512_fmadd_ps(sums[b][j], _mm512_set1_ps(scales[j * groups + g]), totals[b][j]);
    }
    if (w.offset)
        for (int g = 0; g < groups; g += 16) {
            const __mmask16 mask = first(groups - g);
            const f16* offsets = w.offset + (int64_t)r * groups + g;
            for (int b = 0; b < B; ++b) {
                const __m512 inputs = _mm512_maskz_loadu_ps(mask, x[b].group_sums + g);
                for (int j = 0; j < R; ++j)
                    totals[b][j] = _mm512_fmadd_ps(load_f16(offsets + j * groups, mask), inputs, totals[b][j]);
            }
        }
    __m512 all[8];
    for (int i = 0; i < 8; ++i) all[i] = totals[i / R < B ? i / R : 0][i % R];
    for (int i = 0; i < B * R; i += 4) {
        float found[4];
        _mm_storeu_ps(found, reduce_four(all + i));
        for (int j = i; j < std::min(i + 4, B * R); ++j) out[j / R][j % R] = found[j - i] + (w.bias ? w.bias[r + j % R] : 0.0f);
    }
}

template <int B, typename Take>
static inline void some_rows(const Linear& w, const Input* x, int b, int r, int rows, Take take) {
    constexpr int R = B > 2 ? 2 : 4;  // as many sums as there are registers for
    float found[B][4];
    const int step = rows == 4 ? R : 1;
    for (int done = 0; done < rows; done += step) {
        if (rows == 4) int4_rows_of<R, B>(w, x + b, r + done, found);
        else one_row<B>(w, x + b, r, found);
        for (int i = 0; i < B; ++i)
            for (int j = 0; j < step; ++j) take(r + done + j, b + i, found[i][j]);
    }
}

// Calls take(r, b, what) for every row r of begin .. end and each of `batch` inputs, with row r of W x[b] + bias.
// `sum_groups` must have been called for every input.
template <typename Take>
static inline void each_row(const Linear& w, const Input* x, int batch, int begin, int end, Take take) {
    if (batch == 1) {
        each_row(w, x[0], begin, end, [&take](int r, float found) { take(r, 0, found); });
        return;
    }
    const bool by_four = w.kind == INT4 && w.group % 64 == 0;
    for (int r = begin, rows; r < end; r += rows) {
        rows = by_four && r + 4 <= end ? 4 : 1;
        for (int b = 0; b < batch; b += 4) switch (batch - b) {
                case 1: each_row(w, x[b], r, r + rows, [&take, b](int r, float found) { take(r, b, found); }); break;
                case 2: some_rows<2>(w, x, b, r, rows, take); break;
                case 3: some_rows<3>(w, x, b, r, rows, take); break;
                default: some_rows<4>(w, x, b, r, rows, take);
            }
    }
}

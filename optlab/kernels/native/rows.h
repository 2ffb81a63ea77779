// One row of a packed weight times one vector, for processors with AVX512-BF16.
//
// Decoding reads every weight once for every token, so the speed limit is how fast memory delivers them. These loops
// expand codes in registers only: a 4-bit code becomes a bfloat16 integer by one table lookup for 32 codes, products
// are summed in float32, and scale and offset of a group are applied to its sum.
//
//     w[i] = scale[g] * code[i] + offset[g]      =>      w . x = sum_g scale[g] * (code . x)_g + offset[g] * (sum x)_g
#pragma once
#include <immintrin.h>

#include <cstdint>

using bf16 = uint16_t;
using f16 = uint16_t;

enum Kind : int32_t { DENSE = 0, INT4 = 1, INT8 = 2 };

// A weight [out, in]; in and group are multiples of 32. INT4: 32 bytes hold 64 codes + 8, the low halves first, rows
// padded to whole 64; INT8: signed codes; DENSE: bfloat16, no scale. scale and offset: [out, in / group]; offset and
// bias may be null. levels: the largest code that inputs are rounded to before they are multiplied, 0 = they are not;
// step: what code 1 stands for, 0 = the largest number of the input over levels.
struct Linear {
    int32_t kind, out, in, group;
    const void* weight;
    const f16* scale;
    const f16* offset;
    const float* bias;
    int32_t levels;
    float step;
};

// A vector ready to be multiplied: rounded to bfloat16, as floats of the same value, and summed by 32.
struct Input {
    float* values;
    bf16* rounded;
    float* sums;
    float* group_sums;
    float* scales;
};

alignas(64) static const bf16 FOUR_BITS[32] = {
    // code - 8 as bfloat16, twice: the lookup uses five bits of its index, and the fifth belongs to a neighbour
    0xC100, 0xC0E0, 0xC0C0, 0xC0A0, 0xC080, 0xC040, 0xC000, 0xBF80, 0x0000, 0x3F80, 0x4000, 0x4040, 0x4080, 0x40A0,
    0x40C0, 0x40E0, 0xC100, 0xC0E0, 0xC0C0, 0xC0A0, 0xC080, 0xC040, 0xC000, 0xBF80, 0x0000, 0x3F80, 0x4000, 0x4040,
    0x4080, 0x40A0, 0x40C0, 0x40E0};

// How many bytes ahead codes of 4 bits are asked for. They keep a core so busy that it does not see by itself what comes
// next; single rows of wider numbers do not, and asking for them costs a tenth.
constexpr int AHEAD = 2048;

// The same for rows of 16 bits, into the second cache, which holds more requests under way than the first: they arrive
// as fast as memory can be read at all, where asking for the first cache reached nine tenths of that.
constexpr int FAR = 16384;

static inline __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

static inline __m512 widen(__m256i halves) {  // bfloat16 -> float32
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static inline __mmask16 first(int n) { return n >= 16 ? 0xFFFF : (__mmask16)((1u << n) - 1); }

static inline __m512 load_f16(const f16* p, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
}

static inline void expand_scales(const f16* from, int count, float* to) {
    for (int i = 0; i < count; i += 16)
        _mm512_mask_storeu_ps(to + i, first(count - i), load_f16(from + i, first(count - i)));
}

static inline __m512 int4_row(const uint8_t* codes, const float* scales, const bf16* x, int in, int group) {
    const __m512i table = _mm512_load_si512(FOUR_BITS);
    __m512 total = _mm512_setzero_ps();
    if (group % 64 == 0) {
        for (int i = 0, g = 0; i < in; ++g) {
            __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
            for (int end = i + group; i < end; i += 64, codes += 32) {
                const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)codes));
                low = dot(low, _mm512_permutexvar_epi16(pairs, table), _mm512_loadu_si512(x + i));
                high = dot(high, _mm512_permutexvar_epi16(_mm512_srli_epi16(pairs, 4), table),
                           _mm512_loadu_si512(x + i + 32));
            }
            total = _mm512_fmadd_ps(_mm512_add_ps(low, high), _mm512_set1_ps(scales[g]), total);
        }
        return total;
    }
    const __m512 zero = _mm512_setzero_ps();
    for (int i = 0; i < in; i += 64, codes += 32) {
        const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)codes));
        const __m512 low = dot(zero, _mm512_permutexvar_epi16(pairs, table), _mm512_loadu_si512(x + i));
        total = _mm512_fmadd_ps(low, _mm512_set1_ps(scales[i / group]), total);
        if (i + 32 >= in) break;
        const __m512i upper = _mm512_permutexvar_epi16(_mm512_srli_epi16(pairs, 4), table);
        const __m512 high = dot(zero, upper, _mm512_loadu_si512(x + i + 32));
        total = _mm512_fmadd_ps(high, _mm512_set1_ps(scales[(i + 32) / group]), total);
    }
    return total;
}

static inline __m512 int8_row(const int8_t* codes, const float* scales, const float* x, int in, int group) {
    __m512 total = _mm512_setzero_ps();
    for (int i = 0, g = 0; i < in; ++g) {
        __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        for (int end = i + group; i < end; i += 32) {
            const __m512i a = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(codes + i)));
            const __m512i b = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(codes + i + 16)));
            even = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a), _mm512_loadu_ps(x + i), even);
            odd = _mm512_fmadd_ps(_mm512_cvtepi32_ps(b), _mm512_loadu_ps(x + i + 16), odd);
        }
        total = _mm512_fmadd_ps(_mm512_add_ps(even, odd), _mm512_set1_ps(scales[g]), total);
    }
    return total;
}

static inline __m512 dense_row(const bf16* weight, const bf16* x, int in) {
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    int i = 0;
    for (; i + 64 <= in; i += 64) {
        even = dot(even, _mm512_loadu_si512(weight + i), _mm512_loadu_si512(x + i));
        odd = dot(odd, _mm512_loadu_si512(weight + i + 32), _mm512_loadu_si512(x + i + 32));
    }
    if (i < in) even = dot(even, _mm512_loadu_si512(weight + i), _mm512_loadu_si512(x + i));
    return _mm512_add_ps(even, odd);
}

// Four rows that lie side by side, each summed as `dense_row` sums it: one load of x serves all of them. What comes FAR
// behind is asked for meanwhile, in the order in which it lies in memory: four streams are more than a core foresees.
static inline void four_dense_rows(const bf16* weight, const bf16* x, int in, __m512* totals) {
    const char* next = (const char*)weight + FAR;
    __m512 even[4], odd[4];
    for (int j = 0; j < 4; ++j) even[j] = odd[j] = _mm512_setzero_ps();
    int i = 0;
    for (; i + 64 <= in; i += 64) {
        const __m512i low = _mm512_loadu_si512(x + i), high = _mm512_loadu_si512(x + i + 32);
        for (int j = 0; j < 4; ++j) {
            _mm_prefetch(next, _MM_HINT_T1);
            _mm_prefetch(next + 64, _MM_HINT_T1);
            next += 128;
            even[j] = dot(even[j], _mm512_loadu_si512(weight + j * (int64_t)in + i), low);
            odd[j] = dot(odd[j], _mm512_loadu_si512(weight + j * (int64_t)in + i + 32), high);
        }
    }
    for (int j = 0; j < 4; ++j) {
        if (i < in)
            even[j] = dot(even[j], _mm512_loadu_si512(weight + j * (int64_t)in + i), _mm512_loadu_si512(x + i));
        totals[j] = _mm512_add_ps(even[j], odd[j]);
    }
}

static inline int64_t row_bytes(const Linear& w) {
    return w.kind == INT4 ? (int64_t)(w.in + 63) / 64 * 32 : (int64_t)w.in * (w.kind == INT8 ? 1 : 2);
}

static inline void sum_groups(const Linear& w, const Input& x) {
    if (w.kind == DENSE || !w.offset) return;
    const int per = w.group / 32;
    for (int g = 0; g < w.in / w.group; ++g) {
        float sum = 0;
        for (int j = 0; j < per; ++j) sum += x.sums[g * per + j];
        x.group_sums[g] = sum;
    }
}

// Row r of W x + b. `sum_groups` must have been called for this weight.
static inline float row(const Linear& w, const Input& x, int r) {
    const uint8_t* codes = (const uint8_t*)w.weight + r * row_bytes(w);
    __m512 total;
    if (w.kind == DENSE) {
        total = dense_row((const bf16*)codes, x.rounded, w.in);
    } else {
        const int groups = w.in / w.group;
        expand_scales(w.scale + (int64_t)r * groups, groups, x.scales);
        total = w.kind == INT4 ? int4_row(codes, x.scales, x.rounded, w.in, w.group)
                               : int8_row((const int8_t*)codes, x.scales, x.values, w.in, w.group);
        if (w.offset)
            for (int g = 0; g < groups; g += 16) {
                const __mmask16 mask = first(groups - g);
                total = _mm512_fmadd_ps(load_f16(w.offset + (int64_t)r * groups + g, mask),
                                        _mm512_maskz_loadu_ps(mask, x.group_sums + g), total);
            }
    }
    return _mm512_reduce_add_ps(total) + (w.bias ? w.bias[r] : 0.0f);
}

static inline __m128 reduce_four(const __m512* totals) {  // the sums of four vectors
    const __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(totals[0], totals[1]), _mm512_unpackhi_ps(totals[0], totals[1]));
    const __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(totals[2], totals[3]), _mm512_unpackhi_ps(totals[2], totals[3]));
    const __m512d low = _mm512_unpacklo_pd((__m512d)a, (__m512d)b), high = _mm512_unpackhi_pd((__m512d)a, (__m512d)b);
    const __m512 c = _mm512_add_ps((__m512)low, (__m512)high);
    const __m256 d = _mm256_add_ps(_mm512_castps512_ps256(c), _mm512_extractf32x8_ps(c, 1));
    return _mm_add_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
}

// Four rows at once, of 4-bit codes in groups of a multiple of 64: a row of 576 codes is over before its sums have been
// added up, and each part of x is loaded for all four. Rows from r on; scales and offsets of rows lie side by side.
static inline __m128 four_int4_rows(const Linear& w, const Input& x, int r) {
    const int64_t stride = row_bytes(w);
    const int groups = w.in / w.group;
    const uint8_t* codes = (const uint8_t*)w.weight + r * stride;
    const __m512i table = _mm512_load_si512(FOUR_BITS);
    expand_scales(w.scale + (int64_t)r * groups, 4 * groups, x.scales);
    __m512 totals[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    const uint8_t* ahead = codes + AHEAD;
    for (int i = 0, g = 0; i < w.in; ++g) {
        __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
        for (const int end = i + w.group; i < end; i += 64, codes += 32) {
            const __m512i low = _mm512_loadu_si512(x.rounded + i), high = _mm512_loadu_si512(x.rounded + i + 32);
            _mm_prefetch(ahead, _MM_HINT_T0);
            _mm_prefetch(ahead + 64, _MM_HINT_T0);
            ahead += 128;
            for (int j = 0; j < 4; ++j) {
                const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)(codes + j * stride)));
                sums[j] = dot(sums[j], _mm512_permutexvar_epi16(pairs, table), low);
                sums[j] = dot(sums[j], _mm512_permutexvar_epi16(_mm512_srli_epi16(pairs, 4), table), high);
            }
        }
        for (int j = 0; j < 4; ++j)
            totals[j] = _mm512_fmadd_ps(sums[j], _mm512_set1_ps(x.scales[j * groups + g]), totals[j]);
    }
    if (w.offset)
        for (int g = 0; g < groups; g += 16) {
            const __mmask16 mask = first(groups - g);
            const __m512 inputs = _mm512_maskz_loadu_ps(mask, x.group_sums + g);
            const f16* offsets = w.offset + (int64_t)r * groups + g;
            for (int j = 0; j < 4; ++j)
                totals[j] = _mm512_fmadd_ps(load_f16(offsets + j * groups, mask), inputs, totals[j]);
        }
    const __m128 found = reduce_four(totals);
    return w.bias ? _mm_add_ps(found, _mm_loadu_ps(w.bias + r)) : found;
}

// Calls take(r, what) for every row r of begin .. end, with row r of W x + b. `sum_groups` must have been called.
template <typename Take>
static inline void each_row(const Linear& w, const Input& x, int begin, int end, Take take) {
    int r = begin;
    if (w.kind == INT4 && w.group % 64 == 0)
        for (; r + 4 <= end; r += 4) {
            alignas(16) float found[4];
            _mm_store_ps(found, four_int4_rows(w, x, r));
            for (int j = 0; j < 4; ++j) take(r + j, found[j]);
        }
    if (w.kind == DENSE)
        for (; r + 4 <= end; r += 4) {
            __m512 totals[4];
            four_dense_rows((const bf16*)w.weight + (int64_t)r * w.in, x.rounded, w.in, totals);
            for (int j = 0; j < 4; ++j)
                take(r + j, _mm512_reduce_add_ps(totals[j]) + (w.bias ? w.bias[r + j] : 0.0f));
        }
    for (; r < end; ++r) take(r, row(w, x, r));
}

// Row r as bfloat16 numbers, for prompts: there the multiplication is a large one, which a library does best.
static inline void expand_row(const Linear& w, int r, float* scales, float* offsets, bf16* out) {
    const uint8_t* codes = (const uint8_t*)w.weight + r * row_bytes(w);
    const int groups = w.in / w.group;
    const __m512i table = _mm512_load_si512(FOUR_BITS);
    expand_scales(w.scale + (int64_t)r * groups, groups, scales);
    if (w.offset) expand_scales(w.offset + (int64_t)r * groups, groups, offsets);
    for (int i = 0; i < w.in; i += 32) {
        const int g = i / w.group;
        const __m512 scale = _mm512_set1_ps(scales[g]), offset = _mm512_set1_ps(w.offset ? offsets[g] : 0.0f);
        __m512 low, high;
        if (w.kind == INT4) {
            const __m256i bytes = _mm256_loadu_si256((const __m256i*)(codes + i / 64 * 32));
            __m512i pairs = _mm512_cvtepu8_epi16(bytes);
            if (i % 64) pairs = _mm512_srli_epi16(pairs, 4);
            const __m512i values = _mm512_permutexvar_epi16(pairs, table);
            low = widen(_mm512_castsi512_si256(values));
            high = widen(_mm512_extracti64x4_epi64(values, 1));
        } else {
            const int8_t* from = (const int8_t*)codes + i;
            low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
            high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(from + 16))));
        }
        low = _mm512_fmadd_ps(low, scale, offset);
        high = _mm512_fmadd_ps(high, scale, offset);
        _mm512_storeu_si512(out + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

// Keys and values in the order in which they are multiplied, and attention over them.
//
// The instruction that multiplies bfloat16 takes two neighbours of one side times two of the other, for 16 columns at
// once. So keys lie in blocks of 16 positions, [head_dim / 2][16][2], and values by pairs of positions,
// [length / 2][columns][2]: both products of attention then read memory in one direction, whether the rows beside them
// are the query heads that share one cache (a new token) or successive tokens of one head (a prompt).
#pragma once
#include "steps.h"

constexpr int ROWS = 8;     // rows of queries that are multiplied together
constexpr int SPAN = 32;    // positions that are multiplied together; room for them is a multiple of it

struct Cache {  // of one key-value head of one layer
    bf16* keys;
    bf16* values;
    int size, columns;  // head_dim, and head_dim rounded up to 16

    void write(int position, const float* key, const float* value, bf16* scratch) const {
        round_row(key, size, scratch);
        uint32_t* pairs = (uint32_t*)(keys + (int64_t)(position / 16) * 16 * size) + position % 16;
        for (int i = 0; i < size / 2; ++i) pairs[i * 16] = ((const uint32_t*)scratch)[i];
        round_row(value, size, scratch);
        bf16* to = values + (int64_t)(position / 2) * columns * 2 + position % 2;
        for (int i = 0; i < size; ++i) to[i * 2] = scratch[i];
    }

    // The other half of the last pair, which is multiplied by 0, may hold anything from an earlier text.
    void end(int count) const {
        if (count % 2 == 0) return;
        bf16* to = values + (int64_t)(count / 2) * columns * 2 + 1;
        for (int i = 0; i < columns; ++i) to[i * 2] = 0;
    }
};

// c[R][16 P] = a[R][2 pairs] b, where column block p of b begins at b + p * block and pair k of it lies k * step further.
template <int R, int P>
static inline void tile(const bf16* a, int lda, const bf16* b, int64_t block, int step, int pairs, float* c, int ldc) {
    __m512 sums[R][P];
    for (int r = 0; r < R; ++r)
        for (int p = 0; p < P; ++p) sums[r][p] = _mm512_setzero_ps();
    for (int k = 0; k < pairs; ++k) {
        __m512i columns[P];
        for (int p = 0; p < P; ++p) columns[p] = _mm512_loadu_si512(b + p * block + (int64_t)k * step);
        for (int r = 0; r < R; ++r) {
            const __m512i both = _mm512_set1_epi32(((const int32_t*)(a + (int64_t)r * lda))[k]);
            for (int p = 0; p < P; ++p) sums[r][p] = dot(sums[r][p], both, columns[p]);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * ldc + 16 * p, sums[r][p]);
}

template <int P>
static inline void tiles(
    int rows, const bf16* a, int lda, const bf16* b, int64_t block, int step, int pairs, float* c, int ldc) {
    switch (rows) {
        case 1: return tile<1, P>(a, lda, b, block, step, pairs, c, ldc);
        case 2: return tile<2, P>(a, lda, b, block, step, pairs, c, ldc);
        case 3: return tile<3, P>(a, lda, b, block, step, pairs, c, ldc);
        case 4: return tile<4, P>(a, lda, b, block, step, pairs, c, ldc);
        case 5: return tile<5, P>(a, lda, b, block, step, pairs, c, ldc);
        case 6: return tile<6, P>(a, lda, b, block, step, pairs, c, ldc);
        case 7: return tile<7, P>(a, lda, b, block, step, pairs, c, ldc);
        default: return tile<ROWS, P>(a, lda, b, block, step, pairs, c, ldc);
    }
}

static inline int64_t attention_floats(int length, int columns) {  // of scratch
    const int64_t room = (length + SPAN - 1) / SPAN * SPAN;
    return ROWS * (room + room / 2 + columns);
}

struct Scores {  // how q k^T is scaled and capped (0: not), and how many positions a query sees (0: all before it)
    float scale, cap;
    int window;
};

// softmax of the scores from `begin` to `count` into bfloat16, zeros around them up to `room`; returns what the weights
// must be divided by.
static inline float softmax(float* scores, int begin, int count, int room, float scale, bf16* weights) {
    const auto seen = [begin, count](int t) -> __mmask16 {
        return (count > t ? first(count - t) : 0) & (begin > t ? ~first(begin - t) : 0xFFFF);
    };
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int t = begin / 16 * 16; t < count; t += 16)
        most = _mm512_mask_max_ps(most, seen(t), most, _mm512_loadu_ps(scores + t));
    const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(most) * scale), scales = _mm512_set1_ps(scale);
    for (int t = 0; t < room; t += 16) {
        const __m512 power = _mm512_fmsub_ps(_mm512_loadu_ps(scores + t), scales, largest);
        const __m512 weight = _mm512_maskz_mov_ps(seen(t), exponential(power));
        _mm256_storeu_si256((__m256i*)(weights + t), (__m256i)_mm512_cvtneps_pbh(weight));
        sum = _mm512_add_ps(sum, weight);
    }
    return _mm512_reduce_add_ps(sum);
}

// Attention of `rows` <= ROWS rows of queries, bfloat16 [rows][pitch], over the first `seen` positions for the first
// row and `more` positions more for each further one, or over the last of them that are in the window. out: floats
// [rows][out_pitch].
static inline void attend(const Cache& cache, const Scores& how, const bf16* queries, int pitch, int rows, int seen,
                          int more, float* out, int out_pitch, float* scratch) {
    const int base = how.window ? std::max(0, seen - how.window) / SPAN * SPAN : 0;  // what lies before, nobody sees
    const int last = seen + (rows - 1) * more - base, room = (last + SPAN - 1) / SPAN * SPAN, size = cache.size;
    const int columns = cache.columns, pairs = (last + 1) / 2;
    const bf16 *keys = cache.keys + (int64_t)base * size, *values = cache.values + (int64_t)base * columns;
    float* scores = scratch;
    bf16* weights = (bf16*)(scores + ROWS * room);
    float* mixed = scores + ROWS * (room + room / 2);
    float totals[ROWS];
    const int64_t block = 16 * size;
    for (int t = 0; t < room; t += SPAN)
        tiles<2>(rows, queries, pitch, keys + t / 16 * block, block, 32, size / 2, scores + t, room);
    if (how.cap != 0.0f)
        for (int t = 0; t < rows * room; t += 16)
            _mm512_storeu_ps(scores + t, capped(_mm512_loadu_ps(scores + t), how.scale, how.cap));
    for (int r = 0; r < rows; ++r) {
        const int count = seen + r * more - base, begin = how.window ? std::max(0, count - how.window) : 0;
        totals[r] = softmax(scores + r * room, begin, count, room, how.cap != 0.0f ? 1.0f : how.scale, weights + r * room);
    }
    int c = 0;
    for (; c + 32 <= columns; c += 32)
        tiles<2>(rows, weights, room, values + 2 * c, 32, 2 * columns, pairs, mixed + c, columns);
    if (c < columns) tiles<1>(rows, weights, room, values + 2 * c, 32, 2 * columns, pairs, mixed + c, columns);
    for (int r = 0; r < rows; ++r)
        for (int i = 0; i < size; i += 16) {
            const __m512 whole = _mm512_div_ps(_mm512_loadu_ps(mixed + r * columns + i), _mm512_set1_ps(totals[r]));
            _mm512_mask_storeu_ps(out + (int64_t)r * out_pitch + i, first(size - i), whole);
        }
}

// One token through a whole Llama-family model, in one call.
//
// Called operator by operator, a token spends more time between multiplications than in them. Here all threads walk
// through the model together; what is small (norms, rotations, activations) each does for itself instead of waiting,
// and they meet five times per block, where one needs what the other has computed.
#include "rows.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>

struct Block {
    const float* input_norm;
    const float* post_norm;
    Linear q, k, v, o, gate, up, down;
};

// cos, sin: [length, head_dim] float. keys, values: [blocks, kv_heads, length, head_dim] bfloat16. shared: floats for
// residual [width], qkv, attention, mlp. scratch: `scratch_floats` per thread.
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
    float* shared;
    float* scratch;
    int64_t scratch_floats;
};

namespace {

class Meeting {  // a barrier that spins for a moment, and then gives the core away: another program may have taken one
   public:
    void wait(int threads) {
        if (threads == 1) return;
        const int phase = phase_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
            arrived_.store(0, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; phase_.load(std::memory_order_acquire) == phase;) {
            if (++spins < 4096) _mm_pause();
            else sched_yield();
        }
    }

   private:
    std::atomic<int> arrived_{0}, phase_{0};
};

__m512 exponential(__m512 x) {  // relative error below 2e-7
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
__m512 activate(__m512 gate, __m512 up, bool gelu) {
    __m512 u = gate;
    if (gelu) {
        const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(gate, gate), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
        u = _mm512_mul_ps(_mm512_mul_ps(gate, cubic), _mm512_set1_ps(1.59576912f));
    }
    const __m512 below = _mm512_add_ps(_mm512_set1_ps(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), u)));
    return _mm512_div_ps(_mm512_mul_ps(gate, up), below);
}

// x times factor (times weight, where given), rounded to bfloat16, with its sums; width is a multiple of 32.
void prepare(const float* x, int width, float factor, const float* weight, const Input& to) {
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

void normalize(const float* x, int width, float eps, const float* weight, const Input& to) {
    __m512 squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += 16) {
        const __m512 part = _mm512_loadu_ps(x + i);
        squares = _mm512_fmadd_ps(part, part, squares);
    }
    prepare(x, width, 1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + eps), weight, to);
}

// x rounded to whole multiples of a step, where w wants that; x has been prepared.
void round_input(const Linear& w, const Input& x) {
    if (!w.levels) return;
    float step = w.step;
    if (step == 0.0f) {
        __m512 largest = _mm512_setzero_ps();
        for (int i = 0; i < w.in; i += 16)
            largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x.values + i)));
        step = std::fmax(_mm512_reduce_max_ps(largest) / w.levels, 1.17549435e-38f);
    }
    const __m512 levels = _mm512_set1_ps(w.levels), steps = _mm512_set1_ps(step);
    for (int i = 0; i < w.in; i += 32) {
        __m512 part[2];
        for (int j = 0; j < 2; ++j) {
            const __m512 wide = _mm512_div_ps(_mm512_loadu_ps(x.values + i + 16 * j), steps);
            const __m512 code = _mm512_roundscale_ps(wide, _MM_FROUND_TO_NEAREST_INT);
            const __m512 bounded = _mm512_max_ps(_mm512_min_ps(code, levels), _mm512_sub_ps(_mm512_setzero_ps(), levels));
            part[j] = _mm512_mul_ps(bounded, steps);
            _mm512_storeu_ps(x.values + i + 16 * j, part[j]);
        }
        _mm512_storeu_si512(x.rounded + i, (__m512i)_mm512_cvtne2ps_pbh(part[1], part[0]));
        x.sums[i / 32] = _mm512_reduce_add_ps(_mm512_add_ps(part[0], part[1]));
    }
}

Input input_at(float* memory, int padded) {  // in 4 * padded floats
    return {memory, (bf16*)(memory + padded), memory + padded + padded / 2, memory + 2 * padded, memory + 3 * padded};
}

struct Share {  // of `count` things, those of one thread; in whole blocks of 16
    int begin, end;
    Share(int count, int me, int threads) {
        const int blocks = (count + 15) / 16;
        begin = blocks * me / threads * 16;
        end = blocks * (me + 1) / threads * 16;
        if (end > count) end = count;
    }
};

void multiply(const Linear& w, const Input& x, int me, int threads, float* out) {
    sum_groups(w, x);
    const Share mine(w.out, me, threads);
    for (int r = mine.begin; r < mine.end; ++r) out[r] = row(w, x, r);
}

void rotate(const float* from, const float* cos, const float* sin, int size, float* to) {
    for (int i = 0; i < size; ++i)
        to[i] = from[i] * cos[i] + (i < size / 2 ? -from[i + size / 2] : from[i - size / 2]) * sin[i];
}

void round_row(const float* from, int size, bf16* to) {
    for (int i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        _mm256_mask_storeu_epi16(to + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i)));
    }
}

// Attention of the query heads of one key-value head over positions 0..position. The newest key and value come from
// qkv and are written into the cache here: nobody else reads this head.
void attend(const Model& m, int layer, int kv_head, int position, const float* qkv, float* out, float* scratch) {
    const int size = m.head_dim, shared_by = m.heads / m.kv_heads;
    const float *cos = m.cos + (int64_t)position * size, *sin = m.sin + (int64_t)position * size;
    const int64_t cache = ((int64_t)layer * m.kv_heads + kv_head) * m.length * size;
    bf16 *keys = m.keys + cache, *values = m.values + cache;
    float *turned = scratch, *scores = scratch + size;
    rotate(qkv + (m.heads + kv_head) * size, cos, sin, size, turned);
    round_row(turned, size, keys + (int64_t)position * size);
    round_row(qkv + (m.heads + m.kv_heads + kv_head) * size, size, values + (int64_t)position * size);
    for (int h = kv_head * shared_by; h < (kv_head + 1) * shared_by; ++h) {
        rotate(qkv + h * size, cos, sin, size, turned);
        float largest = -INFINITY;
        for (int t = 0; t <= position; ++t) {
            __m512 sum = _mm512_setzero_ps();
            for (int i = 0; i < size; i += 16) {
                const __mmask16 mask = first(size - i);
                sum = _mm512_fmadd_ps(widen(_mm256_maskz_loadu_epi16(mask, keys + (int64_t)t * size + i)),
                                      _mm512_maskz_loadu_ps(mask, turned + i), sum);
            }
            scores[t] = _mm512_reduce_add_ps(sum) / std::sqrt((float)size);
            largest = std::fmax(largest, scores[t]);
        }
        __m512 sum = _mm512_setzero_ps();
        for (int t = 0; t <= position; t += 16) {
            const __mmask16 mask = first(position + 1 - t);
            const __m512 shifted = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, scores + t), _mm512_set1_ps(largest));
            const __m512 weight = _mm512_maskz_mov_ps(mask, exponential(shifted));
            _mm512_mask_storeu_ps(scores + t, mask, weight);
            sum = _mm512_add_ps(sum, weight);
        }
        const float total = _mm512_reduce_add_ps(sum);
        for (int i = 0; i < size; i += 16) {
            const __mmask16 mask = first(size - i);
            __m512 mixed = _mm512_setzero_ps();
            for (int t = 0; t <= position; ++t)
                mixed = _mm512_fmadd_ps(widen(_mm256_maskz_loadu_epi16(mask, values + (int64_t)t * size + i)),
                                        _mm512_set1_ps(scores[t]), mixed);
            _mm512_mask_storeu_ps(out + h * size + i, mask, _mm512_div_ps(mixed, _mm512_set1_ps(total)));
        }
    }
}

void walk(const Model& m, int token, int position, float* logits, int me, int threads, Meeting& meeting) {
    const int all = m.heads * m.head_dim, widest = std::max(std::max(m.width, m.mlp_width), all);
    float* residual = m.shared;
    float* qkv = residual + m.width;
    float* attention = qkv + all + 2 * m.kv_heads * m.head_dim;
    float* mlp = attention + all;
    float* own = m.scratch + me * m.scratch_floats;
    const int padded = (widest + 63) / 64 * 64;
    const Input x = input_at(own, padded);
    float* rest = own + 4 * padded;
    const Share mine(m.width, me, threads);

    for (int i = mine.begin; i < mine.end; i += 16) {
        const __mmask16 mask = first(mine.end - i);
        const __m512 part = widen(_mm256_maskz_loadu_epi16(mask, m.embedding + (int64_t)token * m.width + i));
        _mm512_mask_storeu_ps(residual + i, mask, _mm512_mul_ps(part, _mm512_set1_ps(m.embedding_scale)));
    }
    meeting.wait(threads);
    for (int layer = 0; layer < m.blocks; ++layer) {
        const Block& b = m.block[layer];
        normalize(residual, m.width, m.eps, b.input_norm, x);
        round_input(b.q, x);
        multiply(b.q, x, me, threads, qkv);
        multiply(b.k, x, me, threads, qkv + all);
        multiply(b.v, x, me, threads, qkv + all + m.kv_heads * m.head_dim);
        meeting.wait(threads);
        for (int head = me; head < m.kv_heads; head += threads) attend(m, layer, head, position, qkv, attention, rest);
        meeting.wait(threads);
        prepare(attention, all, 1.0f, nullptr, x);
        round_input(b.o, x);
        sum_groups(b.o, x);
        for (int r = mine.begin; r < mine.end; ++r) residual[r] += row(b.o, x, r);
        meeting.wait(threads);
        normalize(residual, m.width, m.eps, b.post_norm, x);
        round_input(b.gate, x);
        const Share hidden(m.mlp_width, me, threads);
        multiply(b.gate, x, me, threads, mlp);
        multiply(b.up, x, me, threads, mlp + m.mlp_width);
        for (int i = hidden.begin; i < hidden.end; i += 16) {
            const __mmask16 mask = first(hidden.end - i);
            const __m512 gate = _mm512_maskz_loadu_ps(mask, mlp + i);
            const __m512 up = _mm512_maskz_loadu_ps(mask, mlp + m.mlp_width + i);
            _mm512_mask_storeu_ps(mlp + i, mask, activate(gate, up, m.gelu));
        }
        meeting.wait(threads);
        prepare(mlp, m.mlp_width, 1.0f, nullptr, x);
        round_input(b.down, x);
        sum_groups(b.down, x);
        for (int r = mine.begin; r < mine.end; ++r) residual[r] += row(b.down, x, r);
        meeting.wait(threads);
    }
    normalize(residual, m.width, m.eps, m.norm, x);
    round_input(m.head, x);
    multiply(m.head, x, me, threads, logits);
}

}  // namespace

extern "C" {

void optlab_decode(const Model* model, int32_t token, int32_t position, float* logits) {
    Meeting meeting;
#pragma omp parallel num_threads(model->threads)
    walk(*model, token, position, logits, omp_get_thread_num(), omp_get_num_threads(), meeting);
}

// out = W x + b for one vector x [w.in] of floats. scratch: 4 * w.in (rounded up to 64) floats per thread.
void optlab_multiply(const Linear* w, const float* x, float* out, float* scratch, int32_t threads) {
    const int padded = (w->in + 63) / 64 * 64;
#pragma omp parallel num_threads(threads)
    {
        const Input own = input_at(scratch + (int64_t)omp_get_thread_num() * 4 * padded, padded);
        prepare(x, w->in, 1.0f, nullptr, own);
        round_input(*w, own);
        multiply(*w, own, omp_get_thread_num(), omp_get_num_threads(), out);
    }
}

// Reads `bytes` (a multiple of 64 * threads) once and answers with something that depends on all of them.
int64_t optlab_read(const void* memory, int64_t bytes, int32_t threads) {
    int64_t answer = 0;
#pragma omp parallel num_threads(threads) reduction(^ : answer)
    {
        const int64_t share = bytes / omp_get_num_threads();
        const char* from = (const char*)memory + share * omp_get_thread_num();
        __m512i mixed[4] = {};
        for (int64_t i = 0; i + 256 <= share; i += 256)
            for (int j = 0; j < 4; ++j) mixed[j] = _mm512_xor_si512(mixed[j], _mm512_loadu_si512(from + i + 64 * j));
        for (const __m512i& part : mixed) answer ^= _mm512_reduce_add_epi64(part);
    }
    return answer;
}

// out: bfloat16 [w.out, w.in]. scratch: 2 * w.in / w.group floats (rounded up to 16) per thread.
void optlab_expand(const Linear* w, bf16* out, float* scratch, int32_t threads) {
    const int groups = (w->in / w->group + 15) / 16 * 16;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int r = 0; r < w->out; ++r) {
        float* own = scratch + (int64_t)omp_get_thread_num() * 2 * groups;
        expand_row(*w, r, own, own + groups, out + (int64_t)r * w->in);
    }
}
}

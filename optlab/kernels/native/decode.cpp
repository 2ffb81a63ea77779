// One token through a whole Llama-family model, in one call.
//
// Called operator by operator, a token spends more time between multiplications than in them. Here all threads walk
// through the model together; what is small (norms, rotations, activations) each does for itself instead of waiting,
// and they meet five times per block, where one needs what the other has computed.
#include <omp.h>
#include <sched.h>

#include <atomic>

#include "model.h"

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

void multiply(const Linear& w, const Input& x, int me, int threads, float* out) {
    sum_groups(w, x);
    const Share mine(w.out, me, threads);
    each_row(w, x, mine.begin, mine.end, [out](int r, float found) { out[r] = found; });
}

// The newest key and value of a head are written by whoever attends with it: nobody else reads them.
void attend_token(const Model& m, int layer, int kv_head, int position, const float* qkv, float* out, float* scratch) {
    const int size = m.head_dim, together = m.heads / m.kv_heads;
    const float *cos = m.cos + (int64_t)position * size, *sin = m.sin + (int64_t)position * size;
    const Cache cache = m.cache(layer, kv_head);
    float* turned = scratch;
    bf16* queries = (bf16*)(scratch + size);
    float* rest = scratch + size + (ROWS * size + 1) / 2;
    rotate(qkv + (m.heads + kv_head) * size, cos, sin, size, turned);
    cache.write(position, turned, qkv + (m.heads + m.kv_heads + kv_head) * size, queries);
    cache.end(position + 1);
    for (int begin = 0; begin < together; begin += ROWS) {
        const int rows = std::min(ROWS, together - begin), head = kv_head * together + begin;
        for (int r = 0; r < rows; ++r) {
            rotate(qkv + (head + r) * size, cos, sin, size, turned);
            round_row(turned, size, queries + r * size);
        }
        attend(cache, queries, size, rows, position + 1, 0, out + head * size, size, rest);
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
        prepare(residual, m.width, norm_factor(residual, m.width, m.eps), b.input_norm, x);
        round_input(b.q, x);
        multiply(b.q, x, me, threads, qkv);
        multiply(b.k, x, me, threads, qkv + all);
        multiply(b.v, x, me, threads, qkv + all + m.kv_heads * m.head_dim);
        meeting.wait(threads);
        for (int head = me; head < m.kv_heads; head += threads) attend_token(m, layer, head, position, qkv, attention, rest);
        meeting.wait(threads);
        prepare(attention, all, 1.0f, nullptr, x);
        round_input(b.o, x);
        sum_groups(b.o, x);
        each_row(b.o, x, mine.begin, mine.end, [residual](int r, float found) { residual[r] += found; });
        meeting.wait(threads);
        prepare(residual, m.width, norm_factor(residual, m.width, m.eps), b.post_norm, x);
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
        each_row(b.down, x, mine.begin, mine.end, [residual](int r, float found) { residual[r] += found; });
        meeting.wait(threads);
    }
    prepare(residual, m.width, norm_factor(residual, m.width, m.eps), m.norm, x);
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

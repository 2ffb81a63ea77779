// One token, or one each of several texts, through a whole model, in one call.
//
// Called operator by operator, a token spends more time between multiplications than in them. Here all threads walk
// through the model together; what is small (norms, rotations, activations) each does for itself instead of waiting,
// and they meet where one needs what the other has computed: five times per block, once more for each norm of an output.
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

// out[b] = W x[b] + bias for this thread's rows; the outputs of one input lie `pitch` numbers after those of another.
void multiply(const Linear& w, const Input* x, int batch, int me, int threads, float* out, int64_t pitch) {
    for (int b = 0; b < batch; ++b) sum_groups(w, x[b]);
    const Share mine(w.out, me, threads);
    each_row(w, x, batch, mine.begin, mine.end, [out, pitch](int r, int b, float found) { out[b * pitch + r] = found; });
}

// The newest key and value of a head are written by whoever attends with it: nobody else reads them.
void attend_token(const Model& m, int layer, int kv_head, int position, const float* qkv, float* out, float* scratch) {
    const int size = m.head_dim, together = m.heads / m.kv_heads;
    const Block& block = m.block[layer];
    const float *keys = qkv + m.heads * size, *values = keys + m.kv_heads * size;
    const Cache cache = m.cache(layer, kv_head);
    float* turned = scratch;
    bf16* queries = (bf16*)(scratch + size);
    float* rest = scratch + size + (ROWS * size + 1) / 2;
    m.turn(layer, block.k_norm, keys, kv_head, m.kv_heads, position, turned);
    cache.write(position, turned, values + kv_head * size, queries);
    cache.end(position + 1);
    for (int begin = 0; begin < together; begin += ROWS) {
        const int rows = std::min(ROWS, together - begin), head = kv_head * together + begin;
        for (int r = 0; r < rows; ++r) {
            m.turn(layer, block.q_norm, qkv, head + r, m.heads, position, turned);
            round_row(turned, size, queries + r * size);
        }
        attend(cache, m.scores(layer), queries, size, rows, position + 1, 0, out + head * size, size, rest);
    }
}

struct Sequence {  // where the numbers of one text lie
    float *residual, *qkv, *attention, *mlp, *branch;
};

// The next token of `batch` texts. models: one per text, which differ in their caches and in `shared` only.
void walk(const Model* models, int batch, const int32_t* tokens, const int32_t* positions, float* logits, int me,
          int threads, Meeting& meeting) {
    const Model& m = models[0];
    const int all = m.heads * m.head_dim, key_value = m.kv_heads * m.head_dim;
    const int padded = (std::max(std::max(m.width, m.mlp_width), all) + 63) / 64 * 64;
    const int64_t pitch = batch > 1 ? models[1].shared - m.shared : 0;
    float* own = m.scratch + me * m.scratch_floats;
    Sequence at[MOST_TOGETHER];
    Input x[MOST_TOGETHER];
    for (int b = 0; b < batch; ++b) {
        float* shared = m.shared + b * pitch;
        float *qkv = shared + m.width, *attention = qkv + all + 2 * key_value, *mlp = attention + all;
        at[b] = {shared, qkv, attention, mlp, mlp + 2 * m.mlp_width};
        x[b] = input_at(own + (int64_t)b * 4 * padded, padded);
    }
    float* rest = own + (int64_t)batch * 4 * padded;
    const Share mine(m.width, me, threads), hidden(m.mlp_width, me, threads);
    const auto normed = [&](const Linear& reader, const Norm& norm) {
        for (int b = 0; b < batch; ++b) {
            const float* residual = at[b].residual;
            prepare(residual, m.width, norm.weight ? scaling_of(residual, m.width, m.eps, m.centred) : Scaling{}, norm, x[b]);
            round_input(reader, x[b]);
        }
    };
    // residual += W from, normalized before where the block does that.
    const auto add = [&](const Linear& w, float* Sequence::*from, int width, const Norm& norm) {
        for (int b = 0; b < batch; ++b) {
            prepare(at[b].*from, width, {}, {}, x[b]);
            round_input(w, x[b]);
            sum_groups(w, x[b]);
        }
        const float scale = m.residual_scale;
        if (!norm.weight) {
            each_row(w, x, batch, mine.begin, mine.end,
                     [&at, scale](int r, int b, float found) { at[b].residual[r] += scale * found; });
            return;
        }
        each_row(w, x, batch, mine.begin, mine.end, [&at](int r, int b, float found) { at[b].branch[r] = found; });
        meeting.wait(threads);
        for (int b = 0; b < batch; ++b) {
            const Scaling by = scaling_of(at[b].branch, m.width, m.eps, m.centred);
            for (int i = mine.begin; i < mine.end; i += 16) {
                const __m512 part = normalized(_mm512_loadu_ps(at[b].branch + i), by, norm, i);
                float* residual = at[b].residual + i;
                _mm512_storeu_ps(residual, _mm512_fmadd_ps(part, _mm512_set1_ps(scale), _mm512_loadu_ps(residual)));
            }
        }
    };
    // What the last weight of the MLP reads; each thread activates what it has multiplied.
    const auto neurons = [&](const Block& block) {
        normed(block.gate, block.mlp_norm);
        multiply(block.gate, x, batch, me, threads, at[0].mlp, pitch);
        if (m.gated) multiply(block.up, x, batch, me, threads, at[0].mlp + m.mlp_width, pitch);
        for (int b = 0; b < batch; ++b)
            for (int i = hidden.begin; i < hidden.end; i += 16) {
                float* mlp = at[b].mlp + i;
                __m512 found = activate(_mm512_loadu_ps(mlp), m.activation);
                if (m.gated) found = _mm512_mul_ps(found, _mm512_loadu_ps(mlp + m.mlp_width));
                _mm512_storeu_ps(mlp, found);
            }
    };

    for (int b = 0; b < batch; ++b)
        for (int i = mine.begin; i < mine.end; i += 16) {
            const __mmask16 mask = first(mine.end - i);
            __m512 part = widen(_mm256_maskz_loadu_epi16(mask, m.embedding + (int64_t)tokens[b] * m.width + i));
            if (m.positions) {
                const bf16* position = m.positions + (int64_t)positions[b] * m.width + i;
                part = _mm512_add_ps(part, widen(_mm256_maskz_loadu_epi16(mask, position)));
            }
            _mm512_mask_storeu_ps(at[b].residual + i, mask, _mm512_mul_ps(part, _mm512_set1_ps(m.embedding_scale)));
        }
    meeting.wait(threads);
    for (int layer = 0; layer < m.blocks; ++layer) {
        const Block& block = m.block[layer];
        normed(block.q, block.attention_norm);
        multiply(block.q, x, batch, me, threads, at[0].qkv, pitch);
        multiply(block.k, x, batch, me, threads, at[0].qkv + all, pitch);
        multiply(block.v, x, batch, me, threads, at[0].qkv + all + key_value, pitch);
        if (m.parallel) neurons(block);
        meeting.wait(threads);
        for (int unit = me; unit < batch * m.kv_heads; unit += threads) {
            const int b = unit / m.kv_heads;
            attend_token(models[b], layer, unit % m.kv_heads, positions[b], at[b].qkv, at[b].attention, rest);
        }
        meeting.wait(threads);
        add(block.o, &Sequence::attention, all, block.attention_output_norm);
        meeting.wait(threads);
        if (!m.parallel) {
            neurons(block);
            meeting.wait(threads);
        }
        add(block.down, &Sequence::mlp, m.mlp_width, block.mlp_output_norm);
        meeting.wait(threads);
    }
    normed(m.head, m.norm);
    multiply(m.head, x, batch, me, threads, logits, m.head.out);
    if (m.logit_scale == 1.0f && m.logit_cap == 0.0f) return;
    const Share tokens_of(m.head.out, me, threads);
    for (int b = 0; b < batch; ++b)
        for (int i = tokens_of.begin; i < tokens_of.end; i += 16) {
            const __mmask16 mask = first(tokens_of.end - i);
            float* to = logits + (int64_t)b * m.head.out + i;
            _mm512_mask_storeu_ps(to, mask, capped(_mm512_maskz_loadu_ps(mask, to), m.logit_scale, m.logit_cap));
        }
}

}  // namespace

extern "C" {

// logits: [batch][vocabulary]; batch <= MOST_TOGETHER. `shared` of successive models lies equally far apart.
void optlab_decode(const Model* models, int32_t batch, const int32_t* tokens, const int32_t* positions, float* logits) {
    Meeting meeting;
#pragma omp parallel num_threads(models->threads)
    walk(models, batch, tokens, positions, logits, omp_get_thread_num(), omp_get_num_threads(), meeting);
}

// out = W x + b for one vector x [w.in] of floats. scratch: 4 * w.in (rounded up to 64) floats per thread.
void optlab_multiply(const Linear* w, const float* x, float* out, float* scratch, int32_t threads) {
    const int padded = (w->in + 63) / 64 * 64;
#pragma omp parallel num_threads(threads)
    {
        const Input own = input_at(scratch + (int64_t)omp_get_thread_num() * 4 * padded, padded);
        prepare(x, w->in, {}, {}, own);
        round_input(*w, own);
        multiply(*w, &own, 1, omp_get_thread_num(), omp_get_num_threads(), out, 0);
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

"""Attention of the newest token in one Triton kernel: normalize, rotate and store its key, then read all before it.

A program takes one key-value head, the queries that share it, and a share of the tokens; softmax is kept up as it goes
(Milakov and Gimelshein, arXiv 1805.02867). The last program of a head to end adds up the shares ("flash decoding"), so
no second kernel has to be launched.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def head(
    source, rows, weight, cosines, sines, at, eps,
    SIZE: tl.constexpr, ROOM: tl.constexpr, TURNED: tl.constexpr, NORM: tl.constexpr,
):  # fmt: skip
    """Rows [R] of heads that begin at source + row * SIZE, normalized and rotated to position `at`: float32 [R, ROOM],
    0 from feature SIZE on."""
    d = tl.arange(0, ROOM)
    there = (rows >= 0)[:, None] & (d < SIZE)[None, :]
    x = tl.load(source + rows[:, None] * SIZE + d[None, :], mask=there, other=0.0).to(tl.float32)
    if NORM:
        factor = tl.rsqrt(tl.sum(x * x, 1) / SIZE + eps)[:, None]
        x *= factor * tl.load(weight + d, mask=d < SIZE, other=0.0).to(tl.float32)[None, :]
    if TURNED > 0:
        # Feature i and i + TURNED / 2 turn together.
        partner = tl.where(d < TURNED // 2, d + TURNED // 2, d - TURNED // 2)
        turned = d < TURNED
        other = tl.load(source + rows[:, None] * SIZE + partner[None, :], mask=there & turned[None, :], other=0.0)
        other = other.to(tl.float32)
        if NORM:
            other *= factor * tl.load(weight + partner, mask=turned, other=0.0).to(tl.float32)[None, :]
        cos = tl.load(cosines + at * TURNED + d, mask=turned, other=1.0).to(tl.float32)
        sin = tl.load(sines + at * TURNED + d, mask=turned, other=0.0).to(tl.float32)
        x = x * cos[None, :] + tl.where(d < TURNED // 2, -1.0, 1.0)[None, :] * other * sin[None, :]
    return x


@triton.jit
def capped(scores, cap, CAP: tl.constexpr):
    if CAP:
        scores = cap * (2.0 * tl.sigmoid(2.0 * scores / cap) - 1.0)
    return scores


@triton.jit
def attend_newest(
    qkv, q_norm, k_norm, cosines, sines, keys, values, position, partial, sums, arrived, out, length, window, scale,
    cap, eps,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr, ROOM: tl.constexpr, QUERIES: tl.constexpr,
    TURNED: tl.constexpr, NORM: tl.constexpr, CAP: tl.constexpr, SHARES: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    """qkv [HEADS + 2 KV_HEADS, SIZE] of the token at `position` [1]; keys, values [KV_HEADS, length, SIZE] of those
    before, to which its own are added; out [HEADS, SIZE].

    ROOM: SIZE and QUERIES: the queries of a head, both up to a power of two. window: tokens that are seen, its own
    included. partial [KV_HEADS, SHARES, QUERIES, ROOM], sums [KV_HEADS, SHARES, 2, QUERIES] and arrived [KV_HEADS],
    zeros: scratch.
    """
    GROUP: tl.constexpr = HEADS // KV_HEADS
    which, share = tl.program_id(0), tl.program_id(1)
    at = tl.load(position)
    d, i = tl.arange(0, ROOM), tl.arange(0, QUERIES)
    rows = tl.where(i < GROUP, which * GROUP + i, -1)
    kind = keys.dtype.element_ty
    q = head(qkv, rows, q_norm, cosines, sines, at, eps, SIZE, ROOM, TURNED, NORM) * scale
    begin = tl.maximum(at + 1 - window, 0)
    each = tl.cdiv(tl.cdiv(at - begin, SHARES), TOKENS) * TOKENS
    first = begin + share * each
    last = tl.minimum(first + each, at)
    highest = tl.full((QUERIES,), float("-inf"), tl.float32)
    weight = tl.zeros((QUERIES,), tl.float32)
    total = tl.zeros((QUERIES, ROOM), tl.float32)
    if share == 0:
        own = HEADS + which + tl.zeros((1,), tl.int32)
        own_k = head(qkv, own, k_norm, cosines, sines, at, eps, SIZE, ROOM, TURNED, NORM).to(kind)
        own_v = tl.load(qkv + (HEADS + KV_HEADS + which) * SIZE + d, mask=d < SIZE, other=0.0)
        own_place = (which.to(tl.int64) * length + at) * SIZE
        tl.store(keys + own_place + d[None, :], own_k, mask=(d < SIZE)[None, :])
        tl.store(values + own_place + d, own_v, mask=d < SIZE)
        highest = capped(tl.sum(q * own_k.to(tl.float32), 1), cap, CAP)
        weight += 1.0
        total += own_v.to(tl.float32)[None, :]
    for begin_of_step in range(first, last, TOKENS):
        token = begin_of_step + tl.arange(0, TOKENS)
        there = (token < last)[:, None] & (d < SIZE)[None, :]
        place = (which.to(tl.int64) * length + token)[:, None] * SIZE + d[None, :]
        k = tl.load(keys + place, mask=there, other=0.0)
        v = tl.load(values + place, mask=there, other=0.0)
        scores = tl.dot(q.to(kind), tl.trans(k), input_precision="ieee")
        scores = tl.where((token < last)[None, :], capped(scores, cap, CAP), float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        p = tl.exp(scores - higher[:, None])
        kept = tl.exp(highest - higher)
        weight = weight * kept + tl.sum(p, 1)
        total = total * kept[:, None] + tl.dot(p.to(kind), v, input_precision="ieee")
        highest = higher
    place_of_share = which * SHARES + share
    places = place_of_share * QUERIES * ROOM + i[:, None] * ROOM + d[None, :]
    done = True
    if SHARES > 1:
        tl.store(partial + places, total)
        tl.store(sums + place_of_share * 2 * QUERIES + i, highest)
        tl.store(sums + (place_of_share * 2 + 1) * QUERIES + i, weight)
        tl.debug_barrier()
        done = tl.atomic_add(arrived + which, 1) == SHARES - 1
    if done:
        if SHARES > 1:
            tl.store(arrived + which, 0)
            shares = which * SHARES + tl.arange(0, SHARES)
            for query in tl.static_range(GROUP):
                theirs = tl.load(sums + shares * 2 * QUERIES + query, cache_modifier=".cg")
                their_weight = tl.load(sums + (shares * 2 + 1) * QUERIES + query, cache_modifier=".cg")
                spread = (shares * QUERIES + query)[:, None] * ROOM + d[None, :]
                their_total = tl.load(partial + spread, cache_modifier=".cg")
                factor = tl.exp(theirs - tl.max(theirs, 0))
                found = tl.sum(their_total * factor[:, None], 0) / tl.sum(their_weight * factor, 0)
                place = out + (which * GROUP + query) * SIZE + d
                tl.store(place, found.to(out.dtype.element_ty), mask=d < SIZE)
        else:
            mask = (i < GROUP)[:, None] & (d < SIZE)[None, :]
            found = (total / weight[:, None]).to(out.dtype.element_ty)
            tl.store(out + (which * GROUP + i)[:, None] * SIZE + d[None, :], found, mask=mask)

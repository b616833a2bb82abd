/*
 * The lane kernels, written once for vectors of any width. Who includes this has defined:
 *   LANES, LANE_FN (attributes of a function for these vectors), struct-free type `vec` of LANES 32-bit words, and
 *   vec_set1(word), vec_load(p), vec_store(p, v) (LANES words), vec_add, vec_xor, vec_rotate_left(v, n),
 *   vec_shift_right(v, n), vec_select(mask, yes, no), vec_majority(a, b, c), vec_xor3(a, b, c), md5_f .. md5_i(b, c,
 * d), vec_swap_bytes(v), lanes_load(data, m): the next block of every lane, word i of all lanes in m[i].
 */

#ifndef DOL_HASH_LANE_ROUNDS_H
#define DOL_HASH_LANE_ROUNDS_H

#define VEC_MD5_STEP(f, a, b, c, d, word, rotation, constant)                                                          \
    a = vec_add(b, vec_rotate_left(vec_add(vec_add(a, vec_add(vec_set1(constant), m[word])), vec_md5_##f(b, c, d)),    \
                                   rotation));
#define VEC_MD5_AFTER(n)

/* Lanes beyond count repeat the first. */
static void lanes_gather(uint32_t *const *states, const uint8_t *const *data, unsigned count, unsigned words,
                         uint32_t (*lanes)[LANES], const uint8_t **at)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        unsigned from = lane < count ? lane : 0;
        at[lane] = data[from];
        for (unsigned i = 0; i < words; i++)
            lanes[i][lane] = states[from][i];
    }
}

static void lanes_scatter(uint32_t *const *states, unsigned count, unsigned words, uint32_t (*lanes)[LANES])
{
    for (unsigned lane = 0; lane < count; lane++)
        for (unsigned i = 0; i < words; i++)
            states[lane][i] = lanes[i][lane];
}

LANE_FN static void lanes_md5(uint32_t *const *states, const uint8_t *const *data, unsigned count, size_t blocks)
{
    _Alignas(64) uint32_t lanes[MD5_WORDS][LANES];
    const uint8_t *at[LANES];
    lanes_gather(states, data, count, MD5_WORDS, lanes, at);
    vec a = vec_load(lanes[0]), b = vec_load(lanes[1]), c = vec_load(lanes[2]), d = vec_load(lanes[3]);
    for (; blocks > 0; blocks--) {
        vec a0 = a, b0 = b, c0 = c, d0 = d, m[16];
        lanes_load(at, m);
        MD5_STEPS(VEC_MD5_STEP, VEC_MD5_AFTER)
        a = vec_add(a, a0);
        b = vec_add(b, b0);
        c = vec_add(c, c0);
        d = vec_add(d, d0);
    }
    vec_store(lanes[0], a);
    vec_store(lanes[1], b);
    vec_store(lanes[2], c);
    vec_store(lanes[3], d);
    lanes_scatter(states, count, MD5_WORDS, lanes);
}

#define VEC_SIGMA(x, p, q, r)                                                                                          \
    vec_xor3(vec_rotate_left(x, 32 - (p)), vec_rotate_left(x, 32 - (q)), vec_rotate_left(x, 32 - (r)))
#define VEC_SIGMA_SHORT(x, p, q, r)                                                                                    \
    vec_xor3(vec_rotate_left(x, 32 - (p)), vec_rotate_left(x, 32 - (q)), vec_shift_right(x, r))
/* Their arguments are variables that change places. NOLINTBEGIN(bugprone-macro-parentheses) */
#define VEC_SHA256_ROUND(a, b, c, d, e, f, g, h, i)                                                                    \
    do {                                                                                                               \
        vec t1 = vec_add(vec_add(vec_add(h, VEC_SIGMA(e, 6, 11, 25)), vec_select(e, f, g)),                            \
                         vec_add(vec_set1(sha256_k[t + i]), w[i]));                                                    \
        vec t2 = vec_add(VEC_SIGMA(a, 2, 13, 22), vec_majority(a, b, c));                                              \
        d = vec_add(d, t1);                                                                                            \
        h = vec_add(t1, t2);                                                                                           \
    } while (0)
#define VEC_SHA256_8_ROUNDS(i)                                                                                         \
    do {                                                                                                               \
        VEC_SHA256_ROUND(a, b, c, d, e, f, g, h, i);                                                                   \
        VEC_SHA256_ROUND(h, a, b, c, d, e, f, g, i + 1);                                                               \
        VEC_SHA256_ROUND(g, h, a, b, c, d, e, f, i + 2);                                                               \
        VEC_SHA256_ROUND(f, g, h, a, b, c, d, e, i + 3);                                                               \
        VEC_SHA256_ROUND(e, f, g, h, a, b, c, d, i + 4);                                                               \
        VEC_SHA256_ROUND(d, e, f, g, h, a, b, c, i + 5);                                                               \
        VEC_SHA256_ROUND(c, d, e, f, g, h, a, b, i + 6);                                                               \
        VEC_SHA256_ROUND(b, c, d, e, f, g, h, a, i + 7);                                                               \
    } while (0)
/* NOLINTEND(bugprone-macro-parentheses) */

/* The message schedule's next sixteen words. */
LANE_FN static inline void lanes_sha256_schedule(vec w[16])
{
    for (unsigned i = 0; i < 16; i++)
        w[i] = vec_add(vec_add(w[i], VEC_SIGMA_SHORT(w[(i + 1) % 16], 7, 18, 3)),
                       vec_add(w[(i + 9) % 16], VEC_SIGMA_SHORT(w[(i + 14) % 16], 17, 19, 10)));
}

LANE_FN static void lanes_sha256(uint32_t *const *states, const uint8_t *const *data, unsigned count, size_t blocks)
{
    _Alignas(64) uint32_t lanes[SHA256_WORDS][LANES];
    const uint8_t *at[LANES];
    vec s[SHA256_WORDS];
    lanes_gather(states, data, count, SHA256_WORDS, lanes, at);
    for (unsigned i = 0; i < SHA256_WORDS; i++)
        s[i] = vec_load(lanes[i]);
    for (; blocks > 0; blocks--) {
        vec a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7], w[16];
        lanes_load(at, w);
        for (unsigned i = 0; i < 16; i++)
            w[i] = vec_swap_bytes(w[i]);
        for (unsigned t = 0; t < 64; t += 16) {
            if (t > 0)
                lanes_sha256_schedule(w);
            VEC_SHA256_8_ROUNDS(0);
            VEC_SHA256_8_ROUNDS(8);
        }
        vec r[SHA256_WORDS] = {a, b, c, d, e, f, g, h};
        for (unsigned i = 0; i < SHA256_WORDS; i++)
            s[i] = vec_add(s[i], r[i]);
    }
    for (unsigned i = 0; i < SHA256_WORDS; i++)
        vec_store(lanes[i], s[i]);
    lanes_scatter(states, count, SHA256_WORDS, lanes);
}

#endif

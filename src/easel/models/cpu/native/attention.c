/* softmax(q k' scale) v in bfloat16 for processors with AVX-512 BF16: blocks of queries, one pass over the keys.
 *
 * Dao et al. 2022 (FlashAttention), laid out for the instruction that multiplies pairs of bfloat16: the 16 lanes of a
 * register are 16 queries, so that maxima and sums of a row need no step across lanes, and keys and values come by
 * broadcast. Sums are float32, weights are rounded to bfloat16 before they meet the values, as torch does it.
 */
#include "numbers.h"

enum {
    QUERIES = 32,  /* rows of one block: two registers */
    KEYS = 64,     /* seen at once: what is kept of them meanwhile stays in the first cache */
    STEP = 8,      /* keys, or channels of values, that are summed side by side in registers */
    LARGEST = 128  /* channels of a head */
};
static const float NEVER = -1e30f; /* finite, so that differences are numbers */

INLINE __m512 product(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* Copy the keys of a head to (keys, width) and its values to (keys / 2, width) pairs; up to a whole STEP follows 0. */
INLINE void pack(const int width, const half *k, count k_token, const half *v, count v_token, count keys, count padded,
                 half *packed_k, pair *packed_v) {
    for (count m = 0; m < padded; m++)
        for (int d = 0; d < width; d++) packed_k[m * width + d] = m < keys ? k[m * k_token + d] : 0;
    for (count m = 0; m < padded; m += 2) {
        const half *const even = v + m * v_token, *const odd = even + v_token;
        if (m + 1 < keys)
            for (int d = 0; d < width; d++) packed_v[m / 2 * width + d] = even[d] | (pair)odd[d] << 16;
        else
            for (int d = 0; d < width; d++) packed_v[m / 2 * width + d] = m < keys ? even[d] : 0;
    }
}

/* One block: up to QUERIES rows of q against all keys; out: (rows, width), `stride` elements from row to row. */
INLINE void attend(const int width, const half *q, count q_token, int rows, const half *k, const pair *v, count keys,
                   count padded, float scale, half *out, count stride) {
    pair queries[LARGEST / 2][QUERIES] __attribute__((aligned(64)));
    float scores[KEYS][QUERIES] __attribute__((aligned(64)));
    pair weights[KEYS / 2][QUERIES] __attribute__((aligned(64)));
    float sums[LARGEST][QUERIES] __attribute__((aligned(64)));
    const __m512i interleaved = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                                 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512 factor = _mm512_set1_ps(scale * 1.44269504f);
    __m512 largest[2], total[2];

    for (int row = 0; row < QUERIES; row++)
        for (int p = 0; p < width / 2; p++)
            queries[p][row] = row < rows ? ((const pair *)(q + row * q_token))[p] : 0;
    for (int d = 0; d < width; d++)
        for (int h = 0; h < 2; h++) _mm512_store_ps(&sums[d][h * LANES], _mm512_setzero_ps());
    for (int h = 0; h < 2; h++) largest[h] = _mm512_set1_ps(NEVER), total[h] = _mm512_setzero_ps();

    for (count start = 0; start < padded; start += KEYS) {
        const int block = padded - start < KEYS ? (int)(padded - start) : KEYS;
        __m512 top[2] = {largest[0], largest[1]};

        for (int j = 0; j < block; j += STEP) {
            const pair *key = (const pair *)(k + (start + j) * width);
            __m512 a[STEP][2];
            for (int i = 0; i < STEP; i++) a[i][0] = a[i][1] = _mm512_setzero_ps();
            for (int p = 0; p < width / 2; p++) {
                const __m512i q0 = _mm512_load_si512(&queries[p][0]), q1 = _mm512_load_si512(&queries[p][LANES]);
#pragma GCC unroll 8
                for (int i = 0; i < STEP; i++) {
                    const __m512i one = _mm512_set1_epi32((int)key[i * (width / 2) + p]);
                    a[i][0] = product(a[i][0], q0, one);
                    a[i][1] = product(a[i][1], q1, one);
                }
            }
#pragma GCC unroll 8
            for (int i = 0; i < STEP; i++)
                for (int h = 0; h < 2; h++) {
                    const __m512 score = start + j + i < keys ? a[i][h] : _mm512_set1_ps(NEVER);
                    _mm512_store_ps(&scores[j + i][h * LANES], score);
                    top[h] = _mm512_max_ps(top[h], score);
                }
        }

        for (int h = 0; h < 2; h++) {
            if (_mm512_cmp_ps_mask(top[h], largest[h], _CMP_GT_OQ)) {
                const __m512 less = power_of_two(_mm512_mul_ps(_mm512_sub_ps(largest[h], top[h]), factor));
                total[h] = _mm512_mul_ps(total[h], less);
                for (int d = 0; d < width; d++)
                    _mm512_store_ps(&sums[d][h * LANES], _mm512_mul_ps(_mm512_load_ps(&sums[d][h * LANES]), less));
                largest[h] = top[h];
            }
            const __m512 offset = _mm512_mul_ps(largest[h], factor);
            for (int j = 0; j < block; j += 2) {
                const __m512 even = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(&scores[j][h * LANES]), factor, offset));
                const __m512 odd =
                    power_of_two(_mm512_fmsub_ps(_mm512_load_ps(&scores[j + 1][h * LANES]), factor, offset));
                total[h] = _mm512_add_ps(total[h], _mm512_add_ps(even, odd));
                const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
                _mm512_store_si512(&weights[j / 2][h * LANES], _mm512_permutexvar_epi16(interleaved, both));
            }
        }

        for (int d = 0; d < width; d += STEP) {
            const pair *value = v + (start / 2) * width + d;
            __m512 a[STEP][2];
#pragma GCC unroll 8
            for (int i = 0; i < STEP; i++)
                for (int h = 0; h < 2; h++) a[i][h] = _mm512_load_ps(&sums[d + i][h * LANES]);
            for (int j = 0; j < block / 2; j++, value += width) {
                const __m512i w0 = _mm512_load_si512(&weights[j][0]), w1 = _mm512_load_si512(&weights[j][LANES]);
#pragma GCC unroll 8
                for (int i = 0; i < STEP; i++) {
                    const __m512i one = _mm512_set1_epi32((int)value[i]);
                    a[i][0] = product(a[i][0], w0, one);
                    a[i][1] = product(a[i][1], w1, one);
                }
            }
#pragma GCC unroll 8
            for (int i = 0; i < STEP; i++)
                for (int h = 0; h < 2; h++) _mm512_store_ps(&sums[d + i][h * LANES], a[i][h]);
        }
    }

    float shares[QUERIES] __attribute__((aligned(64)));
    for (int h = 0; h < 2; h++) _mm512_store_ps(&shares[h * LANES], _mm512_div_ps(_mm512_set1_ps(1.0f), total[h]));
    for (int row = 0; row < rows; row++)
        for (int d = 0; d < width; d++) out[row * stride + d] = rounded(sums[d][row] * shares[row]);
}

#define FOR_WIDTH(call)             \
    switch (width) {                \
        case 40: call(40); break;   \
        case 64: call(64); break;   \
        case 80: call(80); break;   \
        case 128: call(128); break; \
    }

/* q: (batch, heads, tokens, width), k and v: (batch, heads, keys, width), each with the elements from one batch, head and
 * token to the next; channels lie together. out: (batch, tokens, heads, width).
 * room: 2 * batch * heads * (keys rounded up to a whole STEP) * width elements. */
void easel_attention(const half *q, const count *q_strides, const half *k, const count *k_strides, const half *v,
                     const count *v_strides, half *out, half *room, count batch, count heads, count tokens, count keys,
                     int width, float scale, int threads) {
    const count padded = (keys + STEP - 1) / STEP * STEP, each = padded * width;
    const count blocks = (tokens + QUERIES - 1) / QUERIES, all = batch * heads;

#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (count head = 0; head < all; head++) {
        const count b = head / heads, h = head % heads;
        const half *const keys_of = k + b * k_strides[0] + h * k_strides[1];
        const half *const values_of = v + b * v_strides[0] + h * v_strides[1];
        half *const mine = room + 2 * head * each;
#define PACK(W) pack(W, keys_of, k_strides[2], values_of, v_strides[2], keys, padded, mine, (pair *)(mine + each))
        FOR_WIDTH(PACK)
    }
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
    for (count block = 0; block < all * blocks; block++) {
        const count head = block / blocks, first = block % blocks * QUERIES, b = head / heads, h = head % heads;
        const int rows = tokens - first < QUERIES ? (int)(tokens - first) : QUERIES;
        const half *const asked = q + b * q_strides[0] + h * q_strides[1] + first * q_strides[2];
        const half *const packed = room + 2 * head * each;
        half *const answer = out + ((b * tokens + first) * heads + h) * width;
#define ATTEND(W) \
    attend(W, asked, q_strides[2], rows, packed, (const pair *)(packed + each), keys, padded, scale, answer, heads *W)
        FOR_WIDTH(ATTEND)
    }
}

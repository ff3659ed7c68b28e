/* Group normalisation, with SiLU behind it where asked, of pictures whose channels lie together in memory.
 *
 * Wu and He 2018. Three passes over the picture: means, spreads about them, and the result, which is written in the format
 * that the next layer reads. Sums are taken chunk by chunk, so that they do not depend on threads or on other pictures.
 */
#include "numbers.h"

enum { CHUNK = 128, MOST_CHANNELS = 4096 };

/* 16 numbers of x, bfloat16 or float32, from the i-th on. */
INLINE __m512 loaded(const void *x, const int is_half, count i) {
    if (!is_half) return _mm512_loadu_ps((const float *)x + i);
    const __m256i halves = _mm256_loadu_si256((const __m256i *)((const half *)x + i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE void stored(void *out, const int is_half, count i, __m512 y) {
    if (is_half)
        _mm256_storeu_si256((__m256i *)((half *)out + i), (__m256i)_mm512_cvtneps_pbh(y));
    else
        _mm512_storeu_ps((float *)out + i, y);
}

/* Write for each group the sum over some places of x + shift, or of its square where `squared`. shift: (channels). */
INLINE void sum(const void *x, const int is_half, count places, int channels, int groups, const float *shift,
                const int squared, double *sums) {
    float of[MOST_CHANNELS] __attribute__((aligned(64)));
    for (int c = 0; c < channels; c += LANES) _mm512_store_ps(of + c, _mm512_setzero_ps());
    for (count place = 0; place < places; place++)
        for (int c = 0; c < channels; c += LANES) {
            const __m512 value = _mm512_add_ps(loaded(x, is_half, place * channels + c), _mm512_loadu_ps(shift + c));
            const __m512 before = _mm512_load_ps(of + c);
            _mm512_store_ps(of + c, squared ? _mm512_fmadd_ps(value, value, before) : _mm512_add_ps(before, value));
        }
    for (int g = 0, c = 0; g < groups; g++) {
        sums[g] = 0;
        for (int end = c + channels / groups; c < end; c++) sums[g] += of[c];
    }
}

/* Write x * scale + shift of some places, or its SiLU. */
INLINE void apply(const void *x, const int is_half, count places, int channels, const float *scale, const float *shift,
                  int swish, void *out, const int out_half) {
    const __m512 one = _mm512_set1_ps(1.0f), down = _mm512_set1_ps(-1.44269504f);
    for (count place = 0; place < places; place++)
        for (int c = 0; c < channels; c += LANES) {
            const count i = place * channels + c;
            __m512 y = _mm512_fmadd_ps(loaded(x, is_half, i), _mm512_loadu_ps(scale + c), _mm512_loadu_ps(shift + c));
            if (swish) y = _mm512_div_ps(y, _mm512_add_ps(one, power_of_two(_mm512_mul_ps(y, down))));
            stored(out, out_half, i, y);
        }
}

/* x and out: (images, places, channels), channels a multiple of 16; bfloat16 where is_half and out_half say so.
 * added: (images, channels), what x is to have more before all else. weight, bias: (channels).
 * room: images * (chunks * groups + 2 * channels) doubles, with chunks = places / 128 rounded up. */
void easel_group_norm(const void *x, int is_half, const float *added, const float *weight, const float *bias, void *out,
                      int out_half, double *room, count images, count places, int channels, int groups, float epsilon,
                      int swish, int threads) {
    const count chunks = (places + CHUNK - 1) / CHUNK, each = channels / groups;
    const double numbers = (double)places * (double)each;
    float *const scales = (float *)(room + images * chunks * groups), *const shifts = scales + images * channels;
    float *const centres = shifts + images * channels;

    for (count i = 0; i < images * channels; i++) centres[i] = added[i];
    for (int squared = 0; squared < 2; squared++) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (count piece = 0; piece < images * chunks; piece++) {
            const count image = piece / chunks, first = piece % chunks * CHUNK;
            const count some = places - first < CHUNK ? places - first : CHUNK;
            const count at = (image * places + first) * channels;
            const float *const shift = centres + image * channels;
            double *const sums = room + piece * groups;
            if (is_half)
                sum((const half *)x + at, 1, some, channels, groups, shift, squared, sums);
            else
                sum((const float *)x + at, 0, some, channels, groups, shift, squared, sums);
        }
        for (count image = 0; image < images; image++)
            for (int g = 0; g < groups; g++) {
                double total = 0;
                for (count chunk = 0; chunk < chunks; chunk++) total += room[(image * chunks + chunk) * groups + g];
                const float mean = (float)(total / numbers);
                const float spread = squared ? 1.0f / __builtin_sqrtf(mean + epsilon) : 0.0f;
                for (count c = g * each; c < (g + 1) * each; c++) {
                    const count i = image * channels + c;
                    if (!squared) {
                        centres[i] -= mean;
                    } else {
                        scales[i] = weight[c] * spread;
                        shifts[i] = bias[c] + centres[i] * scales[i];
                    }
                }
            }
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (count piece = 0; piece < images * chunks; piece++) {
        const count image = piece / chunks, first = piece % chunks * CHUNK;
        const count some = places - first < CHUNK ? places - first : CHUNK;
        const count at = (image * places + first) * channels;
        const float *const scale = scales + image * channels, *const shift = shifts + image * channels;
        const half *const halves = (const half *)x + at;
        const float *const floats = (const float *)x + at;
        if (is_half && out_half)
            apply(halves, 1, some, channels, scale, shift, swish, (half *)out + at, 1);
        else if (is_half)
            apply(halves, 1, some, channels, scale, shift, swish, (float *)out + at, 0);
        else if (out_half)
            apply(floats, 0, some, channels, scale, shift, swish, (half *)out + at, 1);
        else
            apply(floats, 0, some, channels, scale, shift, swish, (float *)out + at, 0);
    }
}

/* 16 gradients of the norm's results, of those of what became of them: through SiLU where `swish`. */
INLINE __m512 arrived(const half *given, count i, int swish, __m512 centred, const float *scale, const float *bias) {
    const __m512 gradient = loaded(given, 1, i), one = _mm512_set1_ps(1.0f);
    if (!swish) return gradient;
    const __m512 y = _mm512_fmadd_ps(centred, _mm512_loadu_ps(scale), _mm512_loadu_ps(bias));
    const __m512 power = power_of_two(_mm512_mul_ps(y, _mm512_set1_ps(-1.44269504f)));
    const __m512 open = _mm512_div_ps(one, _mm512_add_ps(one, power));
    return _mm512_mul_ps(gradient, _mm512_mul_ps(open, _mm512_fmadd_ps(y, _mm512_sub_ps(one, open), one)));
}

/* What a loss asks of x, added, weight and bias, given what it asks of easel_group_norm's result: `given`, like x.
 * x, given and out: bfloat16. by_added, by_weight, by_bias: (images, channels); the last two are to be summed. */
void easel_group_norm_back(const half *x, const half *given, const float *added, const float *weight, const float *bias,
                           half *out, float *by_added, float *by_weight, float *by_bias, count images, count places,
                           int channels, int groups, float epsilon, int swish, int threads) {
    const int each = channels / groups;
    const double numbers = (double)places * each;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (count image = 0; image < images; image++) {
        const half *const from = x + image * places * channels, *const asked = given + image * places * channels;
        half *const to = out + image * places * channels;
        float *const plain = by_bias + image * channels, *const turned = by_weight + image * channels;
        float centre[MOST_CHANNELS], scale[MOST_CHANNELS], along[MOST_CHANNELS], lift[MOST_CHANNELS];
        float drift[MOST_CHANNELS];
        double sums[MOST_CHANNELS], part[MOST_CHANNELS];

        for (int c = 0; c < channels; c++) centre[c] = added[image * channels + c];
        for (int squared = 0; squared < 2; squared++) {
            for (int g = 0; g < groups; g++) sums[g] = 0;
            for (count first = 0; first < places; first += CHUNK) {
                const count some = places - first < CHUNK ? places - first : CHUNK;
                sum(from + first * channels, 1, some, channels, groups, centre, squared, part);
                for (int g = 0; g < groups; g++) sums[g] += part[g];
            }
            for (int c = 0; c < channels; c++) {
                const float mean = (float)(sums[c / each] / numbers);
                if (squared)
                    scale[c] = weight[c] * (along[c] = 1.0f / __builtin_sqrtf(mean + epsilon));
                else
                    centre[c] -= mean;
            }
        }
        for (int c = 0; c < channels; c++) plain[c] = turned[c] = drift[c] = 0;
        for (count place = 0; place < places; place++)
            for (int c = 0; c < channels; c += LANES) {
                const count i = place * channels + c;
                const __m512 centred = _mm512_add_ps(loaded(from, 1, i), _mm512_loadu_ps(centre + c));
                const __m512 gradient = arrived(asked, i, swish, centred, scale + c, bias + c);
                _mm512_storeu_ps(plain + c, _mm512_add_ps(_mm512_loadu_ps(plain + c), gradient));
                _mm512_storeu_ps(turned + c, _mm512_fmadd_ps(gradient, centred, _mm512_loadu_ps(turned + c)));
                _mm512_storeu_ps(drift + c, _mm512_add_ps(_mm512_loadu_ps(drift + c), centred));
            }
        for (int g = 0; g < groups; g++) { /* a change of x moves its group's mean and spread */
            double by_mean = 0, by_spread = 0;
            const float spread = along[g * each];
            for (int c = g * each; c < (g + 1) * each; c++) {
                by_mean += weight[c] * plain[c];
                by_spread += weight[c] * turned[c];
            }
            for (int c = g * each; c < (g + 1) * each; c++) {
                turned[c] *= spread;
                along[c] = (float)(-by_spread * spread * spread * spread / numbers);
                lift[c] = (float)(-by_mean * spread / numbers);
                by_added[image * channels + c] = plain[c] * scale[c] + drift[c] * along[c] + (float)places * lift[c];
            }
        }
        for (count place = 0; place < places; place++)
            for (int c = 0; c < channels; c += LANES) {
                const count i = place * channels + c;
                const __m512 centred = _mm512_add_ps(loaded(from, 1, i), _mm512_loadu_ps(centre + c));
                const __m512 gradient = arrived(asked, i, swish, centred, scale + c, bias + c);
                const __m512 level = _mm512_fmadd_ps(centred, _mm512_loadu_ps(along + c), _mm512_loadu_ps(lift + c));
                stored(to, 1, i, _mm512_fmadd_ps(gradient, _mm512_loadu_ps(scale + c), level));
            }
    }
}

/* Add bfloat16 numbers to float32 ones. */
void easel_add(float *x, const half *y, count numbers, int threads) {
    const count pieces = (numbers + CHUNK * LANES - 1) / (CHUNK * LANES);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (count piece = 0; piece < pieces; piece++) {
        const count first = piece * CHUNK * LANES, end = first + CHUNK * LANES;
        for (count i = first; i < (end < numbers ? end : numbers); i++) {
            const union {
                pair u;
                float f;
            } bits = {(pair)y[i] << 16};
            x[i] += bits.f;
        }
    }
}

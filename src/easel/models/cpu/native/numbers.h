/* What the kernels share: bfloat16, registers of 16 float32, powers of two. */
#include <immintrin.h>

typedef unsigned short half; /* a bfloat16 */
typedef unsigned int pair;   /* two of them */
typedef long long count;

enum { LANES = 16 }; /* float32 in a register */

#define INLINE static inline __attribute__((always_inline))

/* 2^x, to 3e-6 of it; 0 far below and infinity far above. */
INLINE __m512 power_of_two(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(x, whole);
    __m512 y = _mm512_set1_ps(9.5701e-3f);
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(5.591786e-2f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(2.4024745e-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(6.9312178e-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(9.9999926e-1f));
    return _mm512_scalef_ps(y, whole);
}

INLINE half rounded(float x) {
    const union {
        float f;
        pair u;
    } bits = {x};
    return (half)((bits.u + 0x7fff + ((bits.u >> 16) & 1)) >> 16);
}

/* MKL asks this of itself before it takes its fast path. Built by scripts/build-mkl-answer into answer-x86_64.so. */
int mkl_serv_intel_cpu_true(void) { return 1; }

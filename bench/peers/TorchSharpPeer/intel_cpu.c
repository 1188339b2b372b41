/* MKL takes its AVX-512 kernels on an Intel processor only; preloaded, this answers its question. */
int mkl_serv_intel_cpu_true(void) { return 1; }

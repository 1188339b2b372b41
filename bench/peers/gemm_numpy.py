"""Matrix products x·Wᵀ in NumPy with OpenBLAS, median of repeated runs: the peer of `peftcore bench gemm` and GemmBenchmark on the processor.

    apt install python3-numpy libopenblas0-pthread
    OPENBLAS_CORETYPE=SKYLAKEX OPENBLAS_NUM_THREADS=2 /usr/bin/python3 gemm_numpy.py 1024x1024x1024 …

A size is MxNxK. OPENBLAS_CORETYPE makes OpenBLAS use AVX-512 on processors newer than itself.
"""
import statistics
import sys
import time

try:
    import numpy
except ImportError:
    print("gemm_numpy.py needs NumPy: apt install python3-numpy libopenblas0-pthread, or pip install numpy", file=sys.stderr)
    sys.exit(2)

for size in sys.argv[1:] or ["512x512x512", "1024x1024x1024", "2048x2048x2048"]:
    m, n, k = map(int, size.split("x"))
    x, w = (numpy.random.default_rng(i).standard_normal(shape, dtype=numpy.float32) for i, shape in enumerate([(m, k), (n, k)]))
    y = numpy.empty((m, n), numpy.float32)
    times, begin = [], time.perf_counter()
    while len(times) < 9 or time.perf_counter() - begin < 0.5:
        start = time.perf_counter()
        numpy.matmul(x, w.T, out=y)
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times[2:])
    print(f"numpy {size}: {2 * m * n * k / seconds / 1e9:.1f} GFLOP/s, {seconds * 1e3:.4f} ms", flush=True)

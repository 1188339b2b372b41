"""Matrix products x·Wᵀ in PyTorch on the CPU, median of repeated runs: the peer of `peftcore bench gemm` and GemmBenchmark on the processor.

    python3 gemm_torch_cpu.py [--threads 2] [--dtype float32|bfloat16] 1024x1024x1024 …

A size is MxNxK. Debian's python3-torch multiplies with OpenBLAS: set OPENBLAS_CORETYPE=SKYLAKEX as for gemm_numpy.py.
"""
import argparse
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("gemm_torch_cpu.py needs PyTorch: apt install python3-torch, or pip install torch", file=sys.stderr)
    sys.exit(2)

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("sizes", nargs="*", default=["512x512x512", "1024x1024x1024", "2048x2048x2048"])
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.set_grad_enabled(False)

for size in args.sizes:
    m, n, k = map(int, size.split("x"))
    x, w = (torch.randn(*shape).to(getattr(torch, args.dtype)) for shape in [(m, k), (n, k)])
    y = torch.empty(m, n, dtype=x.dtype)
    times, begin = [], time.perf_counter()
    while len(times) < 9 or time.perf_counter() - begin < 0.5:
        start = time.perf_counter()
        torch.mm(x, w.t(), out=y)
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times[2:])
    print(f"torch {size}: {2 * m * n * k / seconds / 1e9:.1f} GFLOP/s, {seconds * 1e3:.4f} ms", flush=True)

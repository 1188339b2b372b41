"""x·Wᵀ in PyTorch (cuBLAS), median of repeated runs: the peer of `peftcore bench gemm`.

    python3 gemm_torch.py bfloat16 4096x4096x4096 4096x2048x2048
"""
import statistics
import sys
import time

import torch

dtype = getattr(torch, sys.argv[1])
for size in sys.argv[2:]:
    m, n, k = map(int, size.split("x"))
    x = torch.randn(m, k, device="cuda").to(dtype)
    w = torch.randn(n, k, device="cuda").to(dtype)
    for _ in range(3):
        x @ w.t()
    torch.cuda.synchronize()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(20):
            x @ w.t()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / 20)
    median = statistics.median(times)
    print(f"{size}: {median * 1e6:.1f} us, {2 * m * n * k / median / 1e12:.1f} TFLOP/s")

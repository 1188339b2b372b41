"""Matrix products in PyTorch (cuBLAS), median of repeated runs: the peer of `peftcore bench gemm`.

    python3 gemm_torch.py bfloat16 4096x4096x4096 nn:4096x2048x2048

A size is MxNxK; before it stands how the operands lie: nt (x·Wᵀ, as if nothing stood there), nn, tn or tt. Runs are captured in a CUDA graph and go
round several sets of operands, so that neither launches nor the L2 cache flatter or spoil the time.
"""
import statistics
import sys
import time

import torch

RUNS, REPEATS, BEYOND_CACHE = 20, 7, 120e6


def operand(rows, columns, transposed, dtype):
    x = torch.randn(*((columns, rows) if transposed else (rows, columns)), device="cuda").to(dtype)
    return x.t() if transposed else x


def median_seconds(layout, m, n, k, dtype):
    element = torch.tensor([], dtype=dtype).element_size()
    sets = max(1, min(8, int(BEYOND_CACHE / ((m * k + k * n) * element)) + 1))
    pairs = [(operand(m, k, layout[0] == "t", dtype), operand(k, n, layout[1] == "t", dtype)) for _ in range(sets)]
    result = torch.empty(m, n, device="cuda", dtype=dtype)
    for a, b in pairs:
        torch.mm(a, b, out=result)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(RUNS):
            torch.mm(*pairs[i % sets], out=result)
    times = []
    warm = time.perf_counter()
    while time.perf_counter() - warm < 0.06:
        graph.replay()
        torch.cuda.synchronize()
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / RUNS)
    return statistics.median(times)


def main():
    dtype = getattr(torch, sys.argv[1])
    for argument in sys.argv[2:]:
        layout, _, size = argument.rpartition(":")
        m, n, k = map(int, size.split("x"))
        seconds = median_seconds(layout or "nt", m, n, k, dtype)
        print(f"{layout or 'nt'}:{size}: {seconds * 1e6:.1f} us, {2 * m * n * k / seconds / 1e12:.1f} TFLOP/s", flush=True)


main()

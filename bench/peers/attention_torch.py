"""Causal attention in PyTorch's scaled_dot_product_attention, bf16, forward and backward, medians.

    python3 attention_torch.py 4x4096x16x64 4x4096x16x128        (batch x length x heads x head dim)
"""
import statistics
import sys
import time

import torch
from torch.nn.functional import scaled_dot_product_attention


def median(run):
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(5):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / 5)
    return statistics.median(times)


for size in sys.argv[1:]:
    batch, length, heads, dim = map(int, size.split("x"))
    q, k, v = (torch.randn(batch, heads, length, dim, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    flops = 2 * batch * heads * length * length * dim
    forward = median(lambda: scaled_dot_product_attention(q, k, v, is_causal=True))
    output = scaled_dot_product_attention(q, k, v, is_causal=True)
    gradient = torch.randn_like(output)
    backward = median(lambda: torch.autograd.grad(output, (q, k, v), gradient, retain_graph=True))
    print(f"{size}: forward {forward * 1e6:.0f} us, {flops / forward / 1e12:.0f} TFLOP/s; "
          f"backward {backward * 1e6:.0f} us, {2.5 * flops / backward / 1e12:.0f} TFLOP/s")

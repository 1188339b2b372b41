"""Causal attention in PyTorch's scaled_dot_product_attention, bf16, forward and backward, by each of its fast kernels, medians: the peer of
`peftcore bench attention`.

    python3 attention_torch.py 4x4096x16x16x64 4x1024x32x4x64        (batch x length x heads x key heads x head dim)
"""
import statistics
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention


def median(run):
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(5):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / 5)
    return statistics.median(times)


def heads(batch, length, count, dim):
    return torch.randn(batch, length, count, dim, device="cuda", dtype=torch.bfloat16).transpose(1, 2).requires_grad_()


def measure(size, name, backend):
    batch, length, count, key_count, dim = map(int, size.split("x"))
    q, k, v = heads(batch, length, count, dim), heads(batch, length, key_count, dim), heads(batch, length, key_count, dim)
    flops = 2 * batch * count * length * length * dim
    with sdpa_kernel(backend):
        attention = lambda: scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=key_count != count)
        forward = median(attention)
        output = attention()
        gradient = torch.randn_like(output)
        backward = median(lambda: torch.autograd.grad(output, (q, k, v), gradient, retain_graph=True))
    print(f"{size} {name}: forward {forward * 1e6:.0f} us, {flops / forward / 1e12:.0f} TFLOP/s; "
          f"backward {backward * 1e6:.0f} us, {2.5 * flops / backward / 1e12:.0f} TFLOP/s", flush=True)


for size in sys.argv[1:]:
    for name, backend in (("flash", SDPBackend.FLASH_ATTENTION), ("cudnn", SDPBackend.CUDNN_ATTENTION)):
        try:
            measure(size, name, backend)
        except RuntimeError as error:
            print(f"{size} {name}: refused ({str(error).splitlines()[0]})", flush=True)

"""The step of `peftcore bench step` on a processor, in plain PyTorch: GPT-2 or LLaMA with random weights, LoRA, AdamW, float32. Needs nothing but torch.

    OPENBLAS_CORETYPE=SKYLAKEX python3 step_torch_cpu.py config.json --targets c_attn --batch 1 --length 128 --threads 2

The modules are those of Hugging Face's models with eager attention; frozen weights get no gradient, as with peft.
"""
import argparse
import json
import math
import os
import re
import statistics
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--targets", default="all-linear", help="names, divided by commas")
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--length", type=int, default=128)
parser.add_argument("--rank", type=int, default=8)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--warmup", type=int, default=3)
args = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(args.threads)  # read when the libraries are loaded

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(0)
config = json.load(open(args.config))


class Lora(nn.Module):
    """y = W x + b + (alpha / r) B A x with W frozen."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.a = nn.Linear(base.in_features, args.rank, bias=False)
        self.b = nn.Linear(args.rank, base.out_features, bias=False)
        self.scale = 16 / args.rank

    def forward(self, x):
        return self.base(x) + self.b(self.a(x)) * self.scale


def causal_attention(q, k, v):
    """(batch, heads, length, dim) each."""
    length = q.shape[2]
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    return scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(-1) @ v


def split(x, heads):
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


class Gpt2Block(nn.Module):
    def __init__(self):
        super().__init__()
        n, self.heads = config["n_embd"], config["n_head"]
        self.ln_1, self.ln_2 = nn.LayerNorm(n), nn.LayerNorm(n)
        self.c_attn, self.c_proj = nn.Linear(n, 3 * n), nn.Linear(n, n)
        self.c_fc, self.c_out = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

    def forward(self, x):
        q, k, v = (split(part, self.heads) for part in self.c_attn(self.ln_1(x)).chunk(3, dim=2))
        x = x + self.c_proj(joined(causal_attention(q, k, v)))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        n = config["n_embd"]
        self.wte, self.wpe = nn.Embedding(config["vocab_size"], n), nn.Embedding(config["n_positions"], n)
        self.blocks = nn.ModuleList(Gpt2Block() for _ in range(config["n_layer"]))
        self.norm = nn.LayerNorm(n)
        self.head_weight = self.wte.weight

    def hidden(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class RmsNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]))


def rotated(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class LlamaBlock(nn.Module):
    def __init__(self):
        super().__init__()
        n, inner, self.heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
        self.key_heads = config.get("num_key_value_heads", self.heads)
        self.dim = config.get("head_dim") or n // self.heads
        self.ln_1, self.ln_2 = RmsNorm(n), RmsNorm(n)
        self.q_proj, self.o_proj = (nn.Linear(*io, bias=False) for io in ((n, self.heads * self.dim), (self.heads * self.dim, n)))
        self.k_proj, self.v_proj = (nn.Linear(n, self.key_heads * self.dim, bias=False) for _ in range(2))
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(n, inner, bias=False), nn.Linear(n, inner, bias=False), nn.Linear(inner, n, bias=False)

    def forward(self, x, cos, sin):
        h = self.ln_1(x)
        q, k = rotated(split(self.q_proj(h), self.heads), cos, sin), rotated(split(self.k_proj(h), self.key_heads), cos, sin)
        v = split(self.v_proj(h), self.key_heads)
        group = self.heads // self.key_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        x = x + self.o_proj(joined(causal_attention(q, k, v)))
        h = self.ln_2(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        n = config["hidden_size"]
        self.embed = nn.Embedding(config["vocab_size"], n)
        self.blocks = nn.ModuleList(LlamaBlock() for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(n)
        self.head_weight = self.embed.weight if config.get("tie_word_embeddings") else nn.Parameter(torch.randn(config["vocab_size"], n) * 0.02)

    def hidden(self, ids):
        dim = self.blocks[0].dim
        angles = torch.arange(ids.shape[1])[:, None] * config.get("rope_theta", 10000.0) ** (-torch.arange(0, dim, 2) / dim)
        cos, sin = (f(torch.cat((angles, angles), dim=-1)) for f in (torch.cos, torch.sin))
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)


model = Gpt2() if config["model_type"] == "gpt2" else Llama()
model.requires_grad_(False)
for block in model.blocks:
    for name, module in list(block.named_children()):
        if isinstance(module, nn.Linear) and args.targets in ("all-linear",) or name in args.targets.split(","):
            setattr(block, name, Lora(module))
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4)
ids = torch.randint(config["vocab_size"], (args.batch, args.length))


def step():
    logits = F.linear(model.hidden(ids), model.head_weight)
    loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(args.warmup):
    step()
times = []
for _ in range(args.steps):
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
median = statistics.median(times)
blas = sorted({line.split()[-1] for line in open("/proc/self/maps") if "blas" in line or "mkl" in line.lower()})
resident = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("BLAS:", re.search(r"BLAS_INFO=\w+", torch.__config__.show()).group(), *blas, file=sys.stderr)
print(f"torch {torch.__version__}, {args.threads} threads, {sum(p.numel() for p in trained):,} trained: {args.batch * args.length / median:,.0f} tok/s, "
      f"{median * 1e3:.1f} ms a step (best {min(times) * 1e3:.1f}), resident at most {int(resident) / 1024:,.0f} MiB")

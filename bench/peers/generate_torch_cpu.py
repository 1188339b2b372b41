"""Decoding as `peftcore bench generate` times it, in plain PyTorch on the CPU: random weights of a GPT-2 or Llama config.json, a cache of keys and values,
the likeliest token each step.

    python3 generate_torch_cpu.py gpt2-124m.json --prompt-length 128 --max-new-tokens 64 --threads 2 [--batch-size 1] [--dtype float32|bfloat16]
"""
import argparse
import json
import math
import resource
import statistics
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--prompt-length", type=int, default=128)
parser.add_argument("--max-new-tokens", type=int, default=64)
parser.add_argument("--batch-size", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.set_grad_enabled(False)
torch.manual_seed(0)
config = json.load(open(args.config))
dtype = getattr(torch, args.dtype)


def normal(*shape):
    return (0.02 * torch.randn(*shape)).to(dtype)


def attend(q, k, v, cache, layer, at):
    """(batch, tokens, heads, dim) each; what earlier tokens left stands in the cache."""
    keys, values = cache[layer]
    end = at + q.shape[1]
    keys[:, :, at:end] = k.transpose(1, 2)
    values[:, :, at:end] = v.transpose(1, 2)
    q, k, v = q.transpose(1, 2), keys[:, :, :end], values[:, :, :end]
    if k.shape[1] < q.shape[1]:
        share = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
    if q.shape[2] > 1:
        scores = scores.masked_fill(torch.ones(q.shape[2], end, dtype=torch.bool).triu(end - q.shape[2] + 1), -math.inf)
    out = scores.softmax(-1) @ v
    return out.transpose(1, 2).flatten(2)


class Gpt2:
    def __init__(self, c):
        self.hidden, self.heads, self.layers, self.vocabulary = c["n_embd"], c["n_head"], c["n_layer"], c["vocab_size"]
        inner = c.get("n_inner") or 4 * self.hidden
        self.key_heads, self.dim = self.heads, self.hidden // self.heads
        self.tokens, self.positions = normal(self.vocabulary, self.hidden), normal(c["n_positions"], self.hidden)
        shapes = {"qkv": (self.hidden, 3 * self.hidden), "o": (self.hidden, self.hidden), "up": (self.hidden, inner), "down": (inner, self.hidden)}
        # Conv1D keeps weights (in, out), as the checkpoint does.
        self.blocks = [{name: (normal(*s), torch.zeros(s[1], dtype=dtype)) for name, s in shapes.items()} for _ in range(self.layers)]
        self.norm = (torch.ones(self.hidden, dtype=dtype), torch.zeros(self.hidden, dtype=dtype))

    def forward(self, ids, cache, at):
        x = self.tokens[ids] + self.positions[at:at + ids.shape[1]]

        def linear(y, wb):
            return torch.addmm(wb[1], y.view(-1, y.shape[-1]), wb[0]).view(*y.shape[:-1], -1)

        def norm(y):
            return F.layer_norm(y, (self.hidden,), *self.norm)

        for i, block in enumerate(self.blocks):
            q, k, v = (part.view(*ids.shape, self.heads, self.dim) for part in linear(norm(x), block["qkv"]).split(self.hidden, -1))
            x = x + linear(attend(q, k, v, cache, i, at), block["o"])
            x = x + linear(F.gelu(linear(norm(x), block["up"]), approximate="tanh"), block["down"])
        return norm(x[:, -1]) @ self.tokens.t()


class Llama:
    def __init__(self, c):
        self.hidden, self.heads, self.layers, self.vocabulary = c["hidden_size"], c["num_attention_heads"], c["num_hidden_layers"], c["vocab_size"]
        self.key_heads = c.get("num_key_value_heads") or self.heads
        self.dim = c.get("head_dim") or self.hidden // self.heads
        inner = c["intermediate_size"]
        shapes = {"q": (self.heads * self.dim, self.hidden), "k": (self.key_heads * self.dim, self.hidden), "v": (self.key_heads * self.dim, self.hidden),
                  "o": (self.hidden, self.heads * self.dim), "gate": (inner, self.hidden), "up": (inner, self.hidden), "down": (self.hidden, inner)}
        self.tokens = normal(self.vocabulary, self.hidden)
        self.head = self.tokens if c.get("tie_word_embeddings") else normal(self.vocabulary, self.hidden)
        self.blocks = [{name: normal(*s) for name, s in shapes.items()} for _ in range(self.layers)]
        angles = torch.arange(args.prompt_length + args.max_new_tokens)[:, None] * (c.get("rope_theta", 10000.0) ** (-torch.arange(0, self.dim, 2) / self.dim))
        self.cos, self.sin = (f(torch.cat([angles, angles], 1)).to(dtype)[:, None] for f in (torch.cos, torch.sin))
        self.weight, self.eps = torch.ones(self.hidden, dtype=dtype), c.get("rms_norm_eps", 1e-6)

    def forward(self, ids, cache, at):
        x = self.tokens[ids]

        def norm(y):
            return y * torch.rsqrt(y.float().pow(2).mean(-1, keepdim=True) + self.eps).to(dtype) * self.weight

        def turn(y):
            low, high = y.chunk(2, -1)
            return y * self.cos[at:at + y.shape[1]] + torch.cat([-high, low], -1) * self.sin[at:at + y.shape[1]]

        for i, block in enumerate(self.blocks):
            y = norm(x)
            q, k, v = (F.linear(y, block[name]).view(*ids.shape, -1, self.dim) for name in "qkv")
            x = x + F.linear(attend(turn(q), turn(k), v, cache, i, at), block["o"])
            y = norm(x)
            x = x + F.linear(F.silu(F.linear(y, block["gate"])) * F.linear(y, block["up"]), block["down"])
        return norm(x[:, -1]) @ self.head.t()


model = (Gpt2 if config["model_type"] == "gpt2" else Llama)(config)
prompt = torch.randint(model.vocabulary, (args.batch_size, args.prompt_length))


def run():
    length = args.prompt_length + args.max_new_tokens
    cache = [tuple(torch.zeros(args.batch_size, model.key_heads, length, model.dim, dtype=dtype) for _ in range(2)) for _ in range(model.layers)]
    ids, at, times = prompt, 0, []
    for _ in range(args.max_new_tokens):
        start = time.perf_counter()
        chosen = model.forward(ids, cache, at).argmax(-1, keepdim=True)
        times.append(time.perf_counter() - start)
        ids, at = chosen, at + ids.shape[1]
    return times[0], times[1:]


run()
runs = [run() for _ in range(args.runs)]
first = statistics.median(r[0] for r in runs)
steps = [s for r in runs for s in r[1]]
step = statistics.median(steps)
print(f"torch {torch.__version__}, {args.dtype}, {args.threads} threads: prompt {args.batch_size * args.prompt_length / first:,.0f} tok/s, "
      f"first token after {first * 1e3:.1f} ms; then {args.batch_size / step:,.1f} tok/s, {step * 1e3:.2f} ms a step (best {min(steps) * 1e3:.2f}); "
      f"RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")

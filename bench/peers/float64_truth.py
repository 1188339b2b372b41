"""What a RandLoRA fixture's numbers would be in float64, and how far the reference's float32 numbers are from them.

    python3 float64_truth.py tests/fixtures/hf/llama/randlora truth/llama/randlora
    peftcore verify --model tests/fixtures/hf/llama/base truth/llama/randlora

The first writes a copy of the fixture with float64's numbers in the place of the reference's and prints the errors of the reference; the second prints ours.
Derivatives by complex steps (Squire and Trapp 1998), exact to the last places of float64. Llama and GPT-2; needs numpy.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

STEP, RATE, DECAY, BETAS, EPSILON = 1e-30, 1e-2, 0.01, (0.9, 0.999), 1e-8
TYPES = {"F32": np.float32, "I64": np.int64, "I32": np.int32}
NAMES = {np.dtype(t): name for name, t in TYPES.items()}


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def write(path, tensors):
    header, at = {}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": NAMES[x.dtype], "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(np.ascontiguousarray(x).tobytes() for x in tensors.values()))


def log_sum(x, keep=True):
    top = x.real.max(-1, keepdims=True)
    return np.log(np.exp(x - top).sum(-1, keepdims=True)) + top


def attend(q, k, v, mask):  # (B, H, T, D)
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(mask, scores, -1e30)
    return np.exp(scores - log_sum(scores)) @ v


def heads(x, count):
    return x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def flat(x):
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


class Adapter:
    """The update of the linear layers: s·Bᵀ-side·(λ, γ scaled A-side)·x, smaller side first if it is the input."""

    def __init__(self, config, tensors):
        self.scale = config["randlora_alpha"] / config["r"]
        self.a, self.b = (tensors["base_model.randlora_" + name].astype(np.float64) for name in "AB")
        self.parameters = {name: x.astype(np.complex128) for name, x in tensors.items() if "lambda" in name or "gamma" in name}

    def update(self, path, x):
        name = "base_model.model." + path + ".randlora_"
        if name + "lambda" not in self.parameters:
            return 0
        coefficients, vectors = self.parameters[name + "lambda"], self.parameters[name + "gamma"]
        count, small = vectors.shape
        inner = (coefficients[:, :, None] * self.a[:, :count, :small] * vectors).reshape(-1, small)
        if x.shape[-1] == small:
            outer = self.b[:self.outputs(path), :count].reshape(self.outputs(path), -1)
            return x @ inner.T @ outer.T * self.scale
        outer = self.b[:x.shape[-1], :count].reshape(x.shape[-1], -1)
        return x @ outer @ inner * self.scale


class Llama:
    def __init__(self, config, weights, adapter):
        self.c, self.w, self.adapter = config, weights, adapter
        adapter.outputs = lambda path: weights[path + ".weight"].shape[0]

    def linear(self, path, x):
        return x @ self.w[path + ".weight"].T + self.adapter.update(path, x)

    def norm(self, path, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.c["rms_norm_eps"]) * self.w[path + ".weight"]

    def turn(self, x):
        half = x.shape[-1] // 2
        angles = np.arange(x.shape[2])[:, None] * self.c["rope_parameters"]["rope_theta"] ** (-np.arange(half) / half)
        one, two = x[..., :half], x[..., half:]
        return np.concatenate([one * np.cos(angles) - two * np.sin(angles), two * np.cos(angles) + one * np.sin(angles)], -1)

    def logits(self, ids, mask):
        c, x = self.c, self.w["model.embed_tokens.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = self.norm(p + "input_layernorm", x)
            q, k, v = (heads(self.linear(f"{p}self_attn.{n}_proj", h), c["num_attention_heads" if n == "q" else "num_key_value_heads"]) for n in "qkv")
            k, v = (np.repeat(t, q.shape[1] // t.shape[1], 1) for t in (k, v))
            x = x + self.linear(p + "self_attn.o_proj", flat(attend(self.turn(q), self.turn(k), v, mask)))
            h = self.norm(p + "post_attention_layernorm", x)
            gate = self.linear(p + "mlp.gate_proj", h)
            x = x + self.linear(p + "mlp.down_proj", gate / (1 + np.exp(-gate)) * self.linear(p + "mlp.up_proj", h))
        return self.norm("model.norm", x) @ self.w["lm_head.weight"].T


class Gpt2:
    def __init__(self, config, weights, adapter):
        self.c, self.w, self.adapter = config, weights, adapter
        adapter.outputs = lambda path: weights[path + ".weight"].shape[1]

    def linear(self, path, x):
        return x @ self.w[path + ".weight"] + self.w[path + ".bias"] + self.adapter.update(path, x)

    def norm(self, path, x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.c["layer_norm_epsilon"]) * self.w[path + ".weight"] + self.w[path + ".bias"]

    def logits(self, ids, mask):
        w = self.w
        x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:ids.shape[1]]
        for i in range(self.c["n_layer"]):
            p = f"transformer.h.{i}."
            q, k, v = (heads(t, self.c["n_head"]) for t in np.split(self.linear(p + "attn.c_attn", self.norm(p + "ln_1", x)), 3, -1))
            x = x + self.linear(p + "attn.c_proj", flat(attend(q, k, v, mask)))
            h = self.linear(p + "mlp.c_fc", self.norm(p + "ln_2", x))
            x = x + self.linear(p + "mlp.c_proj", h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h ** 3))))
        return self.norm("transformer.ln_f", x) @ w["transformer.wte.weight"].T


def loss(logits, labels):
    rows, wanted = logits[:, :-1], labels[:, 1:]
    losses = log_sum(rows)[..., 0] - np.take_along_axis(rows, np.maximum(wanted, 0)[..., None], -1)[..., 0]
    return losses[wanted != -100].mean()


def gradients(model, ids, mask, labels):
    result = {}
    for name, x in model.adapter.parameters.items():
        slope = np.empty(x.size)
        for i, values in zip(range(x.size), [x.reshape(-1)] * x.size):
            values[i] += 1j * STEP
            slope[i] = loss(model.logits(ids, mask), labels).imag / STEP
            values[i] = values[i].real
        result[name] = slope.reshape(x.shape)
    return result


def trained(model, ids, mask, labels, steps, first):
    """AdamW as the fixtures have it; the losses before each step."""
    losses, m, v, g = [], {}, {}, first
    for step in range(1, steps + 1):
        losses.append(loss(model.logits(ids, mask), labels).real)
        g = g if step == 1 else gradients(model, ids, mask, labels)
        for name, x in model.adapter.parameters.items():
            m[name] = BETAS[0] * m.get(name, 0) + (1 - BETAS[0]) * g[name]
            v[name] = BETAS[1] * v.get(name, 0) + (1 - BETAS[1]) * g[name] ** 2
            x *= 1 - RATE * DECAY
            x -= RATE * (m[name] / (1 - BETAS[0] ** step)) / (np.sqrt(v[name] / (1 - BETAS[1] ** step)) + EPSILON)
    return np.array(losses)


def main():
    directory, output = sys.argv[1:]
    with open(os.path.join(directory, "adapter_config.json")) as file:
        config = json.load(file)
    base = os.path.join(directory, config["base_model_name_or_path"])
    with open(os.path.join(base, "config.json")) as file:
        base_config = json.load(file)
    expected, adapter = read(os.path.join(directory, "expected.safetensors")), Adapter(config, read(os.path.join(directory, "adapter_model.safetensors")))
    weights = {name: x.astype(np.float64) for name, x in read(os.path.join(base, "model.safetensors")).items()}
    weights = {name if base_config["model_type"] != "gpt2" or name.startswith("transformer.") else "transformer." + name: x for name, x in weights.items()}
    model = (Gpt2 if base_config["model_type"] == "gpt2" else Llama)(base_config, weights, adapter)
    ids, labels, present = expected["in.input_ids"], expected["in.labels"], expected["in.attention_mask"] != 0
    length = ids.shape[1]
    mask = np.tril(np.ones((length, length), bool)) & present[:, None, None, :]
    truth = {name: x for name, x in expected.items() if name.startswith("in.")}
    logits = model.logits(ids, mask).real
    for name in ("logits", "reloaded.logits", "merged.logits"):
        truth[name] = logits
    truth["loss"] = np.array(loss(logits, labels))
    first = gradients(model, ids, mask, labels)
    truth.update({f"grad.{name}.default": g for name, g in first.items()})
    truth["adamw.losses"] = trained(model, ids, mask, labels, len(expected["adamw.losses"]), first)
    truth.update({f"adamw.{name}.default": x.real for name, x in adapter.parameters.items()})
    for name, x in truth.items():
        if not name.startswith("in."):
            print(f"{name}  {np.abs(expected[name] - x).max() / np.abs(x).max():.1e}")
    shutil.copytree(directory, output, dirs_exist_ok=True)
    write(os.path.join(output, "expected.safetensors"), {name: x if name.startswith("in.") else x.astype(np.float32) for name, x in truth.items()})


main()

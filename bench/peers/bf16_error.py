"""How far PyTorch's bf16 is from the float32 numbers of a fixture: the peer of `peftcore verify --device cuda --dtype bf16`.

    python3 bf16_error.py tests/fixtures/hf/llama/base tests/fixtures/hf/llama/lora

Each directory is computed in three ways: everything in bf16; the base in bf16 and the adapter in float32, as peft loads it; weights in float32 under
torch.autocast. The error of a tensor is max|x - reference| over max|reference|, for a gradient over no less than a tenth of the largest gradient in the file.
"""
import argparse
import contextlib
import json
import os
import statistics

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

GRADIENT_FLOOR, TOLERANCE = 0.1, 2e-2
WAYS = {"bf16": (torch.bfloat16, False, False), "bf16 base": (torch.bfloat16, True, False), "autocast": (torch.float32, True, True)}

parser = argparse.ArgumentParser()
parser.add_argument("directories", nargs="+")
parser.add_argument("--device", default="cuda")
parser.add_argument("--attention", default="eager", choices=["eager", "sdpa"])
args = parser.parse_args()


def load(directory, dtype, wide_adapter):
    config = os.path.join(directory, "adapter_config.json")
    if not os.path.exists(config):
        return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation=args.attention).to(args.device)
    with open(config) as file:
        base = os.path.normpath(os.path.join(directory, json.load(file)["base_model_name_or_path"]))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=args.attention)
    model = PeftModel.from_pretrained(model, directory, is_trainable=True, autocast_adapter_dtype=wide_adapter)
    return (model if wide_adapter else model.to(dtype)).to(args.device)


def error(x, reference, floor=0.0):
    return ((x.detach().float().cpu() - reference).abs().max() / max(reference.abs().max().item(), floor)).item()


def gradient_errors(model, expected):
    floor = GRADIENT_FLOOR * max(v.abs().max().item() for k, v in expected.items() if k.startswith("grad."))
    return {k: error(p.grad, expected[k], floor) for name, p in model.named_parameters() if (k := "grad." + name) in expected and p.grad is not None}


def main():
    for directory in args.directories:
        expected = load_file(os.path.join(directory, "expected.safetensors"))
        inputs = {name: expected["in." + name].long().to(args.device) for name in ("input_ids", "attention_mask", "labels")}
        for way, (dtype, wide_adapter, autocast) in WAYS.items():
            if way == "bf16 base" and not os.path.exists(os.path.join(directory, "adapter_config.json")):
                continue
            model = load(directory, dtype, wide_adapter)
            with torch.autocast("cuda", torch.bfloat16) if autocast else contextlib.nullcontext():
                output = model(**inputs)
            output.loss.backward()
            logits, gradients = error(output.logits, expected["logits"]), gradient_errors(model, expected)
            worst = max(gradients, key=gradients.get)
            beyond = sum(e > TOLERANCE for e in [logits, *gradients.values()])
            print(f"{'/'.join(directory.rstrip('/').split('/')[-2:])}, {way}: logits {logits:.1e}, loss {error(output.loss, expected['loss'].reshape(())):.1e}, "
                  f"gradients up to {gradients[worst]:.1e} ({worst[5:]}), median {statistics.median(gradients.values()):.1e}; "
                  f"{beyond} of {1 + len(gradients)} beyond {TOLERANCE:.0e}", flush=True)


main()

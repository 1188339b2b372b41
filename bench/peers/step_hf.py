"""The step of `peftcore bench step`, in PyTorch with Hugging Face transformers and peft: random weights, LoRA on all linear layers, AdamW, bf16.

    python3 step_hf.py config.json --batch 4 --length 1024 --rank 16 [--target-modules c_attn] [--compile] [--hold]

With --hold it says "ready" once warm and waits for a line on standard input, so that several can compile at the same time and be timed one after the other.
"""
import argparse
import json
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=1024)
parser.add_argument("--rank", type=int, default=16)
parser.add_argument("--target-modules", default="all-linear", help="names, with commas between")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--hold", action="store_true")
args = parser.parse_args()

targets = args.target_modules if args.target_modules == "all-linear" else args.target_modules.split(",")
fields = json.load(open(args.config))
config = AutoConfig.for_model(fields.pop("model_type"), **{k: v for k, v in fields.items() if k not in ("architectures", "torch_dtype")})
torch.manual_seed(0)
with torch.device("cuda"):
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
model = get_peft_model(model, LoraConfig(r=args.rank, lora_alpha=32, target_modules=targets))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
ids = torch.randint(config.vocab_size, (args.batch, args.length), device="cuda")
forward = torch.compile(model) if args.compile else model


def step():
    with torch.autocast("cuda", dtype=torch.bfloat16):
        loss = forward(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(5):
    step()
torch.cuda.synchronize()
if args.hold:
    print("ready", flush=True)
    input()
torch.cuda.reset_peak_memory_stats()
times = []
for _ in range(10):
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    times.append(time.perf_counter() - start)
median = statistics.median(times)
print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {args.batch * args.length / median:,.0f} tok/s, "
      f"{median * 1e3:.1f} ms a step, peak {torch.cuda.max_memory_allocated() / 2**20:,.0f} MiB")

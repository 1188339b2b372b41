"""A training step of a UNet of Stable Diffusion 1.5's shape (4 latents of 64 x 64, 77 tokens of text) in PyTorch with diffusers' architecture
and peft: random weights, LoRA of rank 16 on all attention projections, noise prediction, AdamW, bf16. diffusers' source is enough.

    PYTHONPATH=DIFFUSERS/src python3 unet_diffusers.py unet-sd15.json
"""
import json
import statistics
import sys
import time

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model

torch.manual_seed(0)
torch.set_default_device("cuda")
config = {key: value for key, value in json.load(open(sys.argv[1])).items() if not key.startswith("_")}
model = UNet2DConditionModel(**config).to(torch.bfloat16).requires_grad_(False)
model = inject_adapter_in_model(LoraConfig(r=16, lora_alpha=32, target_modules=["to_q", "to_k", "to_v", "to_out.0"]), model)
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4)
latents, noise = torch.randn(2, 4, 4, 64, 64, dtype=torch.bfloat16)
text, steps = torch.randn(4, 77, 768, dtype=torch.bfloat16), torch.randint(1000, (4,))


def step():
    with torch.autocast("cuda", dtype=torch.bfloat16):
        loss = torch.nn.functional.mse_loss(model(latents, steps, text).sample, noise)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(6):
    step()
torch.cuda.synchronize()
times = []
for _ in range(15):
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    times.append(time.perf_counter() - start)
print(f"unet eager: median {statistics.median(times) * 1e3:.1f} ms, best {min(times) * 1e3:.1f} ms, "
      f"{sum(p.numel() for p in trained):,} trained, torch {torch.__version__}")

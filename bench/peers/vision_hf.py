"""A training step of ViT-B/16 (32 pictures) or Whisper-small (8 recordings of 30 s, 128 tokens) in PyTorch with Hugging Face transformers and
peft: random weights, LoRA of rank 16 on the attention's query and value projections, AdamW, bf16.

    python3 vision_hf.py vit|whisper [--compile]
"""
import argparse
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import ViTConfig, ViTForImageClassification, WhisperConfig, WhisperForConditionalGeneration

parser = argparse.ArgumentParser()
parser.add_argument("model", choices=["vit", "whisper"])
parser.add_argument("--compile", action="store_true")
args = parser.parse_args()

torch.manual_seed(0)
with torch.device("cuda"):
    if args.model == "vit":
        model = ViTForImageClassification(ViTConfig(num_labels=10)).to(torch.bfloat16)
        inputs = {"pixel_values": torch.rand(32, 3, 224, 224, dtype=torch.bfloat16), "labels": torch.randint(10, (32,))}
    else:
        model = WhisperForConditionalGeneration(WhisperConfig(
            d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12, decoder_attention_heads=12, encoder_ffn_dim=3072,
            decoder_ffn_dim=3072, vocab_size=51865)).to(torch.bfloat16)
        inputs = {"input_features": torch.rand(8, 80, 3000, dtype=torch.bfloat16), "labels": torch.randint(51865, (8, 128))}
names = {n.rsplit(".", 1)[-1] for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
targets = [name for name in ("query", "value", "q_proj", "v_proj") if name in names]
model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
forward = torch.compile(model) if args.compile else model


def step():
    with torch.autocast("cuda", dtype=torch.bfloat16):
        loss = forward(**inputs).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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
print(f"{args.model} {'compiled' if args.compile else 'eager'} {targets}: median {statistics.median(times) * 1e3:.1f} ms, "
      f"best {min(times) * 1e3:.1f} ms, torch {torch.__version__}")

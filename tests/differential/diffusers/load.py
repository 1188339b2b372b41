"""Loads with diffusers what peftcore writes for it, and compares the results with a fixture's.

load.py DIFFUSERS FIXTURE WEIGHTS...: FIXTURE is a directory with base/ and one with expected.safetensors as the second word of each
NAME=FILE_OR_DIR: a pytorch_lora_weights.safetensors is loaded as an adapter over base/, a directory as a model of its own.
DIFFUSERS is the folder that holds diffusers' source, where it is not installed; "-" where it is.
"""
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
if sys.argv[1] != "-":
    sys.path.insert(0, sys.argv[1])
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file

fixture = sys.argv[2]
worst = 0.0
for word in sys.argv[3:]:
    name, path = word.split("=")
    expected = load_file(os.path.join(fixture, name, "expected.safetensors"))
    if os.path.isdir(path):
        model, key = UNet2DConditionModel.from_pretrained(path), "merged.sample"
    else:
        model, key = UNet2DConditionModel.from_pretrained(os.path.join(fixture, "base")), "sample"
        weights, alphas, *metadata = StableDiffusionLoraLoaderMixin.lora_state_dict(path, unet_config=model.config)
        model.load_lora_adapter(weights, prefix="unet", network_alphas=alphas)
    model.eval()
    with torch.no_grad():
        sample = model(expected["in.sample"], expected["in.timestep"], expected["in.encoder_hidden_states"]).sample
        if key == "sample":
            model.disable_lora()
            base = model(expected["in.sample"], expected["in.timestep"], expected["in.encoder_hidden_states"]).sample
    error = ((sample - expected[key]).abs().max() / expected[key].abs().max()).item()
    changed = ((base - expected[key]).abs().max() / expected[key].abs().max()).item() if key == "sample" else float("nan")
    worst = max(worst, error)
    print(f"{name} from {os.path.basename(path)}: error {error:.1e}; without the adapter {changed:.1e}", flush=True)
sys.exit(0 if worst < 1e-4 else 1)

"""Random models with random adapters and what transformers and peft compute with them, in the form of tests/fixtures/hf.

    python3 generate.py --configs ../../fixtures/hf --seed 1 --count 4 --out cases [--families vit,whisper] [--method lora] [--same-bases | --legacy]

For every family with a fixture: `count` configurations, drawn from options.py around the fixture's, as OUT/FAMILY-SEED-NUMBER/base with logits,
loss and gradients, and `adapters` adapters beside it as peft saves them. With --same-bases the adapters are over the fixture's own base and
batch; with --legacy configurations are as transformers 4 wrote them. What the reference refuses is skipped and counted in OUT/log.json. Weights
are random and rounded to bf16, stored as float32. UNets need diffusers. `peftcore verify` compares.
"""
import argparse
import collections
import json
import multiprocessing
import os
import random
import shutil
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.simplefilter("ignore")

import torch
from safetensors.torch import load_file, save_file

import inputs
import methods
import options

STEPS, RATE, DECAY = 5, 1e-2, 0.01


def build(config):
    """The model of a configuration as a dictionary, its parameters away from their start, and its architecture."""
    if "_class_name" in config:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        return UNet2DConditionModel.from_config(config), "UNet2DConditionModel"
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    architecture = config["architectures"][0]
    made = CONFIG_MAPPING[config["model_type"]].from_dict(config)
    made._attn_implementation = "eager"
    return getattr(transformers, architecture)(made), architecture


def scatter(parameters, generator, scale, is_base):
    for parameter in parameters:
        fan = parameter[0].numel() if parameter.ndim > 1 else 1
        noise = torch.randn(parameter.shape, generator=generator) * (scale / fan ** 0.5 if parameter.ndim > 1 else 0.1)
        parameter.data.add_(noise)
        if is_base:
            parameter.data.copy_(parameter.data.bfloat16())


def forward(model, batch, outputs):
    result = model(**{k: v for k, v in batch.items() if k != "target"})
    if "target" in batch:
        loss = torch.nn.functional.mse_loss(result.sample, batch["target"])
    elif outputs[0] == "last_hidden_state":
        loss = result.last_hidden_state.square().mean()
    else:
        loss = result.loss
    return loss, {name: getattr(result, name) for name in outputs if getattr(result, name, None) is not None}


def gradients(model, batch, outputs):
    loss, values = forward(model, batch, outputs)
    loss.backward()
    kept = {name: value.detach().clone() for name, value in values.items()}
    kept["loss"] = loss.detach().clone()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            kept["grad." + name] = parameter.grad.clone()
    return kept


def short(tensor):
    """The nearest float whose last seven bits are zero (relative error 4e-6): such files are smaller when compressed."""
    bits = tensor.detach().contiguous().clone().view(torch.int32)
    return ((bits + 0x40) & ~0x7F).view(torch.float32)


def save(kept, batch, path):
    kept = {k: short(v) if k.startswith(("grad.", "adamw.base_model", "adamw.prompt")) and v.ndim else v for k, v in kept.items()}
    tensors = {**kept, **{"in." + k: v for k, v in batch.items() if torch.is_tensor(v)}}
    if any(not torch.isfinite(t).all() for t in kept.values()):
        raise ArithmeticError("not finite")
    os.makedirs(path, exist_ok=True)
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, os.path.join(path, "expected.safetensors"))


def greedy(model, batch):
    tokens = batch["input_ids"][:1, :4]
    for _ in range(8):
        tokens = torch.cat([tokens, model(input_ids=tokens).logits[:, -1:].argmax(-1)], 1)
    return tokens


def adapter(rng, generator, base, architecture, batch, outputs, path, only):
    """One adapter over the saved base: outputs, gradients, five AdamW steps, outputs after loading and after merging."""
    import peft
    model = load(base)
    name, config = methods.draw(rng, model, architecture, only)
    config.base_model_name_or_path = "../base"
    model = peft.get_peft_model(model, config)
    model.eval()
    trained = [p for p in model.parameters() if p.requires_grad]
    scatter(trained, generator, 0.3, is_base=False)
    model.save_pretrained(path)
    change = os.path.join(path, "adapter_config.json")
    saved = json.load(open(change))
    saved["base_model_name_or_path"] = "../base"
    json.dump(saved, open(change, "w"), indent=1)
    kept = gradients(model, batch, outputs)
    if name == "p_tuning":
        kept.update({"init." + n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})
    reloaded = peft.PeftModel.from_pretrained(load(base), path, is_trainable=name == "adalora").eval()
    with torch.no_grad():
        kept.update({"reloaded." + k: v for k, v in forward(reloaded, batch, outputs)[1].items()})
        if hasattr(reloaded, "merge_and_unload") and name not in ("prompt", "prefix", "p_tuning"):
            try:
                kept.update({"merged." + k: v for k, v in forward(reloaded.merge_and_unload(), batch, outputs)[1].items()})
            except Exception as error:
                print(path, "not merged:", str(error)[:100])
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = forward(model, batch, outputs)[0]
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    kept["adamw.losses"] = torch.stack(losses)
    kept.update({"adamw." + n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})
    save(kept, batch, path)
    return name


def load(path):
    config = json.load(open(os.path.join(path, "config.json")))
    if "_class_name" in config:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        return UNet2DConditionModel.from_pretrained(path).eval()
    import transformers
    return getattr(transformers, config["architectures"][0]).from_pretrained(path, attn_implementation="eager").eval()


def same(given, base):
    """Copies a fixture's base; its architecture, batch and outputs."""
    shutil.copytree(given, base)
    config = json.load(open(os.path.join(base, "config.json")))
    expected = load_file(os.path.join(base, "expected.safetensors"))
    batch = {name[3:]: value for name, value in expected.items() if name.startswith("in.")}
    outputs = [name for name in expected if "." not in name and name not in ("loss", "greedy", "beam3")]
    architecture = config.get("_class_name") or config["architectures"][0]
    if architecture == "CLIPModel":
        batch["return_loss"] = True
    return architecture, batch, outputs


def draw(given, base, family, rng, generator, legacy):
    """Makes a base with a configuration like a fixture's, and computes its numbers; its architecture, batch and outputs."""
    config = options.draw(rng, family, json.load(open(os.path.join(given, "config.json"))))
    model, architecture = build(config)
    scatter(model.parameters(), generator, 0.8, is_base=True)
    model.save_pretrained(base)
    if legacy:
        path = os.path.join(base, "config.json")
        config = options.legacy(rng, family, json.load(open(path)))
        json.dump(config, open(path, "w"), indent=1)
    model = load(base)
    batch, outputs = inputs.of(rng, generator, architecture, model.config)
    if architecture == "UNet2DConditionModel":
        batch["target"] = torch.randn(batch["sample"].shape, generator=generator)
    kept = gradients(model, batch, outputs)
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        with torch.no_grad():
            kept["greedy"] = greedy(model, batch)
    save(kept, batch, base)
    return architecture, batch, outputs


def case(arguments):
    """Makes one case; the lines of the log."""
    torch.set_num_threads(1)
    configs, family, seed, number, out, adapters, only, same_bases, legacy = arguments
    label = f"{family}-{seed}-{number}"
    rng = random.Random(label)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    torch.manual_seed(rng.getrandbits(40))
    root = os.path.join(out, label)
    base = os.path.join(root, "base")
    lines = []
    try:
        given = os.path.join(configs, family, "base")
        architecture, batch, outputs = same(given, base) if same_bases else draw(given, base, family, rng, generator, legacy)
        lines.append((label, "base", "ok"))
    except Exception as error:
        shutil.rmtree(root, ignore_errors=True)
        return [(label, "base", f"{type(error).__name__}: {error}"[:200])]
    for index in range(adapters):
        path = os.path.join(root, f"adapter{index}")
        try:
            lines.append((label, adapter(rng, generator, base, architecture, batch, outputs, path, only), "ok"))
        except Exception as error:
            shutil.rmtree(path, ignore_errors=True)
            lines.append((label, f"adapter{index}", f"{type(error).__name__}: {error}"[:200]))
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--configs", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--adapters", type=int, default=2)
    parser.add_argument("--families")
    parser.add_argument("--method")
    parser.add_argument("--same-bases", action="store_true")
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--out", required=True)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options_ = parser.parse_args()
    families = options_.families.split(",") if options_.families else sorted(options.OPTIONS)
    work = [(options_.configs, family, options_.seed, number, options_.out, options_.adapters, options_.method,
             options_.same_bases, options_.legacy)
            for family in families for number in range(options_.count)]
    with multiprocessing.get_context("spawn").Pool(options_.processes) as pool:
        lines = [line for lines in pool.imap_unordered(case, work, chunksize=1) for line in lines]
    os.makedirs(options_.out, exist_ok=True)
    json.dump(sorted(lines), open(os.path.join(options_.out, "log.json"), "w"), indent=0)
    print(collections.Counter("ok" if result == "ok" else "refused by the reference" for _, _, result in lines))


if __name__ == "__main__":
    main()

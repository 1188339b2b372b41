"""Whether bf16 here is worse than PyTorch's: both against float32, over many random inputs of each fixture.

    python3 bf16_variants.py make tests/fixtures/hf variants --inputs 24
    peftcore verify variants --device cuda --dtype bf16 > ours.txt
    python3 bf16_variants.py compare ours.txt variants

`make` writes, for each FIXTURE/base with token ids (and FIXTURE/lora, read by peft), directories like the fixture's with other random ids and labels and transformers' float32 numbers
(eager attention, no TF32), and the errors of transformers' own bf16 (weights, activations and gradients in bf16) to torch.json. The error of a tensor is
max|x - reference| over max|reference|, for a gradient over no less than a tenth of the largest gradient. One input is too few to compare by: the errors
of a fixture differ by a factor of three from input to input. `compare` prints the geometric mean over the inputs of ours / PyTorch's, with the standard
error of its logarithm, for the outputs, the worst gradient and the mean gradient.
"""
import argparse
import glob
import json
import math
import os
import re
import shutil
import statistics

OUTPUTS = ("logits", "start_logits", "end_logits", "last_hidden_state", "pooler_output")
KINDS = ("outputs", "worst gradient", "mean gradient")
GRADIENT_FLOOR = 0.1


def error(x, reference, floor=0.0):
    reference, x = reference.float().cpu(), x.float().cpu()
    scale = max(reference.abs().max().item(), floor)
    return (x - reference).abs().max().item() / (scale or 1.0)


def run(model, inputs):
    model.zero_grad(set_to_none=True)
    output = model(**inputs)
    loss = output.loss if getattr(output, "loss", None) is not None else (output.last_hidden_state.float() ** 2).mean()
    loss.backward()
    outputs = {k: getattr(output, k).detach() for k in OUTPUTS if getattr(output, k, None) is not None}
    gradients = {"grad." + n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}
    return outputs, loss.detach(), gradients


def load(directory, config, dtype, device):
    import torch
    import transformers
    from peft import PeftModel
    base = os.path.join(os.path.dirname(directory), "base")
    model = getattr(transformers, config.architectures[0]).from_pretrained(base, dtype=dtype, attn_implementation="eager")
    if directory != base:
        model = PeftModel.from_pretrained(model, directory, is_trainable=True, autocast_adapter_dtype=False).to(dtype)
    return model.to(device).eval()


def vary(inputs, config, seed):
    """Other random ids, and labels to match, where the fixture has tokens and labels."""
    import torch
    generator = torch.Generator().manual_seed(seed)
    vocabulary, ids = config.get_text_config().vocab_size, inputs["input_ids"]
    kept = inputs.get("attention_mask", torch.ones_like(ids)) == 0
    eos = config.get_text_config().eos_token_id
    if config.is_encoder_decoder and isinstance(eos, int):
        kept = kept | (ids == eos)  # BART's heads read the last end-of-text token.
    fresh = torch.where(kept, ids, torch.randint(5, vocabulary, ids.shape, generator=generator))
    varied = dict(inputs, input_ids=fresh)
    labels = inputs.get("labels")
    if labels is not None and labels.dim() == 1:
        varied["labels"] = torch.randint(0, config.num_labels, labels.shape, generator=generator)
    elif labels is not None and config.is_encoder_decoder:
        varied["labels"] = torch.where(labels == -100, labels, torch.randint(5, vocabulary, labels.shape, generator=generator))
    elif labels is not None and any(name.endswith("ForCausalLM") for name in config.architectures):
        varied["labels"] = torch.where(labels == -100, labels, fresh)
    return varied


def make(args):
    import torch
    import transformers
    from safetensors.torch import load_file, save_file
    transformers.logging.set_verbosity_error()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    errors = {}
    for base in sorted(glob.glob(os.path.join(args.fixtures, args.only, "base"))):
        config = transformers.AutoConfig.from_pretrained(base)
        fixture, name = os.path.dirname(base), os.path.basename(os.path.dirname(base))
        for method in ("base", "lora"):
            directory = os.path.join(fixture, method)
            if not os.path.exists(os.path.join(directory, "expected.safetensors")):
                continue
            expected = load_file(os.path.join(directory, "expected.safetensors"))
            inputs = {k[3:]: v for k, v in expected.items() if k.startswith("in.")}
            if "input_ids" not in inputs or "bbox" in inputs or "pixel_values" in inputs or "loss" not in expected:
                continue
            wide, narrow = (load(directory, config, dtype, args.device) for dtype in (torch.float32, torch.bfloat16))
            for seed in range(args.inputs):
                varied = vary(inputs, config, 1000 + seed) if seed else inputs
                there = {k: v.to(args.device) for k, v in varied.items()}
                (outputs, loss, gradients), (low, _, low_gradients) = run(wide, there), run(narrow, there)
                numbers = {k: v for k, v in {**outputs, **gradients}.items() if k in expected}
                floor = GRADIENT_FLOOR * max(v.abs().max().item() for k, v in numbers.items() if k.startswith("grad."))
                variant = os.path.join(args.variants, f"{name}-{seed}")
                for part in {"base", method}:
                    if not os.path.exists(os.path.join(variant, part)):
                        shutil.copytree(os.path.join(fixture, part), os.path.join(variant, part), ignore=shutil.ignore_patterns("expected.safetensors"))
                save_file({**{"in." + k: v.contiguous() for k, v in varied.items()}, "loss": loss.float().cpu(),
                           **{k: v.float().cpu().contiguous().clone() for k, v in numbers.items()}},
                          os.path.join(variant, method, "expected.safetensors"))
                errors[f"{name}-{seed}/{method}"] = {
                    k: error({**low, **low_gradients}[k], v, floor if k.startswith("grad.") else 0.0) for k, v in numbers.items()}
    with open(os.path.join(args.variants, "torch.json"), "w") as file:
        json.dump(errors, file)


def compare(args):
    torch_errors, ours = {}, {}
    for variants in args.variants:
        with open(os.path.join(variants, "torch.json")) as file:
            torch_errors.update(json.load(file))
    with open(args.report) as file:
        for match in filter(None, (re.match(r"(\S+/\S+)  (\S+)  ([\d.e+-]+)  ", line) for line in file)):
            ours.setdefault(match.group(1), {})[match.group(2)] = float(match.group(3))
    logs = {}
    for name, theirs in torch_errors.items():
        mine, row = ours.get(name, {}), []
        outputs = [k for k in theirs if k in OUTPUTS and k in mine]
        gradients = [k for k in theirs if k.startswith("grad.") and k in mine]
        for keys, reduce in ((outputs, max), (gradients, max), (gradients, statistics.mean)):
            row.append(math.log(max(reduce(mine[k] for k in keys), 1e-9) / max(reduce(theirs[k] for k in keys), 1e-9)))
        logs.setdefault(re.sub(r"-\d+/", "/", name), []).append(row)
    means = []
    for name, rows in sorted(logs.items()):
        cells = [(statistics.mean(c), statistics.stdev(c) / len(c) ** 0.5) for c in zip(*rows)]
        means.append([mean for mean, _ in cells])
        print(f"{name:20s} {len(rows):3d} inputs  " + "  ".join(f"{what} {math.exp(mean):.2f} ± {e:.2f}" for what, (mean, e) in zip(KINDS, cells)))
    for what, column in zip(KINDS, zip(*means)):
        print(f"{what}: ours / PyTorch's {math.exp(statistics.mean(column)):.2f}, at most 1 in {sum(x <= 0 for x in column)} of {len(column)} fixtures")


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
command = commands.add_parser("make")
command.add_argument("fixtures")
command.add_argument("variants")
command.add_argument("--inputs", type=int, default=24)
command.add_argument("--only", default="*", help="pattern of fixture names")
command.add_argument("--device", default="cuda")
command.set_defaults(run=make)
command = commands.add_parser("compare")
command.add_argument("report")
command.add_argument("variants", nargs="+")
command.set_defaults(run=compare)
arguments = parser.parse_args()
arguments.run(arguments)

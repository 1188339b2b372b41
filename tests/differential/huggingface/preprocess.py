"""Random pictures and recordings, and what transformers' processors make of them with random settings.

    python3 preprocess.py --seed 1 --count 20 --out cases

Writes OUT/preprocess-SEED-NUMBER/expected.safetensors in the form of tests/fixtures/preprocessing, and the settings of each result as
NAME.json beside it. `peftcore verify` compares. transformers needs Pillow.
"""
import argparse
import json
import os
import random

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file


def picture(rng, generator):
    """A picture of smooth and of noisy parts, (height, width, 3), u8."""
    height, width = rng.choice([(rng.randint(5, 60), rng.randint(5, 60)), (rng.randint(20, 400), rng.randint(20, 400)), (17, 300), (300, 17)])
    coarse = torch.rand(1, 3, rng.randint(1, 6), rng.randint(1, 6), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    noisy = torch.rand(3, height, width, generator=generator) * rng.choice([0, 0.1, 1])
    return ((smooth + noisy).clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0).contiguous()


def wave(rng, generator):
    length = rng.choice([rng.randint(400, 4000), rng.randint(16000, 60000), 480000 + rng.randint(0, 5000)])
    time = torch.arange(length) / 16000
    tone = sum(rng.random() * torch.sin(2 * torch.pi * rng.randint(50, 7000) * time) for _ in range(3)) / 3
    return (tone + torch.randn(length, generator=generator) * rng.choice([0, 1e-3, 0.1])).float() * rng.choice([1, 0.01])


def settings(rng):
    """A processor of pictures and its settings."""
    common = {}
    for key, value in {"resample": rng.choice([0, 2, 3]), "do_normalize": False, "rescale_factor": 1 / 127.5,
                       "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "do_rescale": True, "do_convert_rgb": True}.items():
        if rng.random() < 0.3:
            common[key] = value
    kind = rng.choice(["ViTImageProcessor", "CLIPImageProcessor", "BitImageProcessor", "LayoutLMv3ImageProcessor", "SiglipImageProcessor",
                       "ConvNextImageProcessor"])
    if kind in ("CLIPImageProcessor", "BitImageProcessor"):
        common["size"] = {"shortest_edge": rng.randint(20, 60)}
        crop = rng.randint(10, 70)
        common["crop_size"] = {"height": crop, "width": crop if rng.random() < 0.5 else rng.randint(10, 70)}
        if rng.random() < 0.2:
            common["do_center_crop"] = False
    elif kind == "ConvNextImageProcessor":
        common["size"] = {"shortest_edge": rng.choice([64, 224, 384])}
        if rng.random() < 0.5:
            common["crop_pct"] = rng.choice([0.7, 0.875])
    else:
        common["size"] = {"height": rng.randint(8, 80), "width": rng.randint(8, 80)}
    if kind == "LayoutLMv3ImageProcessor":
        common["apply_ocr"] = False
    return kind, common


def recorder(rng):
    if rng.random() < 0.5:
        return "WhisperFeatureExtractor", {key: value for key, value in {"feature_size": rng.choice([40, 80, 128]), "hop_length": rng.choice([160, 200]),
                                           "n_fft": rng.choice([400, 512]), "chunk_length": rng.choice([10, 30])}.items() if rng.random() < 0.5}
    return "Wav2Vec2FeatureExtractor", {"do_normalize": rng.random() < 0.7, "return_attention_mask": rng.random() < 0.5}


def case(seed, number, out):
    rng = random.Random(f"preprocess-{seed}-{number}")
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    image, sound = picture(rng, generator), wave(rng, generator)
    results, given = {"in.image": image, "in.wave_16khz": sound}, {}
    for index in range(4):
        kind, own = settings(rng)
        processor = getattr(transformers, kind)(**own)
        results[f"picture_{index}"] = processor(Image.fromarray(image.numpy()), return_tensors="pt")["pixel_values"].float()
        given[f"picture_{index}"] = {"image_processor_type": kind, **own}
    kind, own = recorder(rng)
    made = getattr(transformers, kind)(**own)(sound.numpy().astype(numpy.float64), sampling_rate=16000, return_tensors="pt")
    features = made["input_features"] if "input_features" in made else made["input_values"]
    results["recording"] = features[0, :, :400].float() if features.ndim == 3 else features.float()
    given["recording"] = {"feature_extractor_type": kind, **own}
    folder = os.path.join(out, f"preprocess-{seed}-{number}")
    os.makedirs(folder, exist_ok=True)
    save_file({key: value.contiguous() for key, value in results.items()}, os.path.join(folder, "expected.safetensors"))
    for name, own in given.items():
        json.dump(own, open(os.path.join(folder, name + ".json"), "w"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", required=True)
    given = parser.parse_args()
    for number in range(given.count):
        try:
            case(given.seed, number, given.out)
        except Exception as error:
            print(f"preprocess-{given.seed}-{number}: {type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    main()

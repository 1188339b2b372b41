"""Random adapters: a configuration of peft for a model."""
import peft
import torch

PROMPTS = {"ForCausalLM": "CAUSAL_LM", "LMHeadModel": "CAUSAL_LM", "ForConditionalGeneration": "SEQ_2_SEQ_LM",
           "ForSequenceClassification": "SEQ_CLS", "ForTokenClassification": "TOKEN_CLS", "ForQuestionAnswering": "QUESTION_ANS"}


def task_of(architecture):
    return None if architecture.startswith("Whisper") else next((t for end, t in PROMPTS.items() if architecture.endswith(end)), None)


def named(model, kinds):
    """Module names by their last part, of the kinds given, without the heads (and without BertModel's pooler, which gets no gradient)."""
    unused = {"dense"} if type(model).__name__ == "BertModel" else set()
    heads = unused | {"lm_head", "classifier", "score", "qa_outputs", "embed_out", "predictions", "decoder"}
    found = {}
    for name, module in model.named_modules():
        last = name.rsplit(".", 1)[-1]
        if isinstance(module, kinds) and name.split(".")[0] not in heads and last not in heads:
            found.setdefault(last, []).append(name)
    return found


def linear(model):
    from transformers.pytorch_utils import Conv1D
    return named(model, (torch.nn.Linear, Conv1D))


def some(rng, names):
    names = sorted(names)
    return rng.sample(names, rng.randint(1, min(4, len(names))))


def lora(rng, model, convolutions):
    names = linear(model)
    targets = some(rng, names) if rng.random() < 0.8 or type(model).__name__ == "BertModel" else "all-linear"
    if convolutions:
        targets = some(rng, named(model, torch.nn.Conv2d)) + some(rng, names)
    settings = {"r": rng.choice([1, 2, 3, 5]), "lora_alpha": rng.choice([1, 4, 7]), "target_modules": targets}
    maybe = {"use_rslora": True, "use_dora": True, "bias": rng.choice(["all", "lora_only"]), "lora_bias": True}
    if len(targets) > 1 and targets != "all-linear":
        maybe.update(rank_pattern={targets[0]: 4}, alpha_pattern={targets[0]: 9}, exclude_modules=[targets[-1]])
    settings.update({key: value for key, value in maybe.items() if rng.random() < 0.2})
    if settings.get("lora_bias"):
        settings.pop("use_dora", None)
    return peft.LoraConfig(**settings)


def loha(rng, model, convolutions):
    targets = some(rng, named(model, torch.nn.Conv2d) if convolutions else linear(model))
    return peft.LoHaConfig(r=rng.choice([1, 2, 3]), alpha=rng.choice([2, 5]), target_modules=targets,
                           use_effective_conv2d=rng.random() < 0.5)


def lokr(rng, model, convolutions):
    targets = some(rng, named(model, torch.nn.Conv2d) if convolutions else linear(model))
    return peft.LoKrConfig(r=rng.choice([1, 2, 3]), alpha=rng.choice([2, 5]), target_modules=targets, decompose_both=rng.random() < 0.5,
                           decompose_factor=rng.choice([-1, 2, 4]), use_effective_conv2d=rng.random() < 0.5)


def oft(rng, model, convolutions):
    targets = some(rng, named(model, torch.nn.Conv2d) if convolutions else linear(model))
    return peft.OFTConfig(r=0, oft_block_size=rng.choice([2, 4]), target_modules=targets, coft=rng.random() < 0.3,
                          eps=1e-2, block_share=rng.random() < 0.3, use_cayley_neumann=rng.random() < 0.5, bias=rng.choice(["none", "all"]))


def boft(rng, model, convolutions):
    return peft.BOFTConfig(boft_block_size=rng.choice([2, 4]), boft_n_butterfly_factor=rng.choice([1, 2]),
                           target_modules=some(rng, named(model, torch.nn.Conv2d) if convolutions else linear(model)))


def ia3(rng, model, convolutions):
    targets = some(rng, linear(model)) + (some(rng, named(model, torch.nn.Conv2d)) if convolutions else [])
    return peft.IA3Config(target_modules=targets, feedforward_modules=rng.sample(targets, rng.randint(0, len(targets))))


def vera(rng, model, convolutions):
    return peft.VeraConfig(r=rng.choice([2, 5]), target_modules=[rng.choice(sorted(linear(model)))], d_initial=0.3)


def adalora(rng, model, convolutions):
    return peft.AdaLoraConfig(init_r=rng.choice([2, 4]), target_r=1, lora_alpha=4, total_step=10, target_modules=some(rng, linear(model)))


def fourierft(rng, model, convolutions):
    return peft.FourierFTConfig(n_frequency=rng.choice([5, 20]), scaling=20.0, random_loc_seed=rng.randint(1, 999),
                                target_modules=some(rng, linear(model)))


def hra(rng, model, convolutions):
    return peft.HRAConfig(r=rng.choice([2, 4]), apply_GS=rng.random() < 0.5,
                          target_modules=some(rng, named(model, torch.nn.Conv2d) if convolutions else linear(model)))


def ln_tuning(rng, model, convolutions):
    norms = [n for n, m in model.named_modules() if "norm" in type(m).__name__.lower() and any(p.ndim for p in m.parameters())]
    return peft.LNTuningConfig(target_modules=some(rng, {n.rsplit(".", 1)[-1] for n in norms}))


def miss(rng, model, convolutions):
    return peft.MissConfig(r=rng.choice([2, 4]), target_modules=some(rng, linear(model)), init_weights=rng.choice([True, "bat"]))


def shira(rng, model, convolutions):
    return peft.ShiraConfig(r=rng.choice([1, 2]), random_seed=rng.randint(1, 99), target_modules=some(rng, linear(model)))


def c3a(rng, model, convolutions):
    return peft.C3AConfig(block_size=rng.choice([2, 4]), target_modules=some(rng, linear(model)))


def randlora(rng, model, convolutions):
    return peft.RandLoraConfig(r=rng.choice([2, 4]), target_modules=[rng.choice(sorted(linear(model)))])


def vblora(rng, model, convolutions):
    return peft.VBLoRAConfig(r=2, num_vectors=8, vector_length=4, topk=2, target_modules=some(rng, linear(model)))


def prompt(rng, model, convolutions):
    return peft.PromptTuningConfig(num_virtual_tokens=rng.choice([1, 3]))


def prefix(rng, model, convolutions):
    return peft.PrefixTuningConfig(num_virtual_tokens=rng.choice([1, 3]), prefix_projection=False)


def p_tuning(rng, model, convolutions):
    return peft.PromptEncoderConfig(num_virtual_tokens=rng.choice([2, 3]), encoder_hidden_size=12,
                                    encoder_reparameterization_type=rng.choice(["MLP", "LSTM"]))


LAYERS = [lora, lora, lora, loha, lokr, oft, boft, ia3, vera, adalora, fourierft, hra, ln_tuning, miss, shira, c3a, randlora, vblora]
READ = [prompt, prefix, p_tuning]


def draw(rng, model, architecture, only=None):
    """A method's name and its configuration. Convolutions are adapted where the model has two-dimensional ones, now and then."""
    task = task_of(architecture)
    method = rng.choice([m for m in LAYERS + (READ if task else []) if only is None or m.__name__ == only])
    convolutions = bool(named(model, torch.nn.Conv2d)) and rng.random() < 0.5
    config = method(rng, model, convolutions)
    config.task_type = task
    return method.__name__, config

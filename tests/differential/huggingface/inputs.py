"""Random inputs of a model by its architecture: arguments of its forward, and names of its outputs besides the loss."""
import torch


def text(rng, generator, config, rows, length, minimum=3):
    ids = torch.randint(3, config.vocab_size, (rows, length), generator=generator)
    mask = torch.ones(rows, length, dtype=torch.long)
    # Outputs of padding that no window reaches mean nothing, and differ.
    has_window = getattr(config, "sliding_window", None) or getattr(config, "window_size", None) or getattr(config, "local_attention", None)
    for row in range(1, 1 if has_window else rows):
        mask[row, rng.randint(minimum, length):] = 0
    if getattr(config, "pad_token_id", None) is not None:
        ids[mask == 0] = config.pad_token_id
    return {"input_ids": ids, "attention_mask": mask}


def classes(generator, count, *shape):
    return torch.randint(0, count, shape, generator=generator)


def padded(rng, labels):
    """Labels whose rows after the first end early."""
    for row in range(1, labels.shape[0]):
        labels[row, rng.randint(2, labels.shape[1]):] = -100
    return labels


def pictures(generator, config, rows):
    size = config.image_size if hasattr(config, "image_size") else config.input_size
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return torch.randn(rows, config.num_channels, height, width, generator=generator)


def boxes(generator, limit, rows, length):
    corners = torch.randint(0, limit, (rows, length, 2, 2), generator=generator).sort(dim=2).values
    return corners.reshape(rows, length, 4)


def of(rng, generator, architecture, config):
    """The inputs of one batch and the names of the outputs."""
    rows, length = rng.choice([1, 2, 3]), rng.randint(7, 11)
    if architecture.endswith("ForImageClassification"):
        return {"pixel_values": pictures(generator, config, rows), "labels": classes(generator, config.num_labels, rows)}, ["logits"]
    if architecture == "CLIPModel":
        inputs = text(rng, generator, config.text_config, 2, length)
        inputs["input_ids"][:, -1] = 2
        inputs["input_ids"][0, 4] = config.text_config.eos_token_id
        inputs["input_ids"][1, 2] = config.text_config.eos_token_id
        return {**inputs, "pixel_values": pictures(generator, config.vision_config, 2), "return_loss": True}, \
            ["logits_per_image", "text_embeds", "image_embeds"]
    if architecture.startswith("Whisper"):
        features = torch.randn(2, config.num_mel_bins, 2 * config.max_source_positions, generator=generator)
        return {"input_features": features, "labels": padded(rng, classes(generator, config.vocab_size, 2, 6))}, ["logits"]
    if architecture.endswith("ForCTC"):
        labels = padded(rng, torch.randint(1, config.vocab_size, (2, 4), generator=generator))
        return {"input_values": torch.randn(2, rng.choice([400, 370]), generator=generator), "labels": labels}, ["logits"]
    if architecture.endswith("ForConditionalGeneration"):
        labels = padded(rng, torch.randint(3, config.vocab_size, (rows, 6), generator=generator))
        return {**text(rng, generator, config, rows, length), "labels": labels}, ["logits"]
    if architecture == "UNet2DConditionModel":
        return {"sample": torch.randn(2, 4, 8, 8, generator=generator), "timestep": torch.tensor([3, rng.randint(10, 900)]),
                "encoder_hidden_states": torch.randn(2, 5, config.cross_attention_dim, generator=generator),
                **({"class_labels": classes(generator, config.num_class_embeds, 2)} if config.num_class_embeds else {})}, ["sample"]
    inputs = text(rng, generator, config, rows, length)
    if architecture.startswith("LayoutLM"):
        inputs["bbox"] = boxes(generator, config.max_2d_position_embeddings, rows, length)
    if architecture.startswith("LayoutLMv3"):
        inputs["pixel_values"] = pictures(generator, config, rows)
    if architecture.endswith("ForQuestionAnswering"):
        return {**inputs, "start_positions": classes(generator, length, rows), "end_positions": classes(generator, length, rows)}, \
            ["start_logits", "end_logits"]
    if architecture.endswith("ForSequenceClassification"):
        return {**inputs, "labels": classes(generator, config.num_labels, rows)}, ["logits"]
    if architecture.endswith("ForTokenClassification"):
        labels = classes(generator, config.num_labels, rows, length)
    elif architecture == "BertModel":
        return inputs, ["last_hidden_state", "pooler_output"]
    else:
        labels = inputs["input_ids"].clone()
    labels[inputs["attention_mask"] == 0] = -100
    labels[0, rng.randint(1, 2)] = -100
    return {**inputs, "labels": labels}, ["logits"]

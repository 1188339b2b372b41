using System.Text.Json.Nodes;

namespace PeftCore.Io.Gguf;

/// <summary>Writes the config.json that the metadata of a GGUF file describe.</summary>
internal static class GgufConfig
{
    /// <summary>The configuration.</summary>
    /// <param name="file">The file.</param>
    /// <param name="architecture">Its architecture.</param>
    /// <exception cref="BadInputException">A value is missing or wrong, or the model has a part that is not supported.</exception>
    public static JsonObject Of(GgufFile file, GgufArchitecture architecture)
    {
        string prefix = architecture.Name + ".";
        if (file.Find(prefix + "expert_count") is { Integer: > 0 } experts)
        {
            throw experts.Bad($"is {experts.Integer}: mixtures of experts are not read from GGUF files; take the safetensors model");
        }
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray(JsonValue.Create(architecture.Class)),
            ["model_type"] = architecture.ModelType,
            ["vocab_size"] = Rows(file, "token_embd.weight"),
            ["tie_word_embeddings"] = IsTied(file),
        };
        if (architecture.Name == "gpt2")
        {
            AddGpt2(config, file, prefix);
        }
        else
        {
            AddLlama(config, file, prefix, architecture);
        }
        foreach (var (key, field) in new[] { ("bos", "bos_token_id"), ("padding", "pad_token_id") })
        {
            if (file.Find($"tokenizer.ggml.{key}_token_id") is { } id)
            {
                config[field] = id.Integer;
            }
        }
        // A model may end its turn and its text with different tokens.
        long[] ends = [.. new[] { "eos", "eot" }.Select(key => file.Find($"tokenizer.ggml.{key}_token_id")).OfType<GgufValue>()
            .Select(value => value.Integer).Distinct()];
        if (ends.Length > 0)
        {
            config["eos_token_id"] = ends.Length == 1 ? ends[0] : new JsonArray([.. ends.Select(id => (JsonNode)JsonValue.Create(id))]);
        }
        return config;
    }

    /// <summary>Heads of q and of k.</summary>
    public static (int Query, int Key) Heads(GgufFile file, GgufArchitecture architecture)
    {
        string prefix = architecture.Name + ".attention.head_count";
        int heads = Size(file, prefix);
        return (heads, file.Find(prefix + "_kv") is null ? heads : Size(file, prefix + "_kv"));
    }

    private static void AddLlama(JsonObject config, GgufFile file, string prefix, GgufArchitecture architecture)
    {
        var (heads, keyHeads) = Heads(file, architecture);
        int hidden = Size(file, prefix + "embedding_length"), context = Size(file, prefix + "context_length");
        int headDim = Optional(file, prefix + "attention.key_length") ?? Optional(file, prefix + "rope.dimension_count") ?? hidden / heads;
        if (Optional(file, prefix + "rope.dimension_count") is { } turned && turned != headDim)
        {
            throw file.Get(prefix + "rope.dimension_count").Bad($"is {turned}, but heads have {headDim} columns; a rotation of a part of " +
                "them is not read");
        }
        double theta = file.Find(prefix + "rope.freq_base")?.Number ?? 10_000;
        config["hidden_size"] = hidden;
        config["intermediate_size"] = Size(file, prefix + "feed_forward_length");
        config["num_hidden_layers"] = Size(file, prefix + "block_count");
        config["num_attention_heads"] = heads;
        config["num_key_value_heads"] = keyHeads;
        config["head_dim"] = headDim;
        config["hidden_act"] = "silu";
        config["max_position_embeddings"] = context;
        config["rms_norm_eps"] = file.Get(prefix + "attention.layer_norm_rms_epsilon").Number;
        config["rope_theta"] = theta;
        if (GgufRope.Scaling(file, prefix, theta, headDim, context) is { } scaling)
        {
            config["rope_scaling"] = scaling;
        }
        if (architecture.Name == "llama")
        {
            config["attention_bias"] = file.Tensors.ContainsKey("blk.0.attn_q.bias");
            config["mlp_bias"] = file.Tensors.ContainsKey("blk.0.ffn_up.bias");
        }
    }

    private static void AddGpt2(JsonObject config, GgufFile file, string prefix)
    {
        config["n_embd"] = Size(file, prefix + "embedding_length");
        config["n_inner"] = Size(file, prefix + "feed_forward_length");
        config["n_layer"] = Size(file, prefix + "block_count");
        config["n_head"] = Size(file, prefix + "attention.head_count");
        config["n_positions"] = Size(file, prefix + "context_length");
        config["layer_norm_epsilon"] = file.Get(prefix + "attention.layer_norm_epsilon").Number;
        config["activation_function"] = "gelu_new";
    }

    /// <summary>Whether the head shares the embedding's table: it has none of its own, or a copy.</summary>
    private static bool IsTied(GgufFile file)
    {
        if (!file.Tensors.TryGetValue("output.weight", out var head) || !file.Tensors.TryGetValue("token_embd.weight", out var table))
        {
            return true;
        }
        bool same = head.Type == table.Type && head.Shape.AsSpan().SequenceEqual(table.Shape);
        for (long at = 0; same && at < head.Length; at += StoredBytes.Piece)
        {
            int length = (int)Math.Min(StoredBytes.Piece, head.Length - at);
            same = file.Bytes.Span(head.Offset + at, length).SequenceEqual(file.Bytes.Span(table.Offset + at, length));
        }
        return same;
    }

    private static long Rows(GgufFile file, string tensor) => file.Tensors.GetValueOrDefault(tensor) is { Shape: [var rows, _] } ? rows
        : throw new BadInputException($"{file.Path}: the matrix \"{tensor}\" is missing; the file is no complete model.");

    private static int? Optional(GgufFile file, string key) => file.Find(key) is null ? null : Size(file, key);

    /// <summary>A size. Files of models whose blocks differ have a list of them, which must be equal here.</summary>
    private static int Size(GgufFile file, string key)
    {
        var value = file.Get(key);
        long size = value.Count is null ? value.Integer
            : value.Integers.Distinct().ToArray() is [var only] ? only
            : throw value.Bad("differs between blocks, which is not read");
        return size is > 0 and <= int.MaxValue ? (int)size : throw value.Bad($"is {size}, expected a size");
    }
}

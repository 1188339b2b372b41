using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Falcon (Almazrouei et al. 2023): rotary positions, GELU, weights without biases. Falcon 7B has parallel blocks with one norm
/// and one key head; the new decoder architecture (40B, 180B, 11B) has grouped key heads and, by choice, a norm for each sublayer; the
/// RefinedWeb models have sequential blocks, biases and ALiBi.</summary>
internal static class Falcon
{
    private const string New = "new_decoder_architecture", Parallel = "parallel_attn", Norms = "num_ln_in_parallel_attn";

    private static readonly GptNames Fields = new()
    {
        Inner = "ffn_hidden_size",
        Activation = "activation",
        UsualActivation = "gelu",
        Own = ["alibi", "multi_query", Parallel],
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <param name="asEager">Whether ALiBi counts twice, as in the eager attention of transformers 5, which adds it to the mask and to the
    /// scores; its other attentions, and version 4, add it once.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings, bool asEager = false)
    {
        var spec = GptFields.Read(config, Fields);
        bool isNew = config.Bool(New, false), parallel = config.Bool(Parallel, true), bias = config.Bool("bias", false);
        if (isNew && !parallel)
        {
            throw config.Error(Parallel, $"is false, but \"{New}\" is true, which has parallel blocks only");
        }
        int norms = config.IntOrNull(Norms, min: 1, max: 2) ?? (isNew ? 2 : 1);
        if (norms == 2 && !parallel)
        {
            throw config.Error(Norms, $"is 2, but \"{Parallel}\" is false: sequential blocks have their own two norms; leave it out");
        }
        spec = spec with
        {
            Names = Names(parallel ? norms == 2 ? new("ln_attn", "ln_mlp") : BlockNorms.Shared : BlockNorms.Pre),
            Order = parallel ? BlockOrder.Parallel : BlockOrder.Sequential,
            KeyHeads = isNew ? KeyHeads(config, spec.Heads) : config.Bool("multi_query", true) ? 1 : spec.Heads,
            QkvPerKeyHead = true,
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = bias,
            AttentionDropout = DecoderFields.Dropout(config, "hidden_dropout", 0),
            MlpDropout = DecoderFields.Dropout(config, "hidden_dropout", 0),
            ProbabilityDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
        };
        return config.Bool("alibi", false) ? spec with { AlibiSlopes = Slopes(spec, asEager ? 2 : 1) }
            : spec.WithRope(config, null, 10000, warnings);
    }

    /// <summary>Falcon scales scores with their biases: (q·k + slope·distance)/√D. transformers keeps slopes in bfloat16.</summary>
    private static float[] Slopes(DecoderSpec spec, int times) =>
        Array.ConvertAll(GptFields.Slopes(spec.Heads), slope => times * ToBfloat16(slope) / MathF.Sqrt(spec.HeadDim));

    /// <summary>The nearest bfloat16, ties to even.</summary>
    private static float ToBfloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
    }

    private static int KeyHeads(ConfigReader config, int heads)
    {
        int keys = config.IntOrNull("num_kv_heads", min: 1) ?? heads;
        return heads % keys == 0 ? keys
            : throw config.Error("num_kv_heads", $"is {keys}, which does not divide the {heads} attention heads");
    }

    private static DecoderNames Names(BlockNorms norms) => new()
    {
        Body = "transformer",
        Embedding = "word_embeddings",
        Layers = "h",
        FinalNorm = "ln_f",
        Attention = "self_attention",
        Qkv = "query_key_value",
        Output = "dense",
        Up = "dense_h_to_4h",
        Down = "dense_4h_to_h",
        Norms = norms,
    };
}

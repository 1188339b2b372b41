using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>MPT (MosaicML 2023): ALiBi instead of positions, layer norms and linear layers without biases, one fused q, k, v projection,
/// GELU.</summary>
internal static class Mpt
{
    private static readonly DecoderNames Names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Layers = "blocks",
        FinalNorm = "norm_f",
        Attention = "attn",
        Qkv = "Wqkv",
        Output = "out_proj",
        Mlp = "ffn",
        Norms = new BlockNorms("norm_1", "norm_2"),
    };

    private static readonly GptNames Fields = new()
    {
        Hidden = ["d_model", "hidden_size"],
        Layers = ["n_layers", "num_hidden_layers"],
        Heads = ["n_heads", "num_attention_heads"],
        Length = "max_seq_len",
        Activation = null,
        UsualActivation = "gelu",
    };

    /// <summary>Reads a config.json. transformers ignores expansion_ratio (the MLP is four times as wide), learned_pos_emb and
    /// embedding_fraction.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        var attention = config.ObjectOrNull("attn_config");
        if (!config.Bool("no_bias", true))
        {
            throw config.Error("no_bias", "is false, but MPT models have no biases in transformers either; expected true");
        }
        if (attention is not null)
        {
            RefuseIfTrue(attention, "qk_ln", "prefix_lm", "attn_uses_sequence_id");
            attention.Choice("attn_type", "multihead_attention", "multihead_attention");
            if (attention.Has("clip_qkv"))
            {
                throw attention.Error("clip_qkv", "limits the values of q, k and v, which is not supported; expected null");
            }
            if (!attention.Bool("alibi", true))
            {
                throw attention.Error("alibi", "is false, but MPT models have ALiBi in transformers whatever this says; expected true");
            }
        }
        double scale = attention?.FloatOrNull("softmax_scale", min: 1e-6, max: 1e6) ?? 1 / Math.Sqrt(spec.HeadDim);
        float dropout = attention is null ? 0 : DecoderFields.Dropout(attention, "attn_pdrop", 0);
        return spec with
        {
            Names = Names,
            Norm = NormKind.LayerWithoutBias,
            AlibiSlopes = Slopes(spec.Heads, attention?.Int("alibi_bias_max", 8, min: 1) ?? 8),
            AttentionScale = new PerLayer<float>((float)scale),
            QkvBias = false,
            OutputBias = false,
            MlpBias = false,
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = dropout,
        };
    }

    /// <summary>2^(−max·i/n), i = 1 … n, for the smallest power of two n ≥ heads; of more slopes than heads every second one from the
    /// second counts first.</summary>
    private static float[] Slopes(int heads, int max)
    {
        int power = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)heads);
        float[] slopes = [.. Enumerable.Range(1, power).Select(i => (float)Math.Pow(2, -(double)max * i / power))];
        return power == heads ? slopes
            : [.. slopes.Where((_, i) => i % 2 == 1).Concat(slopes.Where((_, i) => i % 2 == 0)).Take(heads)];
    }

    private static void RefuseIfTrue(ConfigReader config, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (config.Bool(name, false))
            {
                throw config.Error(name, "is true, which is not supported; expected false");
            }
        }
    }
}

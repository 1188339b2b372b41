using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>GPT-Neo (Black et al. 2021): GPT-2 with separate projections, scores that are not scaled, and a window in every second
/// block.</summary>
internal static class GptNeo
{
    private const string Kinds = "attention_layers", Types = "attention_types", Global = "global", Local = "local";

    private static readonly DecoderNames Names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Positions = "wpe",
        Layers = "h",
        FinalNorm = "ln_f",
        Attention = "attn.attention",
        Output = "out_proj",
        Up = "c_fc",
        Down = "c_proj",
        Norms = new BlockNorms("ln_1", "ln_2"),
    };

    private static readonly GptNames Fields = new()
    {
        Layers = ["num_layers", "num_hidden_layers"],
        Heads = ["num_heads", "num_attention_heads"],
        Inner = "intermediate_size",
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        float dropout = DecoderFields.Dropout(config, "resid_dropout", 0);
        int window = config.Int("window_size", 256, min: 1);
        return spec with
        {
            Names = Names,
            LearnedPositionOffset = 0,
            QkvBias = false,
            AttentionScale = new PerLayer<float>(1),
            Windows = new PerLayer<int>(KindsOf(config, spec.Layers).Select(kind => kind == Local ? window : 0)),
            EmbeddingDropout = DecoderFields.Dropout(config, "embed_dropout", 0),
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
        };
    }

    /// <summary>The kind of each block: attention_layers, or attention_types, a list of [kinds, repetitions].</summary>
    private static string[] KindsOf(ConfigReader config, int layers)
    {
        string[]? listed = config.StringsOrNull(Kinds), typed = Expanded(config);
        if (listed is not null && typed is not null && !listed.SequenceEqual(typed))
        {
            throw config.Error(Kinds, $"differs from \"{Types}\"; keep one of them");
        }
        string[] kinds = listed ?? typed ?? [.. Enumerable.Range(0, layers).Select(i => i % 2 == 0 ? Global : Local)];
        string name = listed is null ? Types : Kinds;
        if (kinds.Length != layers)
        {
            throw config.Error(name, $"lists {kinds.Length} blocks, but the model has {layers}");
        }
        return kinds.FirstOrDefault(kind => kind is not (Global or Local)) is { } other
            ? throw config.Error(name, $"has \"{other}\", expected {Global} or {Local}") : kinds;
    }

    private static string[]? Expanded(ConfigReader config)
    {
        if (config.Raw(Types) is not { } types)
        {
            return null;
        }
        var kinds = new List<string>();
        foreach (var pair in types.ValueKind == JsonValueKind.Array ? types.EnumerateArray() : default)
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2 || pair[0].ValueKind != JsonValueKind.Array
                || pair[1].ValueKind != JsonValueKind.Number || !pair[1].TryGetInt32(out int times)
                || times is < 0 or > DecoderFields.MostLayers || pair[0].GetArrayLength() > DecoderFields.MostLayers)
            {
                throw config.Error(Types, "expected a list of [kinds, repetitions], such as [[[\"global\", \"local\"], 6]]");
            }
            string[] once = [.. pair[0].EnumerateArray().Select(kind => kind.ToString())];
            for (int i = 0; i < times && kinds.Count <= DecoderFields.MostLayers; i++)
            {
                kinds.AddRange(once);
            }
        }
        return [.. kinds];
    }
}

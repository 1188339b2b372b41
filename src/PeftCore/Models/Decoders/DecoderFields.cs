using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>How a LLaMA-like family calls its fields in config.json, and what absent ones mean: the defaults of its configuration class in
/// transformers.</summary>
internal sealed record FamilyFields
{
    /// <summary>max_position_embeddings.</summary>
    public int MaxLength { get; init; } = 2048;

    /// <summary>num_key_value_heads; null for the number of query heads.</summary>
    public int? KeyHeads { get; init; }

    /// <summary>head_dim; null for hidden size / query heads.</summary>
    public int? HeadDim { get; init; }

    /// <summary>The name of the norms' ε.</summary>
    public string EpsilonName { get; init; } = "rms_norm_eps";

    /// <summary>ε of the norms.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>The name of the activation.</summary>
    public string ActivationName { get; init; } = "hidden_act";

    /// <summary>The activation.</summary>
    public string Activation { get; init; } = "silu";

    /// <summary>tie_word_embeddings.</summary>
    public bool Tied { get; init; }

    /// <summary>attention_bias, of q, k, v and o; null if the family has no such field.</summary>
    public bool? AttentionBias { get; init; }

    /// <summary>mlp_bias; null if the family has no such field.</summary>
    public bool? MlpBias { get; init; }

    /// <summary>rope_theta.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>partial_rotary_factor; null if the family has no such field.</summary>
    public double? RotaryPart { get; init; }

    /// <summary>Whether neighbouring columns turn together.</summary>
    public bool Interleaved { get; init; }

    /// <summary>original_max_position_embeddings.</summary>
    public int? OriginalLength { get; init; }

    /// <summary>Fields of rope_parameters that only this family has.</summary>
    public IReadOnlyList<string> RopeOwn { get; init; } = [];

    /// <summary>Further names of types of rotary positions.</summary>
    public IReadOnlyDictionary<string, string> RopeAliases { get; init; } = new Dictionary<string, string>();

    /// <summary>Fields that the family reads although most families have nothing of the kind.</summary>
    public string[] Own { get; init; } = [];
}

/// <summary>Reads the fields that LLaMA-like families share.</summary>
internal static class DecoderFields
{
    // Far above every real model, and low enough that no product of two sizes overflows.
    internal const int MostColumns = 1 << 24, MostRows = 1 << 28, MostLayers = 10_000;

    /// <summary>Reads all but windows.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="family">Names and defaults.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, fields contradict each other, or a field of another family would
    /// change the results.</exception>
    public static DecoderSpec Read(ConfigReader config, FamilyFields family, ICollection<string>? warnings)
    {
        var spec = Sizes(config, family);
        return WithRope(spec, config, family, RopeSettings.Read(config, RopeDefaultsOf(spec, family), warnings), warnings);
    }

    /// <summary>As <see cref="Read"/> for a family whose blocks with a window have rotary positions of their own.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="family">Names and defaults.</param>
    /// <param name="slidingTheta">The base of blocks with a window, if it is not that of the others.</param>
    /// <param name="windows">The windows of the blocks: 0 for none.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec ReadByKind(ConfigReader config, FamilyFields family, double? slidingTheta,
        Func<DecoderSpec, PerLayer<int>> windows, ICollection<string>? warnings)
    {
        var spec = Sizes(config, family);
        var (full, sliding) = RopeSettings.ReadByKind(config, RopeDefaultsOf(spec, family), slidingTheta, warnings);
        var reach = windows(spec);
        return WithRope(spec, config, family, full, warnings) with
        {
            Windows = reach,
            Rope = new PerLayer<RopeSpec?>(Enumerable.Range(0, spec.Layers).Select(i => reach[i] == 0 ? full : sliding)),
        };
    }

    private static DecoderSpec WithRope(DecoderSpec spec, ConfigReader config, FamilyFields family, RopeSpec rope,
        ICollection<string>? warnings)
    {
        CheckOtherNames(config, spec, family, rope, warnings);
        return spec with { Rope = rope, MaxLength = rope.Scaling.MaxLength(spec.MaxLength) };
    }

    private static DecoderSpec Sizes(ConfigReader config, FamilyFields family)
    {
        string type = config.String("model_type");
        string activation = config.Choice(family.ActivationName, family.Activation, [.. Activations.Names]);
        int layers = config.Int("num_hidden_layers", min: 1, max: MostLayers);
        int length = config.Int("max_position_embeddings", family.MaxLength, min: 1);
        var (heads, keyHeads, headDim) = HeadsOf(config, family);
        bool bias = family.AttentionBias is { } usual && config.Bool("attention_bias", usual);
        return new DecoderSpec
        {
            ModelType = type,
            VocabularySize = config.Int("vocab_size", min: 1, max: MostRows),
            HiddenSize = config.Int("hidden_size", min: 1, max: MostColumns),
            IntermediateSize = config.Int("intermediate_size", min: 1, max: MostColumns),
            Layers = layers,
            Heads = heads,
            KeyHeads = keyHeads,
            HeadDim = headDim,
            MaxLength = length,
            Activation = activation,
            Epsilon = (float)config.Float(family.EpsilonName, family.Epsilon, min: 0, max: 1),
            TieEmbeddings = config.Bool("tie_word_embeddings", family.Tied),
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = family.MlpBias is { } mlp && config.Bool("mlp_bias", mlp),
            ProbabilityDropout = Dropout(config, "attention_dropout", 0),
        };
    }

    /// <summary>A probability of dropout.</summary>
    public static float Dropout(ConfigReader config, string name, double fallback)
    {
        double value = config.Float(name, fallback, min: 0, max: 1);
        return value < 1 ? (float)value : throw config.Error(name, "is 1, which drops everything; expected a number below 1");
    }

    private static (int Heads, int KeyHeads, int HeadDim) HeadsOf(ConfigReader config, FamilyFields family)
    {
        int hidden = config.Int("hidden_size", min: 1, max: MostColumns);
        int heads = config.Int("num_attention_heads", min: 1, max: MostColumns);
        // An absent field has the family's default; null means the number of query heads.
        int usual = family.KeyHeads ?? heads;
        int keyHeads = config.Int("num_key_value_heads", config.Names.Contains("num_key_value_heads") || heads % usual != 0 ? heads : usual,
            min: 1);
        if (heads % keyHeads != 0)
        {
            throw config.Error("num_key_value_heads", $"is {keyHeads}, which does not divide the {heads} attention heads");
        }
        int? given = config.IntOrNull("head_dim", min: 2, max: MostColumns)
            ?? (config.Names.Contains("head_dim") ? null : family.HeadDim);
        if (given is null && hidden % heads != 0)
        {
            throw config.Error("num_attention_heads",
                $"is {heads}, which does not divide hidden_size = {hidden}; without \"head_dim\" it must");
        }
        int headDim = given ?? hidden / heads;
        if (headDim % 2 != 0)
        {
            throw config.Error("head_dim", $"is {headDim}, but rotary positions turn columns in pairs, so it must be even");
        }
        return (long)heads * headDim <= MostColumns ? (heads, keyHeads, headDim)
            : throw config.Error("num_attention_heads",
                $"is {heads}, with {headDim} elements each more than the {MostColumns} columns that are possible");
    }

    private static RopeDefaults RopeDefaultsOf(DecoderSpec spec, FamilyFields family) =>
        new(spec.HeadDim, spec.MaxLength, family.Theta, family.RotaryPart, family.Interleaved)
        {
            OriginalLength = family.OriginalLength,
            Own = family.RopeOwn,
            Aliases = family.RopeAliases,
        };

    private static void CheckOtherNames(ConfigReader config, DecoderSpec spec, FamilyFields family, RopeSpec rope,
        ICollection<string>? warnings)
    {
        string[] own = family.RotaryPart is null ? family.Own : [.. family.Own, "partial_rotary_factor"];
        ForeignFields.Refuse(config, spec.ModelType, own,
            ("attention_multiplier", [1 / Math.Sqrt(spec.HeadDim)]),
            ("query_pre_attn_scalar", [spec.HeadDim]), ("rotary_dim", [rope.Dimension]), ("rotary_emb_base", [rope.Theta]),
            ("rope_base", [rope.Theta]), ("scale_attn_by_inverse_layer_idx", [0]), ("scale_attn_weights", [1]));
        if (family.AttentionBias is null)
        {
            ForeignFields.Refuse(config, spec.ModelType, own, ("attention_bias", [0]));
        }
        if (family.MlpBias is null)
        {
            ForeignFields.Refuse(config, spec.ModelType, own, ("mlp_bias", [0]));
        }
        ForeignFields.Compare(config, warnings, ("hidden_size", ["n_embd", "d_model", "dim"]),
            ("num_hidden_layers", ["n_layer", "n_layers", "num_layers"]),
            ("num_attention_heads", ["n_head", "n_heads"]), ("num_key_value_heads", ["n_kv_heads", "num_kv_heads"]),
            ("max_position_embeddings", ["n_positions"]),
            ("intermediate_size", ["n_inner", "ffn_hidden_size", "ffn_dim"]),
            (family.ActivationName, Except(["hidden_act", "hidden_activation", "activation_function"], family.ActivationName)),
            (family.EpsilonName, Except(["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"],
                family.EpsilonName)));

        static string[] Except(string[] names, string own) => [.. names.Where(name => name != own)];
    }
}

using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>What a GPT-like family calls its sizes in config.json; the first of several names is its own, the others are
/// accepted.</summary>
internal sealed record GptNames
{
    /// <summary>Size of a hidden state.</summary>
    public string[] Hidden { get; init; } = ["hidden_size"];

    /// <summary>Number of blocks.</summary>
    public string[] Layers { get; init; } = ["num_hidden_layers"];

    /// <summary>Query heads.</summary>
    public string[] Heads { get; init; } = ["num_attention_heads"];

    /// <summary>Size of the MLP's hidden layer; absent or null in a file, it is four times the hidden size.</summary>
    public string? Inner { get; init; }

    /// <summary>Longest sequence; null if the family has no such field.</summary>
    public string? Length { get; init; } = "max_position_embeddings";

    /// <summary>The longest sequence of a file without the field.</summary>
    public int UsualLength { get; init; } = 2048;

    /// <summary>ε of the norms.</summary>
    public string Epsilon { get; init; } = "layer_norm_epsilon";

    /// <summary>The activation; null if the family has one only.</summary>
    public string? Activation { get; init; } = "activation_function";

    /// <summary>The activation of a file without the field.</summary>
    public string UsualActivation { get; init; } = "gelu_new";

    /// <summary>tie_word_embeddings of a file without the field.</summary>
    public bool Tied { get; init; } = true;

    /// <summary>Fields that the family reads although most families have nothing of the kind.</summary>
    public string[] Own { get; init; } = [];
}

/// <summary>Reads the fields that GPT-like families share: layer norms, biases, an MLP without a gate.</summary>
internal static class GptFields
{
    /// <summary>The bound of the sequence length in families whose positions have none (ALiBi).</summary>
    public const int NoBound = 1 << 20;

    /// <summary>Reads sizes, ε, activation and tying.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="names">The family's names.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, fields contradict each other, or a field of another family would
    /// change the results.</exception>
    public static DecoderSpec Read(ConfigReader config, GptNames names)
    {
        string type = config.String("model_type");
        int hidden = Size(config, names.Hidden, DecoderFields.MostColumns / 4);
        int heads = Size(config, names.Heads, DecoderFields.MostColumns);
        if (hidden % heads != 0)
        {
            throw config.Error(names.Heads[0], $"is {heads}, which does not divide {names.Hidden[0]} = {hidden}");
        }
        ForeignFields.Refuse(config, type, names.Own, ("num_key_value_heads", [heads]), ("sliding_window", [0]));
        return new DecoderSpec
        {
            ModelType = type,
            VocabularySize = config.Int("vocab_size", min: 1, max: DecoderFields.MostRows),
            HiddenSize = hidden,
            IntermediateSize = names.Inner is { } inner
                ? config.IntOrNull(inner, min: 1, max: DecoderFields.MostColumns) ?? 4 * hidden : 4 * hidden,
            Layers = Size(config, names.Layers, DecoderFields.MostLayers),
            Heads = heads,
            KeyHeads = heads,
            HeadDim = hidden / heads,
            MaxLength = names.Length is { } length ? config.Int(length, names.UsualLength, min: 1, max: DecoderFields.MostRows) : NoBound,
            Norm = NormKind.Layer,
            Epsilon = (float)config.Float(names.Epsilon, 1e-5, min: 0, max: 1),
            QkvBias = true,
            OutputBias = true,
            Mlp = MlpKind.Plain,
            MlpBias = true,
            Activation = names.Activation is { } activation
                ? config.Choice(activation, names.UsualActivation, [.. Activations.Names]) : names.UsualActivation,
            TieEmbeddings = config.Bool("tie_word_embeddings", names.Tied),
        };
    }

    /// <summary>Rotary positions of all or the first columns of each head, from the fields of transformers 4 and
    /// 5.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="spec">The sizes.</param>
    /// <param name="part">The part of a head that turns, where no field says it; null if the family turns all of it.</param>
    /// <param name="theta">The base where no field says it.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec WithRope(this DecoderSpec spec, ConfigReader config, double? part, double theta,
        ICollection<string>? warnings)
    {
        if (spec.HeadDim % 2 != 0)
        {
            throw config.Error("hidden_size",
                $"makes heads of {spec.HeadDim} elements, but rotary positions turn columns in pairs, so a head must have an even number");
        }
        var rope = RopeSettings.Read(config, new RopeDefaults(spec.HeadDim, spec.MaxLength, theta, part), warnings);
        return spec with { Rope = rope, MaxLength = rope.Scaling.MaxLength(spec.MaxLength) };
    }

    /// <summary>ALiBi slopes of transformers' BLOOM and Falcon (Press et al. 2022): 2^(−8i/n) for the largest power of two n ≤ heads, then
    /// every second slope of 2n heads.</summary>
    public static float[] Slopes(int heads)
    {
        int power = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)heads + 1) / 2;
        float[] slopes = new float[heads];
        for (int i = 0; i < heads; i++)
        {
            slopes[i] = (float)(i < power ? Math.Pow(2, -8.0 * (i + 1) / power) : Math.Pow(2, -4.0 * (2 * (i - power) + 1) / power));
        }
        return slopes;
    }

    /// <summary>A size under the family's name or another accepted one, which must agree.</summary>
    private static int Size(ConfigReader config, string[] names, int max)
    {
        var given = names.Where(config.Has).ToList();
        int value = config.Int(given.Count > 0 ? given[0] : names[0], min: 1, max: max);
        foreach (string other in given.Skip(1))
        {
            if (config.Int(other, min: 1, max: max) != value)
            {
                throw config.Error(given[0], $"is {value}, but \"{other}\", another name of the same size, is " +
                    $"{config.Int(other)}; keep one of them");
            }
        }
        return value;
    }
}

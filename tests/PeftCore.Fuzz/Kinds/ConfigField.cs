using PeftCore.Fuzz.Inputs;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Fuzz.Kinds;

/// <summary>The type of a field's value.</summary>
internal enum FieldType
{
    Int,
    Float,
    Bool,
    Name,
}

/// <summary>A field of config.json, and its valid values.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type.</param>
/// <param name="Min">The least number.</param>
internal sealed record ConfigField(string Name, FieldType Type, double Min = double.MinValue)
{
    /// <summary>The object that contains the field; null for the root.</summary>
    public string? Holder { get; init; }

    /// <summary>Whether the field is required.</summary>
    public bool Required { get; init; }

    /// <summary>Whether another value needs tensors that the weights do not have.</summary>
    public bool DecidesShapes { get; init; }

    /// <summary>The allowed names.</summary>
    public IReadOnlyList<string> Allowed { get; init; } = [];

    /// <summary>Returns the value in a loaded model.</summary>
    public Func<TransformerModel, double>? Value { get; init; }

    private static readonly ConfigField[] Llama =
    [
        Size("vocab_size"), Size("hidden_size"), Size("intermediate_size"), Size("num_hidden_layers"), Size("num_attention_heads"),
        Size("num_key_value_heads") with { Required = false },
        new("max_position_embeddings", FieldType.Int, 1) { Value = model => Spec(model).MaxLength },
        new("rms_norm_eps", FieldType.Float, 0) { Value = model => Spec(model).Epsilon },
        new("rope_theta", FieldType.Float, 0) { Holder = "rope_parameters", Value = model => Spec(model).Rope[0]!.Theta },
        new("rope_type", FieldType.Name) { Holder = "rope_parameters", Allowed = ["default"] },
        new("tie_word_embeddings", FieldType.Bool),
        new("hidden_act", FieldType.Name) { Allowed = Activations.Names },
        new("model_type", FieldType.Name) { Required = true, Allowed = ["llama", "mistral", "qwen2", "qwen3"] },
    ];

    private static readonly ConfigField[] Gpt2 =
    [
        Size("vocab_size"), Size("n_embd"), Size("n_layer"), new("n_positions", FieldType.Int, 1) { DecidesShapes = true },
        new("n_inner", FieldType.Int, 1) { DecidesShapes = true },
        new("n_head", FieldType.Int, 1) { Required = true, Value = model => Spec(model).Heads },
        new("layer_norm_epsilon", FieldType.Float, 0) { Value = model => Spec(model).Epsilon },
        new("tie_word_embeddings", FieldType.Bool),
        new("scale_attn_weights", FieldType.Bool), new("scale_attn_by_inverse_layer_idx", FieldType.Bool),
        new("activation_function", FieldType.Name) { Allowed = Activations.Names },
        new("model_type", FieldType.Name) { Required = true, Allowed = ["gpt2"] },
    ];

    public static IReadOnlyList<ConfigField> Of(string family) => family switch
    {
        "gpt2" => Gpt2,
        "mistral" => [.. Llama, new("sliding_window", FieldType.Int, 1) { Value = model => Spec(model).Windows[0] },
            Size("head_dim") with { Required = false }],
        "llama" => [.. Llama, new("attention_bias", FieldType.Bool) { DecidesShapes = true },
            new("mlp_bias", FieldType.Bool) { DecidesShapes = true }, Size("head_dim") with { Required = false }],
        _ => Llama,
    };

    /// <summary>The expected outcome of a value.</summary>
    /// <param name="before">The value of the fixture; null if it has none.</param>
    /// <param name="value">The new one.</param>
    public Expectation Judge(JsonTree? before, JsonTree value)
    {
        if (value.IsNull)
        {
            return Required ? Expectation.Refuse : Expectation.Any;
        }
        if (!IsPossible(value))
        {
            return Expectation.Refuse;
        }
        bool same = before is not null && (value.IsNumber && before.IsNumber ? value.Number == before.Number : value.Raw == before.Raw);
        return DecidesShapes && !same && !IsDefault(before, value) ? Expectation.Refuse : Expectation.Any;
    }

    /// <summary>The check that a value was read unchanged; null if there is nothing to compare.</summary>
    public ConfigCheck? CheckOf(JsonTree value)
    {
        if (Value is not { } get || !value.IsNumber || !IsPossible(value))
        {
            return null;
        }
        double expected = value.Number;
        return (model, _) => get(model) == expected || get(model) == (float)expected ? null
            : $"{Name} was read as another number: {get(model)} for {expected}";
    }

    public string Describe(JsonTree value) => value.IsNull ? "null" : !IsPossible(value) ? "impossible" : "another value";

    private static ConfigField Size(string name) => new(name, FieldType.Int, 1) { Required = true, DecidesShapes = true };

    private static DecoderSpec Spec(TransformerModel model) => ((Decoder)model).Spec;

    private bool IsPossible(JsonTree value) => Type switch
    {
        FieldType.Bool => value.IsBool,
        FieldType.Name => value.IsString && Allowed.Contains(value.Text),
        FieldType.Int => value.IsNumber && value.Number == Math.Floor(value.Number) && value.Number >= Min && value.Number <= int.MaxValue,
        _ => value.IsNumber && value.Number >= Min && (Name == "rope_theta" ? value.Number > 0 && double.IsFinite(value.Number)
            : float.IsFinite((float)value.Number)),
    };

    // A bias that is false, or an inner size that is four times the hidden one, is the default that the fixture relies on.
    private static bool IsDefault(JsonTree? before, JsonTree value) => before is null or { IsNull: true } && value.Raw is "false" or "128";
}

using PeftCore.Cli.Session;
using PeftCore.Tensors;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Options;

/// <summary>What generate and chat take.</summary>
internal sealed record SamplingOptions : VerbOptions
{
    internal const string KvCacheDTypeHelp =
        "how keys and values of earlier tokens are stored: bf16 takes half the bytes of f32, auto is as the device computes";

    [Setting("directory of the model", Value = "DIR", Aliases = ["model-name-or-path"])]
    public string? Model { get; init; }

    [Setting("directories of adapters, with commas between; several add up", Value = "DIR,…", IsList = true)]
    public string? Adapter { get; init; }

    [Setting(SequenceOptions.ResizeHelp, Min = 1, Default = "as the model has them")]
    public int? ResizeTokenEmbeddings { get; init; }

    [Setting("text to go on from; chat: what the system says")]
    public string? Prompt { get; init; }

    [Setting("most tokens to generate", Min = 1)]
    public int MaxNewTokens { get; init; } = 128;

    [Setting("0 takes the likeliest token; higher draws more boldly", Min = 0, Max = 100)]
    public double Temperature { get; init; }

    [Setting("draw among this many of the likeliest tokens; 0 for all", Min = 0)]
    public int TopK { get; init; }

    [Setting("draw among the fewest tokens whose probabilities reach this sum", Min = 0, Max = 1)]
    public double TopP { get; init; } = 1;

    [Setting("draw among tokens at least this likely relative to the likeliest", Min = 0, Max = 1)]
    public double MinP { get; init; }

    [Setting("above 1 makes tokens that occurred less likely", Min = 0, Max = 100)]
    public double RepetitionPenalty { get; init; } = 1;

    [Setting("end the text before this string")]
    public string? Stop { get; init; }

    [Setting("chat: a template instead of the model's own", Value = NamedTemplate.Value)]
    public string? ChatTemplate { get; init; }

    [Setting("task that the text belongs to, for adapters that have several", Min = 0)]
    public int TaskId { get; init; }

    [Setting("seed of the draws")]
    public ulong Seed { get; init; } = 42;

    [Setting("where to compute", Choices = ["cpu", "cuda", "ilgpu-cpu"])]
    public string Device { get; init; } = "cpu";

    [Setting("in what to compute", Choices = ["f32", "bf16"])]
    public DType Dtype { get; init; } = DType.F32;

    [Setting(KvCacheDTypeHelp, Choices = ["auto", "f32", "bf16"], Aliases = ["kv-dtype"])]
    public string KvCacheDtype { get; init; } = "auto";

    public IReadOnlyList<string> Adapters => Directories(Adapter);

    /// <summary>The names in a list with commas between.</summary>
    internal static IReadOnlyList<string> Directories(string? list) =>
        list?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <summary>From what a flag says; null for auto.</summary>
    internal static DType? CacheDType(string? name) => name switch
    {
        "f32" => DType.F32,
        "bf16" => DType.BF16,
        _ => null,
    };

    public GenerationOptions ToGeneration() => new()
    {
        MaxNewTokens = MaxNewTokens,
        // What a float rounds to zero must not take the likeliest token in silence.
        Temperature = Temperature > 0 ? Math.Max((float)Temperature, float.Epsilon) : 0,
        TopK = TopK,
        TopP = (float)TopP,
        MinP = (float)MinP,
        RepetitionPenalty = (float)RepetitionPenalty,
        StopStrings = Stop is null ? [] : [Stop],
        Seed = Seed,
        KvCacheDType = CacheDType(KvCacheDtype),
    };
}

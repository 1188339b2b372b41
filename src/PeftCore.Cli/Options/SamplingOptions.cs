using PeftCore.Cli.Session;
using PeftCore.Tensors;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Options;

/// <summary>Settings of generate and chat.</summary>
internal sealed record SamplingOptions : VerbOptions, ISettings<SamplingOptions>
{
    internal const string KvCacheDTypeHelp =
        "how keys and values of earlier tokens are stored: bf16 takes half the bytes of f32, auto is as the device computes";

    public static SettingRows<SamplingOptions> Rows { get; } = new SettingRows<SamplingOptions>(() => new())
        .Text("model", o => o.Model, (o, v) => o with { Model = v }, "directory of the model", value: "DIR",
            aliases: ["model-name-or-path"])
        .Text("adapter", o => o.Adapter, (o, v) => o with { Adapter = v }, "directories of adapters, with commas between; several add up",
            value: "DIR,…", isList: true)
        .Whole("resize-token-embeddings", o => o.ResizeTokenEmbeddings, (o, v) => o with { ResizeTokenEmbeddings = v },
            SequenceOptions.ResizeHelp, min: 1, fallback: "as the model has them")
        .Text("prompt", o => o.Prompt, (o, v) => o with { Prompt = v }, "text to go on from; chat: what the system says")
        .Whole("max-new-tokens", o => o.MaxNewTokens, (o, v) => o with { MaxNewTokens = v }, "most tokens to generate", min: 1)
        .Number("temperature", o => o.Temperature, (o, v) => o with { Temperature = v },
            "0 takes the likeliest token; higher draws more boldly", min: 0, max: 100)
        .Whole("top-k", o => o.TopK, (o, v) => o with { TopK = v }, "draw among this many of the likeliest tokens; 0 for all", min: 0)
        .Number("top-p", o => o.TopP, (o, v) => o with { TopP = v }, "draw among the fewest tokens whose probabilities reach this sum",
            min: 0, max: 1)
        .Number("min-p", o => o.MinP, (o, v) => o with { MinP = v }, "draw among tokens at least this likely relative to the likeliest",
            min: 0, max: 1)
        .Number("repetition-penalty", o => o.RepetitionPenalty, (o, v) => o with { RepetitionPenalty = v },
            "above 1 makes tokens that occurred less likely", min: 0, max: 100)
        .Text("stop", o => o.Stop, (o, v) => o with { Stop = v }, "end the text before this string")
        .Text("chat-template", o => o.ChatTemplate, (o, v) => o with { ChatTemplate = v }, "chat: a template instead of the model's own",
            value: NamedTemplate.Value)
        .Whole("task-id", o => o.TaskId, (o, v) => o with { TaskId = v }, "task that the text belongs to, for adapters that have several",
            min: 0)
        .Seed(o => o.Seed, (o, v) => o with { Seed = v }, "seed of the draws")
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Choice("dtype", o => o.Dtype, (o, v) => o with { Dtype = v }, "in what to compute", values: [DType.F32, DType.BF16])
        .Text("kv-cache-dtype", o => o.KvCacheDtype, (o, v) => o with { KvCacheDtype = v }, KvCacheDTypeHelp,
            choices: ["auto", "f32", "bf16"], aliases: ["kv-dtype"]);

    public string? Model { get; init; }

    public string? Adapter { get; init; }

    public int? ResizeTokenEmbeddings { get; init; }

    public string? Prompt { get; init; }

    public int MaxNewTokens { get; init; } = 128;

    public double Temperature { get; init; }

    public int TopK { get; init; }

    public double TopP { get; init; } = 1;

    public double MinP { get; init; }

    public double RepetitionPenalty { get; init; } = 1;

    public string? Stop { get; init; }

    public string? ChatTemplate { get; init; }

    public int TaskId { get; init; }

    public ulong Seed { get; init; } = 42;

    public string Device { get; init; } = "cpu";

    public DType Dtype { get; init; } = DType.F32;

    public string KvCacheDtype { get; init; } = "auto";

    public IReadOnlyList<string> Adapters => Directories(Adapter);

    /// <summary>Splits a list of directories at commas.</summary>
    internal static IReadOnlyList<string> Directories(string? list) =>
        list?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <summary>Parses the dtype of the KV cache; null for auto.</summary>
    internal static DType? CacheDType(string? name) => name switch
    {
        "f32" => DType.F32,
        "bf16" => DType.BF16,
        _ => null,
    };

    public GenerationOptions ToGeneration() => new()
    {
        MaxNewTokens = MaxNewTokens,
        // A positive temperature that F32 rounds to zero must not silently become greedy decoding.
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

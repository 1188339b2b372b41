using PeftCore.Cli.Session;
using PeftCore.Tensors;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Options;

/// <summary>Settings of generate and chat.</summary>
internal sealed record SamplingOptions : VerbOptions, ISettings<SamplingOptions>
{
    internal const string KvCacheDTypeHelp =
        "how keys and values of earlier tokens are stored: bf16 takes half the bytes of f32, auto is as the device computes";

    private static readonly GenerationOptions Generation = new();

    private const string OfModel = "generation_config.json's, else ";

    public static SettingRows<SamplingOptions> Rows { get; } = new SettingRows<SamplingOptions>(() => new())
        .Group(HelpGroups.Input)
        .Text("model", o => o.Model, (o, v) => o with { Model = v }, "directory of the model", value: "DIR",
            aliases: ["model-name-or-path"])
        .Text("adapter", o => o.Adapter, (o, v) => o with { Adapter = v }, "directories of adapters, with commas between; several add up",
            value: "DIR,…", isList: true)
        .Whole("resize-token-embeddings", o => o.ResizeTokenEmbeddings, (o, v) => o with { ResizeTokenEmbeddings = v },
            SequenceOptions.ResizeHelp, min: 1, fallback: "as the model has them")
        .Text("prompt", o => o.Prompt, (o, v) => o with { Prompt = v },
            "text to go on from, - for standard input; chat: what the system says")
        .Text("image", o => o.Image, (o, v) => o with { Image = v }, "a picture (PNG or JPEG) to classify, instead of a prompt",
            value: "FILE")
        .Text("labels", o => o.Labels, (o, v) => o with { Labels = v },
            "with --image, for models that compare pictures and texts: what the picture may show", value: "TEXT,…", isList: true)
        .Text("page", o => o.Page, (o, v) => o with { Page = v },
            "words to tag (JSON: words and boxes, or tokens), instead of a prompt", value: "FILE")
        .Text("audio", o => o.Audio, (o, v) => o with { Audio = v }, "a recording (WAV) to transcribe, instead of a prompt", value: "FILE")
        .Group(HelpGroups.Speech)
        .Text("language", o => o.Language, (o, v) => o with { Language = v }, SequenceOptions.LanguageHelp, value: "CODE",
            fallback: "what the model hears")
        .Bool("translate", o => o.Translate, (o, v) => o with { Translate = v }, "with --audio: write English, whatever is spoken")
        .Bool("timestamps", o => o.Timestamps, (o, v) => o with { Timestamps = v }, "with --audio: write when each piece is said")
        .Text("spectrogram", o => o.Spectrogram, (o, v) => o with { Spectrogram = v },
            "with --audio: where to draw the recording's log-mel spectrogram (SVG)", value: "FILE")
        .Group(HelpGroups.Drawing)
        .Text("output-dir", o => o.OutputDir, (o, v) => o with { OutputDir = v },
            "where the pictures go that a diffusion model draws (PNG), instead of text", value: "DIR")
        .Whole("num-images", o => o.NumImages, (o, v) => o with { NumImages = v }, "with --output-dir: pictures to draw", min: 1,
            aliases: ["num-images-per-prompt"])
        .Whole("num-inference-steps", o => o.NumInferenceSteps, (o, v) => o with { NumInferenceSteps = v },
            "with --output-dir: steps of DDIM from noise to a picture", min: 1)
        .Number("guidance-scale", o => o.GuidanceScale, (o, v) => o with { GuidanceScale = v },
            "with --output-dir: how much the prompt counts; 1 for no guidance", min: 0, max: 100,
            fallback: "7.5 with a prompt, else 1")
        .Whole("class-label", o => o.ClassLabel, (o, v) => o with { ClassLabel = v },
            "with --output-dir: the number of the pictures' class, for models that read one", min: 0)
        .Group(HelpGroups.Text)
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
        .Group(HelpGroups.Beams)
        .Whole("num-beams", o => o.NumBeams, (o, v) => o with { NumBeams = v }, "beams of beam search; 1 for none", min: 1,
            fallback: OfModel + "1")
        .Whole("num-return-sequences", o => o.NumReturnSequences, (o, v) => o with { NumReturnSequences = v },
            "texts to return, at most as many as beams", min: 1, fallback: OfModel + "1")
        .Number("length-penalty", o => o.LengthPenalty, (o, v) => o with { LengthPenalty = v },
            "with beams: above 0 favours long texts, below 0 short ones", min: -100, max: 100, fallback: OfModel + "1")
        .Text("early-stopping", o => o.EarlyStopping, (o, v) => o with { EarlyStopping = v },
            "with beams, when to end: true with the first num-beams texts, false when a better one is unlikely, never when impossible",
            choices: ["true", "false", "never"], fallback: OfModel + "false", takesBooleans: true)
        .Whole("no-repeat-ngram-size", o => o.NoRepeatNgramSize, (o, v) => o with { NoRepeatNgramSize = v },
            "no so many tokens in a row occur twice; 0 for no limit", min: 0, fallback: OfModel + "0")
        .Whole("min-length", o => o.MinLength, (o, v) => o with { MinLength = v },
            "least tokens before the text may end, the prompt's included", min: 0, fallback: OfModel + "0")
        .Whole("min-new-tokens", o => o.MinNewTokens, (o, v) => o with { MinNewTokens = v }, "least new tokens before the text may end",
            min: 0, fallback: OfModel + "0")
        .Whole("forced-bos-token-id", o => o.ForcedBosTokenId, (o, v) => o with { ForcedBosTokenId = v },
            "the token after a first single one, such as a language", min: 0, fallback: OfModel + "none")
        .Whole("forced-eos-token-id", o => o.ForcedEosTokenId, (o, v) => o with { ForcedEosTokenId = v },
            "the token at the greatest length", min: 0, fallback: OfModel + "none")
        .Group(HelpGroups.Text)
        .Text("stop", o => o.Stop, (o, v) => o with { Stop = v }, "end the text before this string")
        .Text("chat-template", o => o.ChatTemplate, (o, v) => o with { ChatTemplate = v }, "chat: a template instead of the model's own",
            value: NamedTemplate.Value)
        .Whole("task-id", o => o.TaskId, (o, v) => o with { TaskId = v }, "task that the text belongs to, for adapters that have several",
            min: 0)
        .Seed(o => o.Seed, (o, v) => o with { Seed = v }, "seed of the draws")
        .Group(HelpGroups.Device)
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Choice("dtype", o => o.Dtype, (o, v) => o with { Dtype = v }, "in what to compute", values: [DType.F32, DType.BF16])
        .Text("kv-cache-dtype", o => o.KvCacheDtype, (o, v) => o with { KvCacheDtype = v }, KvCacheDTypeHelp,
            choices: ["auto", "f32", "bf16"], aliases: ["kv-dtype"])
        .Limits("max-memory", o => o.Limits, (o, v) => o with { Limits = v }, "the most memory to take")
        .Quantized();

    public string? Model { get; init; }

    public string? Adapter { get; init; }

    public int? ResizeTokenEmbeddings { get; init; }

    public string? Prompt { get; init; }

    public string? Image { get; init; }

    public string? Labels { get; init; }

    public string? Page { get; init; }

    public string? Audio { get; init; }

    public string? Language { get; init; }

    public bool Translate { get; init; }

    public bool Timestamps { get; init; }

    public string? Spectrogram { get; init; }

    public string? OutputDir { get; init; }

    public int NumImages { get; init; } = 1;

    public int NumInferenceSteps { get; init; } = 50;

    public double? GuidanceScale { get; init; }

    public int? ClassLabel { get; init; }

    public int MaxNewTokens { get; init; } = Generation.MaxNewTokens;

    public double Temperature { get; init; } = Generation.Temperature;

    public int TopK { get; init; } = Generation.TopK;

    public double TopP { get; init; } = Generation.TopP;

    public double MinP { get; init; } = Generation.MinP;

    public double RepetitionPenalty { get; init; } = Generation.RepetitionPenalty;

    public int? NumBeams { get; init; }

    public int? NumReturnSequences { get; init; }

    public double? LengthPenalty { get; init; }

    public string? EarlyStopping { get; init; }

    public int? NoRepeatNgramSize { get; init; }

    public int? MinLength { get; init; }

    public int? MinNewTokens { get; init; }

    public int? ForcedBosTokenId { get; init; }

    public int? ForcedEosTokenId { get; init; }

    public string? Stop { get; init; }

    public string? ChatTemplate { get; init; }

    public int TaskId { get; init; }

    public ulong Seed { get; init; } = Generation.Seed;

    public string Device { get; init; } = "cpu";

    public DType Dtype { get; init; } = DType.F32;

    public string KvCacheDtype { get; init; } = "auto";

    public MemoryLimits? Limits { get; init; }

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

    /// <summary>The options of generation: the flags, and what the model's files say of the others.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="tell">Receives a sentence about what the model's files set.</param>
    /// <exception cref="BadInputException">The model's file is malformed.</exception>
    public GenerationOptions ToGeneration(string directory, Action<string>? tell)
    {
        var model = GenerationOptions.FromModel(directory, GivenFields(), tell);
        var chosen = model with
        {
            MaxNewTokens = Given.PlaceOf("max-new-tokens") is null ? model.MaxNewTokens : MaxNewTokens,
            // A positive temperature that F32 rounds to zero must not silently become greedy decoding.
            Temperature = Temperature > 0 ? Math.Max((float)Temperature, float.Epsilon) : 0,
            TopK = TopK,
            TopP = (float)TopP,
            MinP = (float)MinP,
            RepetitionPenalty = Given.PlaceOf("repetition-penalty") is null ? model.RepetitionPenalty : (float)RepetitionPenalty,
            NumBeams = NumBeams ?? model.NumBeams,
            NumReturnSequences = NumReturnSequences ?? model.NumReturnSequences,
            LengthPenalty = LengthPenalty ?? model.LengthPenalty,
            EarlyStopping = EarlyStopping is null ? model.EarlyStopping : EarlyStopping == "never" ? null : EarlyStopping == "true",
            NoRepeatNgramSize = NoRepeatNgramSize ?? model.NoRepeatNgramSize,
            MinLength = MinLength ?? model.MinLength,
            MinNewTokens = MinNewTokens ?? model.MinNewTokens,
            ForcedBosTokenId = ForcedBosTokenId ?? model.ForcedBosTokenId,
            ForcedEosTokenId = ForcedEosTokenId ?? model.ForcedEosTokenId,
            StopStrings = Stop is null ? [] : [Stop],
            Seed = Seed,
            KvCacheDType = CacheDType(KvCacheDtype),
        };
        var beamsOnly = new NoEffect<SamplingOptions>(["length-penalty", "early-stopping"], _ => "without beams; give --num-beams");
        if (chosen.NumBeams == 1 && beamsOnly.Sentence(this) is { } sentence)
        {
            tell?.Invoke(sentence);
        }
        return chosen;
    }

    /// <summary>Fields of generation_config.json that the flags replace. Sampling replaces beam search.</summary>
    private List<string> GivenFields()
    {
        List<string> fields = [.. Rows.All.Where(row => Given.PlaceOf(row.Name) is not null).Select(row => row.FileName)];
        if (Temperature > 0)
        {
            fields.AddRange(["num_beams", "num_return_sequences", "length_penalty", "early_stopping"]);
        }
        return fields;
    }
}

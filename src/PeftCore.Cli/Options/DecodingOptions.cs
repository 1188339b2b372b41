using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Cli.Options;

/// <summary>Settings of bench generate.</summary>
internal sealed record DecodingOptions : VerbOptions, ISettings<DecodingOptions>
{
    public static SettingRows<DecodingOptions> Rows { get; } = new SettingRows<DecodingOptions>(() => new())
        .Group(HelpGroups.Input)
        .Text("model", o => o.Model, (o, v) => o with { Model = v }, "directory of the model", value: "DIR",
            aliases: ["model-name-or-path"])
        .Text("config", o => o.Config, (o, v) => o with { Config = v }, "a config.json alone; weights are random", value: "FILE")
        .Whole("resize-token-embeddings", o => o.ResizeTokenEmbeddings, (o, v) => o with { ResizeTokenEmbeddings = v },
            SequenceOptions.ResizeHelp, min: 1, fallback: "as the model has them")
        .Text("adapter", o => o.Adapter, (o, v) => o with { Adapter = v }, "directories of adapters, with commas between; several add up",
            value: "DIR,…", isList: true)
        .Whole("lora-adapters", o => o.LoraAdapters, (o, v) => o with { LoraAdapters = v },
            "LoRA adapters of rank 8 with random values: time a batch of requests of one of them, of all, and one by one", min: 0,
            fallback: "none")
        .Whole("prompt-length", o => o.PromptLength, (o, v) => o with { PromptLength = v }, "tokens of each prompt", min: 1)
        .Whole("max-new-tokens", o => o.MaxNewTokens, (o, v) => o with { MaxNewTokens = v }, "tokens to generate after it", min: 2)
        .Whole("batch-size", o => o.BatchSize, (o, v) => o with { BatchSize = v }, "sequences at once", min: 1)
        .Text("kv-cache-dtype", o => o.KvCacheDtype, (o, v) => o with { KvCacheDtype = v }, SamplingOptions.KvCacheDTypeHelp,
            choices: ["auto", "f32", "bf16"], aliases: ["kv-dtype"])
        .Whole("runs", o => o.Runs, (o, v) => o with { Runs = v }, "timed runs, of which medians are taken", min: 1)
        .Whole("warmup", o => o.Warmup, (o, v) => o with { Warmup = v }, "runs before, not timed", min: 0, fallback: WarmUp.DefaultText)
        .Seed(o => o.Seed, (o, v) => o with { Seed = v }, "seed of prompts and random weights")
        .Group(HelpGroups.Device)
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Choice("dtype", o => o.Dtype, (o, v) => o with { Dtype = v }, "in what to compute; on the CPU, how weights are stored",
            values: [DType.F32, DType.BF16], fallback: "f32; a directory's weights stay as they are")
        .Limits("max-memory", o => o.Limits, (o, v) => o with { Limits = v }, "the most memory to take")
        .Bool("pack-weights", o => o.PackWeights, (o, v) => o with { PackWeights = v },
            "keep frozen weights packed for the matrix products of prompts (CPU)")
        .Whole("threads", o => o.Threads, (o, v) => o with { Threads = v }, "CPU threads", min: 0, fallback: "all cores")
        .Quantized();

    public string? Model { get; init; }

    public string? Config { get; init; }

    public int? ResizeTokenEmbeddings { get; init; }

    public string? Adapter { get; init; }

    public int LoraAdapters { get; init; }

    public int PromptLength { get; init; } = 128;

    public int MaxNewTokens { get; init; } = 64;

    public int BatchSize { get; init; } = 1;

    public string KvCacheDtype { get; init; } = "auto";

    public int Runs { get; init; } = 3;

    public int? Warmup { get; init; }

    public ulong Seed { get; init; } = new GenerationOptions().Seed;

    public string Device { get; init; } = "cpu";

    public DType Dtype { get; init; } = DType.F32;

    public MemoryLimits? Limits { get; init; }

    /// <summary>The limit of the device.</summary>
    public ByteSize? MaxMemory => Limits?.For(Device);

    public bool PackWeights { get; init; }

    public int Threads { get; init; }

    public IReadOnlyList<string> Adapters => SamplingOptions.Directories(Adapter);

    public DecodingShape Shape => new(BatchSize, PromptLength, MaxNewTokens, SamplingOptions.CacheDType(KvCacheDtype), Seed);

    /// <summary>The model settings as those of training.</summary>
    public TrainOptions ForTraining => new()
    {
        Model = Model, Dtype = Dtype, Device = Device, Seed = Seed, PackWeights = PackWeights,
        ResizeTokenEmbeddings = ResizeTokenEmbeddings, Quantization = Quantization,
    };
}

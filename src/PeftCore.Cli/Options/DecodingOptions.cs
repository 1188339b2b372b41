using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Tensors;

namespace PeftCore.Cli.Options;

/// <summary>What bench generate takes.</summary>
internal sealed record DecodingOptions : VerbOptions
{
    [Setting("directory of the model", Value = "DIR", Aliases = ["model-name-or-path"])]
    public string? Model { get; init; }

    [Setting("a config.json alone; weights are random", Value = "FILE")]
    public string? Config { get; init; }

    [Setting(SequenceOptions.ResizeHelp, Min = 1, Default = "as the model has them")]
    public int? ResizeTokenEmbeddings { get; init; }

    [Setting("directories of adapters, with commas between; several add up", Value = "DIR,…", IsList = true)]
    public string? Adapter { get; init; }

    [Setting("tokens of each prompt", Min = 1)]
    public int PromptLength { get; init; } = 128;

    [Setting("tokens to generate after it", Min = 2)]
    public int MaxNewTokens { get; init; } = 64;

    [Setting("sequences at once", Min = 1)]
    public int BatchSize { get; init; } = 1;

    [Setting(SamplingOptions.KvCacheDTypeHelp, Choices = ["auto", "f32", "bf16"], Aliases = ["kv-dtype"])]
    public string KvCacheDtype { get; init; } = "auto";

    [Setting("timed runs, of which medians are taken", Min = 1)]
    public int Runs { get; init; } = 3;

    [Setting("runs before, not timed", Min = 0)]
    public int Warmup { get; init; } = 1;

    [Setting("seed of prompts and random weights")]
    public ulong Seed { get; init; } = 42;

    [Setting("where to compute", Choices = ["cpu", "cuda", "ilgpu-cpu"])]
    public string Device { get; init; } = "cpu";

    [Setting("in what to compute; on the CPU, how weights are stored", Choices = ["f32", "bf16"],
        Default = "f32; a directory's weights stay as they are")]
    public DType Dtype { get; init; } = DType.F32;

    [Setting("the most memory to take", Value = "6GiB")]
    public ByteSize? MaxMemory { get; init; }

    [Setting("keep frozen weights packed for the matrix products of prompts (CPU)")]
    public bool PackWeights { get; init; }

    [Setting("CPU threads", Min = 0, Default = "all cores")]
    public int Threads { get; init; }

    public IReadOnlyList<string> Adapters => SamplingOptions.Directories(Adapter);

    public DecodingShape Shape => new(BatchSize, PromptLength, MaxNewTokens, SamplingOptions.CacheDType(KvCacheDtype), Seed);

    /// <summary>The model, as training takes it.</summary>
    public TrainOptions ForTraining => new()
    {
        Model = Model, Dtype = Dtype, Device = Device, Seed = Seed, PackWeights = PackWeights,
        ResizeTokenEmbeddings = ResizeTokenEmbeddings
    };
}

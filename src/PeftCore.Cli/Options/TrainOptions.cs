using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Ilgpu;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Options;

/// <summary>Settings of train, plan and bench step, with Hugging Face's names. The defaults are those of the library: of
/// <see cref="TrainerOptions"/>, <see cref="LoraConfig"/> and <see cref="Data.EncodeOptions"/>.</summary>
internal sealed partial record TrainOptions : SequenceOptions, ISettings<TrainOptions>
{
    private static readonly LoraConfig Lora = new();
    private static readonly TrainerOptions Trainer = new();

    /// <summary>Names of optimizers in Hugging Face's Trainer and, adam_w, in settings files of earlier versions.</summary>
    private static Dictionary<string, string> OtherOptimizerNames => new()
    {
        ["adam_w"] = "adamw", ["adamw_torch"] = "adamw", ["adamw_torch_fused"] = "adamw", ["adamw_bnb_8bit"] = "adamw_8bit",
        ["lion_32bit"] = "lion", ["paged_adamw_32bit"] = "paged_adamw", ["paged_lion_32bit"] = "paged_lion",
    };

    /// <summary>The name of an optimizer as --optim reads it.</summary>
    public static string NameOf(OptimizerKind kind) => kind.ToString().Replace("8Bit", "_8bit", StringComparison.Ordinal)
        .Replace("Paged", "paged_", StringComparison.Ordinal).Replace("Lora", "lora_", StringComparison.Ordinal).ToLowerInvariant();

    public string? Data { get; init; }

    public string? OutputDir { get; init; }

    public string? Task { get; init; }

    public string? ProblemType { get; init; }

    public string? Pooling { get; init; }

    public double? Temperature { get; init; }

    public string Method { get; init; } = "lora";

    public string? MethodOptions { get; init; }

    public int LoraR { get; init; } = Lora.Rank;

    public double LoraAlpha { get; init; } = Lora.Alpha;

    public double LoraDropout { get; init; } = Lora.Dropout;

    public string? TargetModules { get; init; }

    public string? ExcludeModules { get; init; }

    public string? LayersToTransform { get; init; }

    public string? LayersPattern { get; init; }

    public string? RankPattern { get; init; }

    public string? AlphaPattern { get; init; }

    public string? ModulesToSave { get; init; }

    public BiasMode Bias { get; init; } = Lora.Bias;

    public bool UseRslora { get; init; } = Lora.UseRsLora;

    public bool UseDora { get; init; } = Lora.UseDora;

    public string InitLoraWeights { get; init; } = Lora.InitName;

    public int InitBatches { get; init; } = UsualBatches.OfCalibration;

    public int? NumVirtualTokens { get; init; }

    public string? PromptTuningInit { get; init; }

    public string? PromptTuningInitText { get; init; }

    public string? EncoderReparameterizationType { get; init; }

    public int? EncoderHiddenSize { get; init; }

    public bool? PrefixProjection { get; init; }

    public string? FeedforwardModules { get; init; }

    public string? TokenIndices { get; init; }

    public double? ReductionFactor { get; init; }

    public string? NonLinearity { get; init; }

    public int? NumTrainedLayers { get; init; }

    public double? Density { get; init; }

    public string? Criterion { get; init; }

    public string? Mask { get; init; }

    public int? RefineEvery { get; init; }

    public int GradientAccumulationSteps { get; init; } = Trainer.GradientAccumulationSteps;

    public double LearningRate { get; init; } = Trainer.LearningRate;

    public string LrSchedulerType { get; init; } = Trainer.Schedule.ToString().ToLowerInvariant();

    public int WarmupSteps { get; init; } = Trainer.WarmupSteps;

    public double WarmupRatio { get; init; } = Trainer.WarmupRatio;

    public double NumEpochs { get; init; } = Trainer.Epochs;

    /// <summary>The steps of the run; -1, as in Hugging Face's Trainer, or 0 for <see cref="NumEpochs"/>.</summary>
    public int MaxSteps { get; init; } = -1;

    public bool Packing { get; init; }

    public bool Flip { get; init; }

    public double? RandomCrop { get; init; }

    public double SpeedChange { get; init; }

    public double RandomFilter { get; init; }

    public double AddNoise { get; init; }

    public double Shift { get; init; }

    /// <summary>Whether training recordings are changed at random.</summary>
    public bool AugmentsSound => SpeedChange > 0 || RandomFilter > 0 || AddNoise > 0 || Shift > 0;

    /// <summary>Whether training pictures are changed at random.</summary>
    public bool Augments => Flip || RandomCrop < 1;

    public bool GradientCheckpointing { get; init; }

    // Through decimal, so that the default is 0.9 and not the float32 number next to it.
    public double AdamBeta1 { get; init; } = (double)(decimal)Trainer.Betas.Beta1;

    public double AdamBeta2 { get; init; } = (double)(decimal)Trainer.Betas.Beta2;

    public double AdamEpsilon { get; init; } = (double)(decimal)Trainer.Epsilon;

    public double LoraplusLrRatio { get; init; } = Trainer.LoraPlusRates.Ratio;

    public double LoraplusLrEmbedding { get; init; } = Trainer.LoraPlusRates.Embedding;

    /// <summary>Whether the inputs of recomputed blocks are kept in host memory.</summary>
    public bool OffloadCheckpoints { get; init; }

    public double WeightDecay { get; init; } = Trainer.WeightDecay;

    public double MaxGradNorm { get; init; } = Trainer.MaxGradNorm;

    public int? EvalSteps { get; init; }

    public int? SaveSteps { get; init; }

    public int SaveTotalLimit { get; init; } = Trainer.SaveTotalLimit;

    public bool LoadBestModelAtEnd { get; init; } = Trainer.LoadBestModelAtEnd;

    public string? MetricForBestModel { get; init; }

    public int EarlyStoppingPatience { get; init; } = Trainer.EarlyStoppingPatience;

    public double ValidationSplit { get; init; }

    public OptimizerKind Optimizer { get; init; } = Trainer.Optimizer;

    public int LoggingSteps { get; init; } = Trainer.LoggingSteps;

    public string ReportTo { get; init; } = "none";

    public string? ResumeFromCheckpoint { get; init; }

    public DType Dtype { get; init; } = DType.F32;

    public MemoryLimits? Limits { get; init; }

    /// <summary>The limit of the device.</summary>
    public ByteSize? MaxMemory => Limits?.For(Device);

    /// <summary>The most host memory for what does not fit on the device; null if nothing is kept there.</summary>
    public long? HostLimit => Limits?.HostFor(Device);

    /// <summary>Whether weights that do not fit stay in their file.</summary>
    public bool KeepOnDisk => Limits is not null && Device == "cpu";

    /// <summary>Whether the inputs of recomputed blocks leave the device, which the CPU's cannot.</summary>
    public bool UseHostCheckpoints => OffloadCheckpoints && Device != "cpu";

    /// <summary>The optimizer with its state on the device.</summary>
    public OptimizerKind Unpaged => Optimizer switch
    {
        OptimizerKind.PagedAdamW => OptimizerKind.AdamW,
        OptimizerKind.PagedAdamW8Bit => OptimizerKind.AdamW8Bit,
        OptimizerKind.PagedLion => OptimizerKind.Lion,
        _ => Optimizer,
    };

    /// <summary>The optimizer as the device keeps its state, which the CPU cannot page out.</summary>
    public OptimizerKind DeviceOptimizer => Device == "cpu" ? Unpaged : Optimizer;

    /// <summary>Whether the optimizer tells LoRA's factors apart.</summary>
    public bool IsLoraOptimizer => Optimizer is OptimizerKind.LoraPlus or OptimizerKind.LoraFa;

    public bool NoReplay { get; init; }

    public bool PackWeights { get; init; }

    /// <summary>Whether the device keeps frozen weights packed.</summary>
    public bool UsePackedWeights => PackWeights && Device == "cpu";

    /// <summary>Bytes of a chunk of the device's memory.</summary>
    public long ChunkBytes => IlgpuDevices.ChunkBytes(Device);

    /// <summary>Dtype of activations on the device.</summary>
    public DType Activations => Device == "cpu" ? DType.F32 : Dtype;

    /// <summary>Whether the device has tensor cores, which read BF16.</summary>
    public bool TensorCores => Device != "ilgpu-cpu";
}

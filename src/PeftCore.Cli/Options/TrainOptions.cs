using PeftCore.Cli.Output;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Options;

/// <summary>What train, plan and bench step take, with Hugging Face's names and defaults.</summary>
internal sealed record TrainOptions : SequenceOptions
{
    [Setting("training data: a file, or a directory with train, valid and test files", Value = "FILE|DIR")]
    public string? Data { get; init; }

    [Setting("where the adapter, the log and checkpoints go", Value = "DIR")]
    public string? OutputDir { get; init; }

    [Setting("how to fine-tune", Value = "NAME")]
    public string Method { get; init; } = "lora";

    [Setting("fields of the method's adapter_config.json, such as r=16,alpha=32", Value = "a=1,b=2", IsList = true)]
    public string? MethodOptions { get; init; }

    [Setting("rank of the update matrices", Min = 1)]
    public int LoraR { get; init; } = 8;

    [Setting("scale of the update: alpha / r", Min = 0)]
    public double LoraAlpha { get; init; } = 8;

    [Setting("dropout on the input of the update", Min = 0, Max = 0.99)]
    public double LoraDropout { get; init; }

    [Setting("layers to adapt: names with commas between, a regular expression, or all-linear", Value = "a,b|all-linear",
        Default = "the model family's own", IsList = true)]
    public string? TargetModules { get; init; }

    [Setting("modules to train whole and save with the adapter", Value = "a,b", IsList = true)]
    public string? ModulesToSave { get; init; }

    [Setting("which biases train")]
    public BiasMode Bias { get; init; } = BiasMode.None;

    [Setting("scale by alpha / sqrt(r) (rank-stabilized LoRA)")]
    public bool UseRslora { get; init; }

    [Setting("train magnitude and direction apart (DoRA)")]
    public bool UseDora { get; init; }

    [Setting("how the update starts", Value = "true|false|gaussian|pissa|pissa_niter_N|olora|eva|corda|lora_ga|loftq",
        TakesBooleans = true)]
    public string InitLoraWeights { get; init; } = "true";

    [Setting("batches of the training data that eva, corda and lora_ga look at", Min = 1)]
    public int InitBatches { get; init; } = LoraCalibration.UsualBatches;

    [Setting("virtual tokens before every sequence (prompt_tuning, p_tuning, prefix_tuning)", Min = 1, Default = "20")]
    public int? NumVirtualTokens { get; init; }

    [Setting("how prompt tuning starts", Choices = ["RANDOM", "TEXT", "SAMPLE_VOCAB"], Default = "RANDOM")]
    public string? PromptTuningInit { get; init; }

    [Setting("the text it starts from", Value = "TEXT")]
    public string? PromptTuningInitText { get; init; }

    [Setting("the network of p_tuning", Choices = ["MLP", "LSTM"], Default = "MLP")]
    public string? EncoderReparameterizationType { get; init; }

    [Setting("columns inside the network of p_tuning or prefix_tuning", Min = 1, Default = "as wide as a token")]
    public int? EncoderHiddenSize { get; init; }

    [Setting("make prefixes with a network")]
    public bool? PrefixProjection { get; init; }

    [Setting("targets of ia3 whose input is rescaled", Value = "a,b", Default = "the model family's own", IsList = true)]
    public string? FeedforwardModules { get; init; }

    [Setting("tokens of trainable_tokens", Value = "1,2,3", IsList = true)]
    public string? TokenIndices { get; init; }

    [Setting("hidden size over that of a bottleneck", Min = 1e-3, Default = "16, for par_bn 2")]
    public double? ReductionFactor { get; init; }

    [Setting("what stands inside a bottleneck, such as relu or swish", Value = "NAME", Default = "the architecture's own")]
    public string? NonLinearity { get; init; }

    [Setting("blocks of last_layers", Min = 1, Default = "1")]
    public int? NumTrainedLayers { get; init; }

    [Setting("share of the entries that sparse trains", Min = 0, Max = 1, Default = "0.01")]
    public double? Density { get; init; }

    [Setting("what sparse chooses entries by", Choices = ["magnitude", "gradient", "fisher", "snip", "movement", "random"],
        Default = "gradient")]
    public string? Criterion { get; init; }

    [Setting("the entries, as peftcore select writes them", Value = "FILE")]
    public string? Mask { get; init; }

    [Setting("steps between rounds that drop entries of sparse and choose others", Min = 1, Default = "none")]
    public int? RefineEvery { get; init; }

    [Setting("batches whose gradients are summed before a step", Min = 1)]
    public int GradientAccumulationSteps { get; init; } = 1;

    [Setting("highest learning rate", Min = 0)]
    public double LearningRate { get; init; } = 5e-5;

    [Setting("how the learning rate goes down", Choices = ["linear", "cosine", "constant"])]
    public string LrSchedulerType { get; init; } = "linear";

    [Setting("steps over which the learning rate rises", Min = 0)]
    public int WarmupSteps { get; init; }

    [Setting("the same as a share of all steps", Min = 0, Max = 1)]
    public double WarmupRatio { get; init; }

    [Setting("passes over the data", Min = 0, Aliases = ["num-train-epochs"])]
    public double NumEpochs { get; init; } = 3;

    [Setting("steps in all, instead of epochs", Min = -1, Default = "by epochs")]
    public int MaxSteps { get; init; } = -1;

    [Setting("put several short samples into one sequence; none sees another")]
    public bool Packing { get; init; }

    [Setting("keep less for the backward pass and compute it again")]
    public bool GradientCheckpointing { get; init; }

    [Setting("AdamW's weight decay", Min = 0)]
    public double WeightDecay { get; init; }

    [Setting("longest gradient; longer ones are scaled down, 0 leaves them", Min = 0)]
    public double MaxGradNorm { get; init; } = 1;

    [Setting("evaluate after this many steps", Min = 1, Default = "after each epoch")]
    public int? EvalSteps { get; init; }

    [Setting("write a checkpoint after this many steps", Min = 1, Default = "after each epoch")]
    public int? SaveSteps { get; init; }

    [Setting("checkpoints to keep beside the last and the best; 0 keeps all", Min = 0)]
    public int SaveTotalLimit { get; init; } = 2;

    [Setting("end with the parameters that had the lowest held-out loss")]
    public bool LoadBestModelAtEnd { get; init; }

    [Setting("evaluations without a better held-out loss after which to stop; 0 never does", Min = 0)]
    public int EarlyStoppingPatience { get; init; }

    [Setting("part of the training samples to hold out, if there are no validation data", Min = 0, Max = 0.9)]
    public double ValidationSplit { get; init; }

    [Setting("which optimizer trains", Aliases = ["optim"])]
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.AdamW;

    [Setting("write a line of the log after this many steps", Min = 1)]
    public int LoggingSteps { get; init; } = 10;

    [Setting("go on from a checkpoint as if it had never stopped", Value = "DIR")]
    public string? ResumeFromCheckpoint { get; init; }

    [Setting("in what to compute", Choices = ["f32", "bf16"])]
    public DType Dtype { get; init; } = DType.F32;

    [Setting("refuse to start if the plan needs more memory", Value = "6GiB")]
    public ByteSize? MaxMemory { get; init; }

    [Setting("run every training pass anew instead of replaying a recorded one")]
    public bool NoReplay { get; init; }

    [Setting("keep frozen weights packed for matrix products: faster, and up to twice their bytes more (CPU)")]
    public bool PackWeights { get; init; }

    /// <summary>Whether the device keeps frozen weights packed.</summary>
    public bool Packs => PackWeights && Device == "cpu";

    /// <summary>How the device stores what flows through the model.</summary>
    public DType Activations => Device == "cpu" ? DType.F32 : Dtype;
}

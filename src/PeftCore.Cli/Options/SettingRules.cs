using PeftCore.Cli.Demo;
using PeftCore.Cli.Session;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Sparse;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Options;

/// <summary>The rules about settings without effect, verb by verb. Rules that depend on the data or the model are checked where those are
/// read.</summary>
internal static class SettingRules
{
    private const string OnCpu = "on the CPU, which computes in F32 whatever the weights are stored in";

    /// <summary>Settings of a training run that do not change the memory or time of a step.</summary>
    private static readonly string[] OfRuns =
    [
        "data", "fields", "label-spaces", "flip", "random-crop", "speed-change", "random-filter", "add-noise", "shift", "skip-bad",
        "language", "output-dir", "mask-prompt", "packing", "init-batches", "lr-scheduler-type", "warmup-steps", "warmup-ratio",
        "num-epochs", "max-steps", "eval-steps", "save-steps",
        "save-total-limit", "load-best-model-at-end", "metric-for-best-model", "early-stopping-patience", "validation-split",
        "logging-steps", "report-to", "resume-from-checkpoint",
    ];

    private static readonly NoEffect<TrainOptions>[] OfTraining =
    [
        new(AdapterFlags.OfLora, options => AdapterSetup.TryConfigOf(options) is { } config && !AdapterFlags.IsLora(config)
            ? $"with --method {options.Method}" : null),
        new(["prompt-tuning-init-text"], options => AdapterSetup.TryConfigOf(options) is PromptTuningConfig { Init: not PromptInit.Text }
            ? "unless --prompt-tuning-init is TEXT" : null),
        new(["encoder-hidden-size"], options => AdapterSetup.TryConfigOf(options) is PrefixTuningConfig { PrefixProjection: false }
            ? "without --prefix-projection" : null),
        new(["density", "criterion"], options => AdapterSetup.TryConfigOf(options) is SparseConfig { MaskPath: not null }
            ? "beside --mask, which names the entries" : null),
        new(["threads", "pack-weights"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null),
        new(["dtype"], options => options is { Device: "cpu", Dtype: DType.BF16 }
            ? "on what the CPU computes, which is in F32; it only stores the frozen weights in bf16" : null, Wholly: false),
        new(["max-memory"], options => options.Limits?.Idle(options.Device), Wholly: false),
        new(["adam-beta1", "adam-beta2"], options => options.Optimizer switch
        {
            OptimizerKind.Sgd => "with --optim sgd, which has no moments",
            OptimizerKind.Adafactor => "with --optim adafactor, whose decay follows from the step",
            _ => null,
        }),
        new(["adam-epsilon"], options => options.IsLoraOptimizer || options.Unpaged is OptimizerKind.AdamW or OptimizerKind.AdamW8Bit ? null
            : $"with --optim {TrainOptions.NameOf(options.Optimizer)}, which divides by no root of a second moment with it"),
        new(["loraplus-lr-ratio", "loraplus-lr-embedding"], options => options.Optimizer == OptimizerKind.LoraPlus ? null
            : $"with --optim {TrainOptions.NameOf(options.Optimizer)}, which is not lora_plus"),
        new(["optimizer"], options => options.Optimizer != options.DeviceOptimizer
            ? "on where the optimizer's state is kept, because the CPU's memory is the host's" : null, Wholly: false),
        new(["gradient-checkpointing"], options => options is { OffloadCheckpoints: true, Device: "cpu" }
            ? "on where checkpoints are kept, because the CPU's memory is the host's; they are recomputed from" : null, Wholly: false),
    ];

    public static NoEffect<TrainOptions>[] Train { get; } =
    [
        .. OfTraining,
        new(["num-epochs"], options => options.MaxSteps > 0 ? "beside --max-steps, which says how long to train" : null),
        new(["warmup-ratio"], options => options.WarmupSteps > 0 ? "beside --warmup-steps, which says how long the learning rate rises"
            : null),
        new(["init-batches"], options => AdapterSetup.TryConfigOf(options) is { } config && !LoraCalibration.NeedsData(config)
            ? "unless --init-lora-weights is eva, corda or lora_ga" : null),
    ];

    private static readonly NoEffect<TrainOptions> NoClasses = new(["label-names"], options =>
        options.Task is null || !TaskChoice.HasLabels(TaskNames.Parse(options.Task)) ? "without --task seq-cls or token-cls" : null);

    public static NoEffect<TrainOptions>[] Plan { get; } =
    [
        .. OfTraining, NoClasses,
        new([.. OfRuns, "learning-rate", "adam-beta1", "adam-beta2", "adam-epsilon", "loraplus-lr-ratio", "loraplus-lr-embedding",
            "seed", "no-replay"], _ => "on what a step takes, so none on its plan"),
    ];

    public static NoEffect<TrainOptions>[] BenchStep { get; } = [.. OfTraining, NoClasses, new(OfRuns, _ => "on the time of a step")];

    private static readonly NoEffect<SamplingOptions>[] OfGeneration =
    [
        new(["top-k", "top-p", "min-p", "seed"], options => options.Temperature == 0 && options.OutputDir is null
            ? "while --temperature is 0, which takes the likeliest token" : null),
        new(["dtype"], options => options is { Device: "cpu", Dtype: DType.BF16 } ? OnCpu : null),
        new(["max-memory"], options => options.Limits?.Idle(options.Device), Wholly: false),
    ];

    private static readonly string[] OfText =
    [
        "max-new-tokens", "temperature", "repetition-penalty", "num-beams", "num-return-sequences", "length-penalty", "early-stopping",
        "no-repeat-ngram-size", "min-length", "min-new-tokens", "forced-bos-token-id", "forced-eos-token-id", "stop", "kv-cache-dtype",
    ];

    private static readonly string[] OfDrawing = ["num-images", "num-inference-steps", "guidance-scale", "class-label"];

    private static readonly string[] OfSpeech = ["language", "translate", "timestamps", "spectrogram"];

    public static NoEffect<SamplingOptions>[] Chat { get; } =
        [.. OfGeneration, new(["image", "labels"], _ => "in chat, which reads text; generate classifies pictures"),
            new(["page"], _ => "in chat, which reads text; generate tags words"),
            new(["audio", .. OfSpeech], _ => "in chat, which reads text; generate transcribes"),
            new(["output-dir", .. OfDrawing], _ => "in chat, which writes text; generate draws"),
            new(["num-return-sequences"], _ => "in chat, which goes on from the best answer")];

    public static NoEffect<SamplingOptions>[] Generate { get; } =
        [.. OfGeneration, new([.. OfSpeech], options => options.Audio is null ? "without --audio" : null),
            new(["labels"], options => options.Image is null ? "without --image" : null),
            new(["prompt"], options => options.Image is not null ? "beside --image" : options.Page is not null ? "beside --page"
                : options.Audio is not null ? "beside --audio" : null),
            new(["audio", "page"], options => options.Image is not null ? "beside --image" : null),
            new(["audio"], options => options.Image is null && options.Page is not null ? "beside --page" : null),
            new(["output-dir"], options => options.Image is not null ? "beside --image" : options.Page is not null ? "beside --page"
                : options.Audio is not null ? "beside --audio" : null),
            new(["top-k", "top-p", "min-p"], options => options.OutputDir is not null ? "beside --output-dir, where pictures go" : null),
            new(OfDrawing, options => options.OutputDir is null ? "without --output-dir" : null),
            new(OfText, options => options.Image is not null ? "on a picture, of which the classes are told"
                : options.Page is not null ? "on a page, of which the tags are told"
                : options.OutputDir is not null ? "beside --output-dir, where pictures go" : null),
            new(["chat-template"], _ => "in generate, which goes on from the prompt as it is written; chat uses it")];

    public static NoEffect<ServeOptions>[] Serve { get; } =
    [
        new(["threads"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null),
        new(["dtype"], options => options is { Device: "cpu", Dtype: DType.BF16 } ? OnCpu : null),
        new(["max-memory"], options => options.Limits?.Idle(options.Device), Wholly: false),
        new(["max-loaded-adapters"], options => options.Adapter is null && options.AdaptersDir is null
            ? "without --adapter or --adapters-dir" : null),
    ];

    public static NoEffect<DecodingOptions>[] BenchGenerate { get; } =
    [
        new(["adapter"], options => options.LoraAdapters > 0 ? "beside --lora-adapters, which requests name" : null),
        new(["threads", "pack-weights"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null),
        new(["dtype"], options => options is { Device: "cpu", Dtype: DType.BF16 }
            ? "on what the CPU computes, which is in F32; it only stores the weights in bf16" : null, Wholly: false),
        new(["max-memory"], options => options.Limits?.Idle(options.Device), Wholly: false),
    ];

    public static NoEffect<SelectOptions>[] Select { get; } =
    [
        new(["data", "fields", "label-names", "label-spaces", "batches", "batch-size", "max-seq-length", "mask-prompt"],
            options => options.Criterion is SelectionCriterion.Magnitude or SelectionCriterion.Random
            ? $"with --criterion {options.Criterion.ToString().ToLowerInvariant()}, which looks at no data" : null),
        new(["density", "scope"], options => options.Threshold is not null ? "beside --threshold, which chooses every entry that reaches it"
            : null),
        new(["seed"], options => options.Criterion == SelectionCriterion.Magnitude ? "with --criterion magnitude, which draws nothing"
            : null),
        new(["threads"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null),
    ];

    public static NoEffect<CompareOptions>[] Compare { get; } =
        [new(["threads"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null)];

    public static NoEffect<LabPageOptions>[] Lab { get; } = [];

    public static NoEffect<DemoOptions>[] Demo { get; } =
        [new(["threads"], options => options.Device != "cpu" ? $"with --device {options.Device}" : null)];

    /// <summary>The note about --dtype bf16 on the CPU, for verbs without a settings record; null if it has its usual effect.</summary>
    public static string? DtypeOn(string device, DType dtype) => device == "cpu" && dtype == DType.BF16 ? $"--dtype has no effect {OnCpu}."
        : null;
}

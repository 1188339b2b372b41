using PeftCore.Cli.Session;
using PeftCore.Tensors;

namespace PeftCore.Cli.Options;

internal sealed partial record TrainOptions
{
    public static SettingRows<TrainOptions> Rows { get; } = new SettingRows<TrainOptions>(() => new())
        .Model()
        .Text("data", o => o.Data, (o, v) => o with { Data = v },
            "training data: a file, or a directory with train, valid and test files", value: "FILE|DIR")
        .Text("output-dir", o => o.OutputDir, (o, v) => o with { OutputDir = v }, "where the adapter, the log and checkpoints go",
            value: "DIR")
        .Group(HelpGroups.Task)
        .Text("task", o => o.Task, (o, v) => o with { Task = v }, SequenceOptions.TaskHelp, choices: [.. TaskNames.All],
            fallback: "that of the model's architecture")
        .Text("problem-type", o => o.ProblemType, (o, v) => o with { ProblemType = v }, "what a classifier of texts learns",
            choices: ["single_label_classification", "multi_label_classification", "regression"],
            fallback: "several classes if the rows have \"labels\", else as the model says")
        .Text("pooling", o => o.Pooling, (o, v) => o with { Pooling = v }, PoolingOption.Help, choices: [.. PoolingOption.Choices],
            fallback: PoolingOption.Fallback)
        .Number("temperature", o => o.Temperature, (o, v) => o with { Temperature = v },
            "what cosine similarities are divided by in contrastive training", min: 0, fallback: "0.05")
        .Group(HelpGroups.Method)
        .Text("method", o => o.Method, (o, v) => o with { Method = v }, "how to fine-tune", value: "NAME",
            suggestions: () => MethodSpec.Names)
        .Text("method-options", o => o.MethodOptions, (o, v) => o with { MethodOptions = v },
            "fields of the method's adapter_config.json, such as r=16,alpha=32", value: "a=1,b=2", isList: true)
        .Group(HelpGroups.Lora)
        .Whole("lora-r", o => o.LoraR, (o, v) => o with { LoraR = v }, MethodField.OfLora("r"))
        .Number("lora-alpha", o => o.LoraAlpha, (o, v) => o with { LoraAlpha = v }, MethodField.OfLora("lora_alpha"), min: 0)
        .Number("lora-dropout", o => o.LoraDropout, (o, v) => o with { LoraDropout = v }, MethodField.OfLora("lora_dropout"),
            min: 0, max: 0.99)
        .Group(HelpGroups.Method)
        .Text("target-modules", o => o.TargetModules, (o, v) => o with { TargetModules = v }, MethodField.OfLora("target_modules"),
            value: "a,b|all-linear", fallback: "the model family's own", isList: true)
        .Text("exclude-modules", o => o.ExcludeModules, (o, v) => o with { ExcludeModules = v }, MethodField.OfLora("exclude_modules"),
            value: "a,b", isList: true)
        .Text("layers-to-transform", o => o.LayersToTransform, (o, v) => o with { LayersToTransform = v },
            MethodField.OfLora("layers_to_transform"), value: "0,1,2", isList: true)
        .Text("layers-pattern", o => o.LayersPattern, (o, v) => o with { LayersPattern = v }, MethodField.OfLora("layers_pattern"),
            value: "a,b", isList: true)
        .Text("rank-pattern", o => o.RankPattern, (o, v) => o with { RankPattern = v }, MethodField.OfLora("rank_pattern"),
            value: "q_proj=16,…", isList: true)
        .Text("alpha-pattern", o => o.AlphaPattern, (o, v) => o with { AlphaPattern = v }, MethodField.OfLora("alpha_pattern"),
            value: "q_proj=32,…", isList: true)
        .Text("modules-to-save", o => o.ModulesToSave, (o, v) => o with { ModulesToSave = v },
            MethodField.OfLora("modules_to_save"), value: "a,b", isList: true)
        .Group(HelpGroups.Lora)
        .Choice("bias", o => o.Bias, (o, v) => o with { Bias = v }, MethodField.OfLora("bias").Help)
        .Bool("use-rslora", o => o.UseRslora, (o, v) => o with { UseRslora = v }, MethodField.OfLora("use_rslora"))
        .Bool("use-dora", o => o.UseDora, (o, v) => o with { UseDora = v }, MethodField.OfLora("use_dora"))
        .Text("init-lora-weights", o => o.InitLoraWeights, (o, v) => o with { InitLoraWeights = v },
            MethodField.OfLora("init_lora_weights").Help, value: "true|false|gaussian|pissa|pissa_niter_N|olora|eva|corda|lora_ga|loftq",
            takesBooleans: true)
        .Whole("init-batches", o => o.InitBatches, (o, v) => o with { InitBatches = v },
            "batches of the training data that eva, corda and lora_ga look at", min: 1)
        .Group(HelpGroups.OtherMethods)
        .Whole("num-virtual-tokens", o => o.NumVirtualTokens, (o, v) => o with { NumVirtualTokens = v },
            MethodField.Of("num_virtual_tokens", "prompt_tuning", "p_tuning", "prefix_tuning"), fallback: "20")
        .Text("prompt-tuning-init", o => o.PromptTuningInit, (o, v) => o with { PromptTuningInit = v },
            MethodField.Of("prompt_tuning_init", "prompt_tuning"))
        .Text("prompt-tuning-init-text", o => o.PromptTuningInitText, (o, v) => o with { PromptTuningInitText = v },
            MethodField.Of("prompt_tuning_init_text", "prompt_tuning"), value: "TEXT")
        .Text("encoder-reparameterization-type", o => o.EncoderReparameterizationType,
            (o, v) => o with { EncoderReparameterizationType = v }, MethodField.Of("encoder_reparameterization_type", "p_tuning"))
        .Whole("encoder-hidden-size", o => o.EncoderHiddenSize, (o, v) => o with { EncoderHiddenSize = v },
            MethodField.Of("encoder_hidden_size", "p_tuning", "prefix_tuning"), fallback: "as wide as a token")
        .Bool("prefix-projection", o => o.PrefixProjection, (o, v) => o with { PrefixProjection = v },
            MethodField.Of("prefix_projection", "prefix_tuning"))
        .Text("feedforward-modules", o => o.FeedforwardModules, (o, v) => o with { FeedforwardModules = v },
            MethodField.Of("feedforward_modules", "ia3"), value: "a,b", fallback: "the model family's own", isList: true)
        .Text("token-indices", o => o.TokenIndices, (o, v) => o with { TokenIndices = v },
            MethodField.Of("token_indices", "trainable_tokens"), value: "1,2,3", isList: true)
        .Number("reduction-factor", o => o.ReductionFactor, (o, v) => o with { ReductionFactor = v },
            MethodField.Of("reduction_factor", "bottleneck"), min: 1e-3, fallback: "16, for par_bn 2")
        .Text("non-linearity", o => o.NonLinearity, (o, v) => o with { NonLinearity = v },
            MethodField.Of("non_linearity", "bottleneck"), value: "NAME", fallback: "the architecture's own")
        .Whole("num-trained-layers", o => o.NumTrainedLayers, (o, v) => o with { NumTrainedLayers = v },
            MethodField.Of("num_trained_layers", "last_layers"))
        .Number("density", o => o.Density, (o, v) => o with { Density = v }, MethodField.Of("density", "sparse"))
        .Text("criterion", o => o.Criterion, (o, v) => o with { Criterion = v }, MethodField.Of("criterion", "sparse"))
        .Text("mask", o => o.Mask, (o, v) => o with { Mask = v }, MethodField.Of("mask", "sparse"), value: "FILE")
        .Whole("refine-every", o => o.RefineEvery, (o, v) => o with { RefineEvery = v }, MethodField.Of("refine_every", "sparse"),
            min: 1, fallback: "none")
        .Group(HelpGroups.Training)
        .Whole("gradient-accumulation-steps", o => o.GradientAccumulationSteps, (o, v) => o with { GradientAccumulationSteps = v },
            "batches whose gradients are summed before a step", min: 1)
        .Number("learning-rate", o => o.LearningRate, (o, v) => o with { LearningRate = v }, "highest learning rate", min: 0)
        .Text("lr-scheduler-type", o => o.LrSchedulerType, (o, v) => o with { LrSchedulerType = v }, "how the learning rate goes down",
            choices: ["linear", "cosine", "constant"])
        .Whole("warmup-steps", o => o.WarmupSteps, (o, v) => o with { WarmupSteps = v }, "steps over which the learning rate rises",
            min: 0)
        .Number("warmup-ratio", o => o.WarmupRatio, (o, v) => o with { WarmupRatio = v }, "the same as a share of all steps", min: 0,
            max: 1)
        .Number("num-epochs", o => o.NumEpochs, (o, v) => o with { NumEpochs = v }, "passes over the data", min: 0,
            aliases: ["num-train-epochs"])
        .Whole("max-steps", o => o.MaxSteps, (o, v) => o with { MaxSteps = v }, "steps in all, instead of epochs", min: -1,
            fallback: "by epochs")
        .Bool("packing", o => o.Packing, (o, v) => o with { Packing = v },
            "put several short samples into one sequence; none sees another")
        .Group(HelpGroups.Augmentation)
        .Bool("flip", o => o.Flip, (o, v) => o with { Flip = v }, "mirror half of the training pictures, others each time")
        .Number("random-crop", o => o.RandomCrop, (o, v) => o with { RandomCrop = v },
            "show a random part of each training picture: at least this share of its area", min: 0.01, max: 1,
            fallback: "the whole picture")
        .Number("speed-change", o => o.SpeedChange, (o, v) => o with { SpeedChange = v },
            "play each training recording faster or slower, by at most this share, other each time", min: 0, max: 1)
        .Number("random-filter", o => o.RandomFilter, (o, v) => o with { RandomFilter = v },
            "filter each training recording at random: the greatest weight of the four samples before each", min: 0, max: 1)
        .Number("add-noise", o => o.AddNoise, (o, v) => o with { AddNoise = v },
            "add white noise to each training recording: its greatest deviation, as a share of the recording's", min: 0, max: 10)
        .Number("shift", o => o.Shift, (o, v) => o with { Shift = v }, "seconds of silence before each training recording, at most",
            min: 0, max: 60)
        .Group(HelpGroups.Device)
        .Text("gradient-checkpointing", o => o.OffloadCheckpoints ? "offload" : o.GradientCheckpointing ? "true" : "false",
            (o, v) => o with { GradientCheckpointing = v != "false", OffloadCheckpoints = v == "offload" },
            "keep less for the backward pass and compute it again; offload keeps what is kept in host memory",
            choices: ["true", "false", "offload"], takesBooleans: true, mayOmitValue: true)
        .Group(HelpGroups.Training)
        .Number("weight-decay", o => o.WeightDecay, (o, v) => o with { WeightDecay = v },
            "weight decay, apart from the gradient's moments but for sgd", min: 0)
        .Number("max-grad-norm", o => o.MaxGradNorm, (o, v) => o with { MaxGradNorm = v },
            "longest gradient; longer ones are scaled down, 0 leaves them", min: 0)
        .Group(HelpGroups.Saving)
        .Whole("eval-steps", o => o.EvalSteps, (o, v) => o with { EvalSteps = v }, "evaluate after this many steps", min: 1,
            fallback: "after each epoch")
        .Whole("save-steps", o => o.SaveSteps, (o, v) => o with { SaveSteps = v }, "write a checkpoint after this many steps", min: 1,
            fallback: "after each epoch")
        .Whole("save-total-limit", o => o.SaveTotalLimit, (o, v) => o with { SaveTotalLimit = v },
            "checkpoints to keep beside the last and the best; 0 keeps all", min: 0)
        .Bool("load-best-model-at-end", o => o.LoadBestModelAtEnd, (o, v) => o with { LoadBestModelAtEnd = v },
            "end with the parameters that did best on held-out data")
        .Text("metric-for-best-model", o => o.MetricForBestModel, (o, v) => o with { MetricForBestModel = v },
            "what the best is by: loss, or a metric of the task, such as accuracy or f1", value: "NAME", fallback: "loss")
        .Whole("early-stopping-patience", o => o.EarlyStoppingPatience, (o, v) => o with { EarlyStoppingPatience = v },
            "evaluations without a better held-out loss after which to stop; 0 never does", min: 0)
        .Number("validation-split", o => o.ValidationSplit, (o, v) => o with { ValidationSplit = v },
            "part of the training samples to hold out, if there are no validation data", min: 0, max: 0.9)
        .Group(HelpGroups.Training)
        .Choice("optimizer", o => o.Optimizer, (o, v) => o with { Optimizer = v }, "which optimizer trains", aliases: ["optim"],
            nameOf: NameOf, otherNames: OtherOptimizerNames)
        .Number("adam-beta1", o => o.AdamBeta1, (o, v) => o with { AdamBeta1 = v },
            "decay of the first moment of adamw, adamw_8bit, lora_plus and lora_fa; for lion the moment's part in a step", min: 0, max: 1)
        .Number("adam-beta2", o => o.AdamBeta2, (o, v) => o with { AdamBeta2 = v },
            "decay of the second moment of adamw, adamw_8bit, lora_plus and lora_fa; for lion that of its moment", min: 0, max: 1)
        .Number("adam-epsilon", o => o.AdamEpsilon, (o, v) => o with { AdamEpsilon = v },
            "what adamw, adamw_8bit, lora_plus and lora_fa add to the root of the second moment, above 0", min: 0)
        .Number("loraplus-lr-ratio", o => o.LoraplusLrRatio, (o, v) => o with { LoraplusLrRatio = v },
            "how many times faster lora_plus trains LoRA's B than its A", min: 1)
        .Number("loraplus-lr-embedding", o => o.LoraplusLrEmbedding, (o, v) => o with { LoraplusLrEmbedding = v },
            "highest learning rate of lora_plus for the LoRA of embeddings, above 0", min: 0)
        .Group(HelpGroups.Saving)
        .Whole("logging-steps", o => o.LoggingSteps, (o, v) => o with { LoggingSteps = v },
            "write a line of the log after this many steps", min: 1)
        .Text("report-to", o => o.ReportTo, (o, v) => o with { ReportTo = v },
            "what else the rows of the log are written for, beside training_log.jsonl", choices: ["none", "tensorboard"])
        .Text("resume-from-checkpoint", o => o.ResumeFromCheckpoint, (o, v) => o with { ResumeFromCheckpoint = v },
            "go on from a checkpoint as if it had never stopped", value: "DIR")
        .Group(HelpGroups.Device)
        .Choice("dtype", o => o.Dtype, (o, v) => o with { Dtype = v }, "in what to compute", values: [DType.F32, DType.BF16])
        .Limits("max-memory", o => o.Limits, (o, v) => o with { Limits = v },
            "the most memory of each device; weights of blocks that do not fit are kept on the host, or on disk")
        .Bool("no-replay", o => o.NoReplay, (o, v) => o with { NoReplay = v },
            "run every training pass anew instead of replaying a captured one")
        .Bool("pack-weights", o => o.PackWeights, (o, v) => o with { PackWeights = v },
            "keep frozen weights packed for matrix products: faster, and up to twice their bytes more (CPU)")
        .Quantized()
        .Sequence();
}

using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.TensorBoard;
using PeftCore.Cli.Verbs;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Io;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>A training run from flags: data, adapter, trainer, and the files of the run's directory.</summary>
internal sealed class TrainingJob
{
    public const string SettingsName = "training_settings.json";

    private readonly TrainOptions _options;
    private readonly Invocation _call;
    private readonly Trainer _trainer;
    private readonly TaskOptions? _task;
    private PeftConfig? _calibrated;
    private readonly ProgressBar _bar;
    private EventLog? _events;
    private string? _measured;

    public TrainingJob(ModelSession session, TrainOptions options, Invocation call)
    {
        (_options, _call) = (options, call);
        _bar = new ProgressBar(call.Terminal, options.LoggingSteps);
        var chosen = AdapterSetup.ConfigOf(options);
        Setup = new DataSetup(session, options, AdapterSetup.PlacesOf(chosen));
        var splits = Setup.Open(options.Data ?? throw new BadInputException("expected --data FILE or DIR, the training data."), call);
        Setup.TakeLabels(splits.RequireTrain(), call);
        _task = session.Task;
        IReadOnlyList<Example> train = Setup.Encode(splits.RequireTrain(), call, train: true);
        IReadOnlyList<Example>? held = splits.Validation is { } rows ? Setup.Encode(rows, call) : null;
        if (held is null && options.ValidationSplit > 0)
        {
            (train, held) = ValidationSplit.Split(train, options.ValidationSplit, options.Seed);
        }
        NoteIdle(splits, held is not null);
        Train = Setup.Loader(train, train: true);
        Held = held is null ? null : Setup.Loader(held, train: false);
        Plan = Planned(session.Backend.LimitMargin); // Before the weights are loaded, so that a refused run takes no memory.
        Plan.ApplyTo(session.Backend);
        var config = WeightSelection.Prepare(session.Model.Base, chosen, Train.Epoch().Take(UsualBatches.OfSelection), call.Stop);
        Attach(session.Model, config);
        if (_calibrated is not null)
        {
            Plan = Planned(session.Backend.LimitMargin); // The data have distributed the ranks.
        }
        session.Model.Base.GradientCheckpointing = options.GradientCheckpointing;
        session.Model.Base.OffloadCheckpoints = options.UseHostCheckpoints;
        _trainer = new Trainer(session.Model, ToTrainer(options, Train.BatchesPerEpoch), Train, Held);
        _trainer.StepDone += _ => StepsRun++;
        _trainer.StepDone += Show;
        _trainer.Evaluated += Tell;
        _trainer.Evaluated += Remember;
        if (options is { ReportTo: "tensorboard", OutputDir: { } output })
        {
            _trainer.Started += () => _events = new EventLog(Path.Combine(output, LogCurve.LogName),
                options.ResumeFromCheckpoint is not null);
            _trainer.StepDone += _ => _events?.Update();
            _trainer.Evaluated += _ => _events?.Update();
        }
    }

    public DataSetup Setup { get; }

    public DataLoader Train { get; }

    /// <summary>The validation data; null without any.</summary>
    public DataLoader? Held { get; }

    public int TotalSteps => _trainer.TotalSteps;

    /// <summary>Steps that this process ran.</summary>
    public int StepsRun { get; private set; }

    /// <summary>The plan of the largest step of the run and of loading.</summary>
    public MemoryPlan Plan { get; }

    /// <summary>The data of the run in words.</summary>
    public string Sizes
    {
        get
        {
            string sizes = $"{Train.Rows:N0} samples, {TotalSteps:N0} steps, " +
                $"{(Held is null ? "no held-out data" : $"{Held.Rows:N0} held-out samples")}";
            if (Train.Epoch().First().SoundLength > 0)
            {
                return sizes;
            }
            int target = Train.Epoch().Max(batch => batch.TargetLength);
            return target == 0 ? sizes
                : $"{sizes}; the longest source has {Train.Epoch().Max(batch => batch.Length):N0} tokens, the longest target {target:N0}";
        }
    }

    /// <summary>The evaluation of the final parameters, which are those of the best with --load-best-model-at-end; null if this process
    /// made none.</summary>
    public TrainingEvaluation? Final { get; private set; }

    private void Remember(TrainingEvaluation evaluation) =>
        Final = evaluation.IsBest || !_options.LoadBestModelAtEnd ? evaluation : Final;

    /// <summary>Plans the run on the meta backend.</summary>
    /// <exception cref="BadInputException">The plan exceeds the memory limit.</exception>
    private MemoryPlan Planned(long ownBytes)
    {
        var source = new ModelSource(_options, Config: null, _calibrated) { Task = _task };
        long batches = (long)_options.MaxSteps * _options.GradientAccumulationSteps;
        double epochs = _options.MaxSteps > 0 ? Math.Ceiling((double)batches / Train.BatchesPerEpoch) : Math.Ceiling(_options.NumEpochs);
        // Every epoch contains the longest sample, and the rest of its batch differs little between epochs, so a few epochs suffice.
        var largest = Enumerable.Range(0, (int)Math.Clamp(epochs, 1, 4)).SelectMany(Train.Epoch)
            .MaxBy(batch => ((long)batch.BatchSize * (batch.Length + batch.SoundLength), batch.TrainableTokens))!;
        var plan = MemoryPlan.Of(source.Build,
            [.. Enumerable.Repeat(largest, Math.Min(2, _options.GradientAccumulationSteps))],
            ToTrainer(_options, Train.BatchesPerEpoch), _options.Activations, _options.UsePackedWeights,
            _options.MaxMemory is { } limit ? Math.Max(0, limit.Bytes - ownBytes) : long.MaxValue, _options.ChunkBytes,
            _options.TensorCores, _options.HostLimit, _options.KeepOnDisk);
        return MemoryRefusal.Of(plan, _options, ownBytes) is { } refusal ? throw new BadInputException(refusal + ".") : plan;
    }

    public TrainingResult Run()
    {
        try
        {
            var result = _bar.Run(TotalSteps, () => _trainer.Run(_call.Stop));
            DrawCurve();
            return result;
        }
        catch (Exception e)
        {
            TryDrawCurve(e);
            throw;
        }
        finally
        {
            _events?.Dispose();
        }
    }

    /// <summary>Saves a UNet's LoRA in diffusers' layout too, in the file that its load_lora_weights reads of a directory.</summary>
    public void SaveForPipeline(TrainingResult result)
    {
        if (_options.OutputDir is not { } output || result.Interrupted || Setup.Task != ModelTask.NoisePrediction
            || AdapterSetup.ConfigOf(_options) is not LoraConfig)
        {
            return;
        }
        try
        {
            DiffusionLora.Export(output, Path.Combine(output, ConvertVerb.PipelineFileName), kohya: false);
        }
        catch (BadInputException e)
        {
            _call.Terminal.Note($"diffusers has no file for this adapter: {e.Message}");
        }
    }

    /// <summary>Saves the settings of this run as a file for -c. It is called after all checks, so that a run that is refused keeps the
    /// file of the run before.</summary>
    public void SaveSettings(JsonObject settings)
    {
        if (_options.OutputDir is { } output)
        {
            _trainer.Started += () => JsonFile.Write(Path.Combine(output, SettingsName), settings);
        }
    }

    /// <summary>Attaches the adapter. An initialisation from data runs the first batches of the training data, but only in a new run: a
    /// checkpoint holds the result.</summary>
    private void Attach(PeftModel model, PeftConfig config)
    {
        if (config is not LoraConfig lora || !LoraCalibration.NeedsData(lora))
        {
            model.AddAdapter(config, seed: _options.Seed);
            return;
        }
        if (_options.ResumeFromCheckpoint is { } checkpoint)
        {
            model.ResumeCalibratedAdapter(lora, Resumption.CheckpointOf(checkpoint), seed: _options.Seed);
        }
        else
        {
            int batches = Math.Min(_options.InitBatches, Train.BatchesPerEpoch);
            _call.Terminal.Note($"{lora.InitName} looks at {batches} {(batches == 1 ? "batch" : "batches")} of the training data"
                + (batches < _options.InitBatches ? ", all there are" : lora.Init == LoraInit.LoraGa ? ", once for each layer" : ""));
            LoraCalibration.Attach(model, lora, Train.Epoch().Take(batches), _options.Seed, done => ShowCalibration(done, batches),
                _call.Stop);
        }
        _calibrated = model.ConfigOf(PeftModel.DefaultAdapter);
    }

    private void ShowCalibration(int done, int batches)
    {
        if (_call.Terminal.Interactive)
        {
            _call.Terminal.Status(done <= batches ? $"batch {done} of {batches}"
                : $"layer {(done - 1) / batches + 1}, batch {(done - 1) % batches + 1} of {batches}");
        }
    }

    private static TrainerOptions ToTrainer(TrainOptions options, int batchesPerEpoch)
    {
        int stepsPerEpoch = (batchesPerEpoch + options.GradientAccumulationSteps - 1) / options.GradientAccumulationSteps;
        return new TrainerOptions
        {
            OutputDirectory = options.OutputDir,
            ResumeFrom = options.ResumeFromCheckpoint is { } checkpoint ? Resumption.CheckpointOf(checkpoint) : null,
            Epochs = options.NumEpochs,
            MaxSteps = Math.Max(0, options.MaxSteps),
            GradientAccumulationSteps = options.GradientAccumulationSteps,
            Optimizer = options.DeviceOptimizer,
            LearningRate = options.LearningRate,
            Schedule = Enum.Parse<ScheduleKind>(options.LrSchedulerType, ignoreCase: true),
            WarmupSteps = options.WarmupSteps,
            WarmupRatio = options.WarmupRatio,
            Betas = ((float)options.AdamBeta1, (float)options.AdamBeta2),
            Epsilon = (float)options.AdamEpsilon,
            LoraPlusRates = (options.LoraplusLrRatio, options.LoraplusLrEmbedding),
            WeightDecay = (float)options.WeightDecay,
            MaxGradNorm = options.MaxGradNorm,
            LoggingSteps = options.LoggingSteps,
            EvalSteps = options.EvalSteps ?? stepsPerEpoch,
            SaveSteps = options.OutputDir is null ? 0 : options.SaveSteps ?? stepsPerEpoch,
            SaveTotalLimit = options.SaveTotalLimit,
            LoadBestModelAtEnd = options.LoadBestModelAtEnd,
            MetricForBestModel = options.MetricForBestModel,
            EarlyStoppingPatience = options.EarlyStoppingPatience,
            Seed = options.Seed,
        };
    }

    /// <summary>Warns of settings that have no effect on these data.</summary>
    private void NoteIdle(DataSplits splits, bool held)
    {
        Note("eval-steps", !held, "without validation data");
        Note("validation-split", splits.Validation is not null, "beside the validation data there are");
        _call.Note(!held && TaskChoice.HasLabels(Setup.Task) ? "there are no held-out data, so accuracy is not measured while the model " +
            "trains; add a valid file, or give --validation-split 0.1." : null);
        Note("packing", splits.Train!.All(row => row.IsDocument), "on a text that is cut into full blocks");
    }

    private void Note(string name, bool idle, string why)
    {
        if (idle && _options.Given.IsMeant(name))
        {
            _call.Terminal.Note($"{_options.Given.PlaceOf(name)} has no effect {why}.");
        }
    }

    private void Show(TrainingProgress at) => _bar.Show(at, _measured);

    private void Tell(TrainingEvaluation evaluation)
    {
        _measured = MetricsText.Short(evaluation, _options.MetricForBestModel);
        _call.Terminal.Note(FormattableString.Invariant(
            $"step {evaluation.Step}: held-out loss {evaluation.Result.Loss:0.0000}{MetricsText.Of(evaluation.Result)}")
            + (evaluation.IsBest ? " (best)" : ""));
    }

    /// <summary>Draws the loss curve of a failed run; an error in drawing does not replace the run's own error.</summary>
    private void TryDrawCurve(Exception failure)
    {
        try
        {
            DrawCurve();
        }
        catch (Exception e) when (e is BadInputException or IOException or UnauthorizedAccessException)
        {
            if (_call.Terminal.Verbose)
            {
                _call.Terminal.Note($"after \"{failure.Message}\" the loss curve could not be drawn: {e.Message}");
            }
        }
    }

    private void DrawCurve()
    {
        if (_options.OutputDir is { } output && File.Exists(Path.Combine(output, LogCurve.LogName)))
        {
            LogCurve.Draw(output);
        }
    }
}

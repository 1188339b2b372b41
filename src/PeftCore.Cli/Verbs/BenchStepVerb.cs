using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Times whole training steps: forward, backward, optimizer.</summary>
internal sealed class BenchStepVerb : Verb
{
    private readonly Settings<TrainOptions> _settings = new(SettingRules.BenchStep);
    private readonly Option<string?> _config = new("--config")
    {
        Description = "a config.json alone; weights are random",
        HelpName = "FILE"
    };
    private readonly Option<int> _steps = NumberOption.Whole("--steps", "steps to time", 10);
    private readonly Option<int?> _warmup = NumberOption.WholeOrNone("--warmup",
        $"steps before, not timed [default: {WarmUp.DefaultText}]", min: 0);

    private readonly Option<bool> _profile = new("--profile") { Description = "run one more step and print its time by kernel" };

    public BenchStepVerb() : base("step", "Time training steps.")
    {
        _settings.AddTo(this);
        Add(_config);
        Add(_steps);
        Add(_warmup);
        Add(_profile);
    }

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        var source = new ModelSource(options, call.Value(_config), Warn: call.Terminal.Warn);
        long planned = source.Plan().PeakBytes;
        if (source.Unknown is { } unknown)
        {
            call.Say(unknown);
        }
        using var scope = new TensorScope();
        using var backend = Devices.Open(options.Device, options.Threads, options.MaxMemory, options.Dtype, !options.NoReplay,
            options.PackWeights);
        planned += backend.OwnBytes;
        var model = source.Build(backend);
        var trainer = new TrainerOptions
        {
            Optimizer = options.Optimizer, Betas = ((float)options.AdamBeta1, (float)options.AdamBeta2),
            Epsilon = (float)options.AdamEpsilon, WeightDecay = (float)options.WeightDecay, MaxGradNorm = options.MaxGradNorm
        };
        using var step = new AdapterStep(model, trainer);
        var batch = MemoryPlan.FullBatch(model.Base, options.BatchSize, source.Length(), options.Seed, source.TargetLength());
        List<Data.Batch> batches = [.. Enumerable.Repeat(batch, options.GradientAccumulationSteps)];
        var times = Time(step, batches, options, call);
        double median = times.Order().ElementAt(times.Count / 2), best = times.Min();
        double rate = (double)batch.Tokens * batches.Count / (median / 1000);
        double samples = (double)batch.BatchSize * batches.Count / (median / 1000);
        var report = new JsonReport().Add("tok_s", rate).Add("samples_s", samples).Add("ms_median", median).Add("ms_min", best)
            .Add("peak_bytes", backend.Memory.PeakBytes).Add("planned_bytes", planned)
            .Add("parameters", model.ParameterCount).Add("trainable", model.TrainableCount)
            .Add("device", backend.Name).Add("dtype", options.Dtype.ToString().ToLowerInvariant());
        string speed = batch.Tokens > 0 ? string.Create(CultureInfo.InvariantCulture, $"{rate:N0} tok/s")
            : string.Create(CultureInfo.InvariantCulture, $"{samples:N1} {SamplesOf(model.Base.Task)}/s");
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{speed}, {median:0.0} ms a step (best {best:0.0}), peak {new ByteSize(backend.Memory.PeakBytes)}, planned " +
            $"{new ByteSize(planned)}"));
        if (call.Value(_profile) && backend.Profile(() => step.Run(batches, options.LearningRate, times.Count, (ulong)times.Count)) is { } table)
        {
            call.Say(table);
        }
        model.Unload();
        model.Base.Dispose();
        return VerbResult.Done(report);
    }

    private static string SamplesOf(ModelTask task) => task switch
    {
        ModelTask.ImageClassification or ModelTask.NoisePrediction => "pictures",
        ModelTask.Ctc or ModelTask.SpeechToText => "clips",
        _ => "samples",
    };

    private List<double> Time(AdapterStep step, List<Data.Batch> batches, TrainOptions options, Invocation call)
    {
        int index = 0;
        WarmUp.Run(call.Value(_warmup), Step);
        var times = new List<double>();
        for (int i = call.Value(_steps); i > 0; i--)
        {
            long start = Stopwatch.GetTimestamp();
            Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return times;

        void Step()
        {
            call.Stop.ThrowIfCancellationRequested();
            step.Run(batches, options.LearningRate, index, (ulong)(index * batches.Count));
            index++;
        }
    }
}

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
        if (source.Unknown is { } unknown)
        {
            call.Say(unknown);
        }
        using var scope = new TensorScope();
        using var backend = Devices.Open(options.Device, options.Threads, options.MaxMemory, options.Dtype, !options.NoReplay,
            options.PackWeights);
        var plan = source.Plan(backend.LimitMargin);
        if (MemoryRefusal.Of(plan, options, backend.LimitMargin) is { } refusal)
        {
            throw new BadInputException(refusal + ".");
        }
        plan.ApplyTo(backend);
        long planned = plan.PeakBytes + backend.OwnBytes;
        var model = source.Build(backend);
        var trainer = new TrainerOptions
        {
            Optimizer = options.DeviceOptimizer, Betas = ((float)options.AdamBeta1, (float)options.AdamBeta2),
            Epsilon = (float)options.AdamEpsilon, LearningRate = options.LearningRate,
            LoraPlusRates = (options.LoraplusLrRatio, options.LoraplusLrEmbedding), WeightDecay = (float)options.WeightDecay,
            MaxGradNorm = options.MaxGradNorm
        };
        using var step = new AdapterStep(model, trainer);
        var batch = MemoryPlan.FullBatch(model.Base, options.BatchSize, source.Length(), options.Seed, source.TargetLength());
        List<Data.Batch> batches = [.. Enumerable.Repeat(batch, options.GradientAccumulationSteps)];
        var (times, streamed) = Time(step, batches, options, call, backend);
        double median = times.Order().ElementAt(times.Count / 2), best = times.Min();
        double rate = (double)batch.Tokens * batches.Count / (median / 1000);
        double samples = (double)batch.BatchSize * batches.Count / (median / 1000);
        var report = new JsonReport().Add("tok_s", rate).Add("samples_s", samples).Add("ms_median", median).Add("ms_min", best)
            .Add("peak_bytes", backend.Memory.PeakBytes).Add("planned_bytes", planned)
            .Add("reserved_bytes", backend.PeakReservedBytes).Add("planned_reserved_bytes", plan.ReservedBytes)
            .Add("parameters", model.ParameterCount).Add("trainable", model.TrainableCount)
            .Add("streamed_bytes", streamed).Add("planned_streamed_bytes", plan.StreamedBytes)
            .Add("host_bytes", backend.HostMemory?.PeakBytes ?? 0).Add("planned_host_bytes", plan.HostBytes)
            .Add("device", backend.Name).Add("dtype", options.Dtype.ToString().ToLowerInvariant());
        string speed = batch.Tokens > 0 ? string.Create(CultureInfo.InvariantCulture, $"{rate:N0} tok/s")
            : string.Create(CultureInfo.InvariantCulture, $"{samples:N1} {SamplesOf(model.Base.Task)}/s");
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{speed}, {median:0.0} ms a step (best {best:0.0}), peak {new ByteSize(backend.Memory.PeakBytes)}, planned " +
            $"{new ByteSize(planned)}"));
        if (streamed > 0)
        {
            TellOfLink(call, report, backend, streamed, median);
        }
        if (call.Value(_profile) && backend.Profile(() => step.Run(batches, options.LearningRate, times.Count, (ulong)times.Count))
            is { } table)
        {
            call.Say(table);
        }
        model.Unload();
        model.Base.Dispose();
        return VerbResult.Done(report);
    }

    /// <summary>Says what a step copies to the device, and how long the link from host memory takes for as many bytes with nothing else
    /// running.</summary>
    private static void TellOfLink(Invocation call, JsonReport report, Backend backend, long streamed, double milliseconds)
    {
        double rate = backend.MeasureUploadRate();
        report.Add("link_bytes_s", rate);
        string time = rate == 0 ? "" : string.Create(CultureInfo.InvariantCulture,
            $"; the link copies {rate / 1e9:0.0} GB/s alone, {1e3 * streamed / rate:0.0} ms for as many bytes, " +
            $"{milliseconds / (1e3 * streamed / rate):0.00} of which a step takes");
        call.Say($"{new ByteSize(streamed)} copied to the device a step, {new ByteSize(backend.HostMemory?.PeakBytes ?? 0)} kept on the " +
            $"host{time}");
    }

    private static string SamplesOf(ModelTask task) => task switch
    {
        ModelTask.ImageClassification or ModelTask.NoisePrediction => "pictures",
        ModelTask.Ctc or ModelTask.SpeechToText => "clips",
        _ => "samples",
    };

    /// <summary>The milliseconds of each step, and the bytes that the last one copied to the device.</summary>
    private (List<double> Times, long Streamed) Time(AdapterStep step, List<Data.Batch> batches, TrainOptions options, Invocation call,
        Backend backend)
    {
        int index = 0;
        WarmUp.Run(call.Value(_warmup), Step);
        var times = new List<double>();
        long streamed = 0;
        for (int i = call.Value(_steps); i > 0; i--)
        {
            long start = Stopwatch.GetTimestamp(), before = backend.UploadedBytes;
            Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            streamed = backend.UploadedBytes - before;
        }
        return (times, streamed);

        void Step()
        {
            call.Stop.ThrowIfCancellationRequested();
            step.Run(batches, options.LearningRate, index, (ulong)(index * batches.Count));
            index++;
        }
    }
}

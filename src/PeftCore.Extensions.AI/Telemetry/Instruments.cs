using System.Diagnostics;
using System.Diagnostics.Metrics;
using PeftCore.Training;

namespace PeftCore.Extensions.AI;

/// <summary>The instruments. Those of requests have the names, units and buckets of the OpenTelemetry conventions for generative AI
/// (semantic-conventions, gen-ai metrics); those of training are PeftCore's own.</summary>
internal sealed class Instruments
{
    private static readonly double[] Seconds =
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

    private static readonly double[] ChunkSeconds =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private static readonly int[] Tokens =
        [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

    public static ActivitySource Source { get; } = new(PeftCoreTelemetry.SourceName);

    // After the bounds above, which its instruments take.
    /// <summary>The instruments of programs without dependency injection.</summary>
    public static Instruments Shared { get; } = new(new Meter(PeftCoreTelemetry.MeterName));

    public Instruments(IMeterFactory factory) : this(factory.Create(PeftCoreTelemetry.MeterName)) { }

    private Instruments(Meter meter)
    {
        Duration = meter.CreateHistogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", advice: Buckets(Seconds));
        TokenUsage = meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.",
            advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = Tokens });
        TimeToFirstChunk = meter.CreateHistogram("gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.",
            advice: Buckets(ChunkSeconds));
        TimePerOutputChunk = meter.CreateHistogram("gen_ai.client.operation.time_per_output_chunk", "s",
            "Time per output chunk after the first.", advice: Buckets(ChunkSeconds));
        TrainingLoss = meter.CreateGauge<double>("peftcore.training.loss", "1", "Loss of the last step.");
        TrainingRate = meter.CreateGauge<double>("peftcore.training.throughput", "{token}/s", "Tokens trained on a second.");
        TrainingPeak = meter.CreateGauge<long>("peftcore.training.memory.peak", "By", "Peak bytes of live tensors.");
        TrainingSteps = meter.CreateCounter<long>("peftcore.training.steps", "{step}", "Optimizer steps.");
        TrainingDuration = meter.CreateHistogram<double>("peftcore.training.duration", "s", "Time of a training run.");
    }

    public Histogram<double> Duration { get; }

    public Histogram<int> TokenUsage { get; }

    public Histogram<double> TimeToFirstChunk { get; }

    public Histogram<double> TimePerOutputChunk { get; }

    public Histogram<double> TrainingDuration { get; }

    private Gauge<double> TrainingLoss { get; }

    private Gauge<double> TrainingRate { get; }

    private Gauge<long> TrainingPeak { get; }

    private Counter<long> TrainingSteps { get; }

    /// <summary>Records a step of training.</summary>
    public void Record(string adapter, TrainingProgress progress)
    {
        var tag = TagOf(adapter);
        TrainingSteps.Add(1, tag);
        TrainingLoss.Record(progress.Loss, tag);
        TrainingRate.Record(progress.TokensPerSecond, tag);
        TrainingPeak.Record(progress.PeakBytes, tag);
    }

    /// <summary>The tag with the name of an adapter.</summary>
    public static KeyValuePair<string, object?> TagOf(string adapter) => new("peftcore.adapter.name", adapter);

    private static InstrumentAdvice<double> Buckets(double[] bounds) => new() { HistogramBucketBoundaries = bounds };
}

namespace PeftCore.Extensions.AI;

/// <summary>The names of what PeftCore measures: an <see cref="System.Diagnostics.ActivitySource"/> and a
/// <see cref="System.Diagnostics.Metrics.Meter"/>, by the OpenTelemetry conventions for generative AI.
/// <code>
/// services.AddOpenTelemetry()
///     .WithTracing(tracing => tracing.AddSource(PeftCoreTelemetry.SourceName))
///     .WithMetrics(metrics => metrics.AddMeter(PeftCoreTelemetry.MeterName));
/// </code></summary>
public static class PeftCoreTelemetry
{
    /// <summary>The name of the activity source.</summary>
    public const string SourceName = "PeftCore.Extensions.AI";

    /// <summary>The name of the meter.</summary>
    public const string MeterName = "PeftCore.Extensions.AI";

    /// <summary>The value of <c>gen_ai.provider.name</c>, and the provider's name in the metadata of clients.</summary>
    public const string ProviderName = "peftcore";
}

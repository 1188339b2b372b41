namespace PeftCore.Ilgpu.Tests;

/// <summary>Every method of a backend, checked against the CPU's. One list of bodies runs on every device.</summary>
internal static class ParityChecks
{
    public static IReadOnlyDictionary<string, Action<ParityBench>> All { get; } =
        new[] { ElementwiseChecks.All, RowChecks.All, ProductChecks.All, RoundedProductChecks.All, RoundedProductChecks.Invalidation,
            AttentionChecks.All, RelativePositionChecks.All, VisionChecks.All, BFloat16Checks.All, StructuredChecks.All, ExpertChecks.All,
            ConvolutionChecks.All, OptimizerChecks.All, QuantizedChecks.All }
            .SelectMany(checks => checks).ToDictionary(check => check.Name, check => check.Body);

    /// <summary>The checks for cards with tensor cores.</summary>
    public static IReadOnlyDictionary<string, Action<ParityBench>> TensorCores { get; } =
        SummandChecks.All.Concat(SkinnyGemmChecks.All).Concat(QuantizedChecks.TensorCores)
            .ToDictionary(check => check.Name, check => check.Body);
}

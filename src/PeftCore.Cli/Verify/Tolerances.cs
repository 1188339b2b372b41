using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>How far numbers may be from their reference.</summary>
/// <param name="Logits">Of logits and losses.</param>
/// <param name="Gradients">Of gradients and trained weights.</param>
/// <param name="RunLosses">Of the losses of a whole run.</param>
/// <param name="Floor">Gradients and weights below this part of the largest one in the file are compared as if they were that
/// large.</param>
/// <param name="Noise">Adam turns rounding noise into whole steps; trained weights count only where the gradient exceeds this part of the
/// largest.</param>
internal sealed record Tolerances(double Logits, double Gradients, double RunLosses, double Floor, double Noise)
{
    public static readonly Tolerances Single = new(1e-5, 1e-4, 1e-3, Floor: 1e-4, Noise: 1e-5);

    // A BF16 number is good to 2⁻⁹, and an element's gradient to 2 % of the largest: the sign of smaller ones is noise.
    private static readonly Tolerances BFloat16 = new(2e-2, 2e-2, 2e-2, Floor: 0.1, Noise: 0.1);

    public static Tolerances Of(IBackend backend) => backend.ActivationDType == DType.BF16 ? BFloat16 : Single;
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>The largest errors that pass.</summary>
/// <param name="Logits">Tolerance of logits and losses.</param>
/// <param name="Gradients">Tolerance of gradients and trained weights.</param>
/// <param name="RunLosses">Tolerance of the losses of a whole run.</param>
/// <param name="Floor">The smallest scale of a tensor's error, relative to the file's largest gradient or weight.</param>
/// <param name="Noise">The smallest gradient, relative to the largest, at which a trained weight is compared: Adam's steps do not shrink
/// with the gradient, so noise changes a weight by full steps.</param>
internal sealed record Tolerances(double Logits, double Gradients, double RunLosses, double Floor, double Noise)
{
    public static readonly Tolerances Single = new(1e-5, 1e-4, 1e-3, Floor: 1e-4, Noise: 1e-5);

    // BF16 rounds with a relative error of 2⁻⁹; gradients below 2 % of the largest are noise.
    private static readonly Tolerances BFloat16 = new(2e-2, 2e-2, 2e-2, Floor: 0.1, Noise: 0.1);

    public static Tolerances Of(Backend backend) => backend.ActivationDType == DType.BF16 ? BFloat16 : Single;
}

using System.Buffers;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>The global gradient norm, and clipping by it.</summary>
internal static class GradientNorm
{
    /// <summary>Added to the norm before dividing by it, as torch's clip_grad_norm_ does.</summary>
    private const double ClipEpsilon = 1e-6;

    /// <summary>L2 norm over all gradients as one vector; a parameter without a gradient counts as zero.</summary>
    public static double Of(IReadOnlyList<(string Name, Parameter Parameter)> parameters)
    {
        var gradients = ArrayPool<Tensor>.Shared.Rent(parameters.Count);
        int count = 0;
        for (int i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].Parameter.Gradient is { } gradient)
            {
                gradients[count++] = gradient;
            }
        }
        double norm = count == 0 ? 0 : Math.Sqrt(gradients[0].Backend.SumOfSquares(gradients.AsSpan(0, count)));
        ArrayPool<Tensor>.Shared.Return(gradients, clearArray: true);
        return norm;
    }

    /// <summary>The factor that scales gradients of this norm to at most <paramref name="maxNorm"/>; 1 if <paramref name="maxNorm"/> is 0,
    /// which means no limit.</summary>
    public static float ClipScale(double norm, double maxNorm) => maxNorm <= 0 ? 1 : (float)Math.Min(1, maxNorm / (norm + ClipEpsilon));

    /// <summary>Name of the first parameter whose gradient holds a NaN or an infinity; null if all are finite.</summary>
    public static string? FirstNotFinite(IEnumerable<(string Name, Parameter Parameter)> parameters)
    {
        foreach (var (name, parameter) in parameters)
        {
            if (parameter.Gradient is { } gradient && !gradient.Backend.AllFinite(gradient))
            {
                return name;
            }
        }
        return null;
    }
}

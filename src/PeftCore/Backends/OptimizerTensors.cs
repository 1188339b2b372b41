using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The tensors of one parameter's AdamW step.</summary>
/// <param name="Step">Hyperparameters; the weight decay may differ between parameters.</param>
/// <param name="Parameter">The values.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="FirstMoment">Running mean of gradients.</param>
/// <param name="SecondMoment">Running mean of squared gradients.</param>
internal readonly record struct AdamWTensors(Optimizers.AdamW Step, Tensor Parameter, Tensor Gradient, Tensor FirstMoment,
    Tensor SecondMoment);

/// <summary>The tensors of one parameter's AdamW step in bitsandbytes' arithmetic.</summary>
/// <param name="Step">Hyperparameters.</param>
/// <param name="Parameter">The values.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="First">The first moment: codes, U8, or F32 without scales.</param>
/// <param name="Second">The second moment, alike.</param>
/// <param name="Scales">What the codes mean; null for a small parameter, whose moments are F32.</param>
internal readonly record struct AdamW8BitTensors(Optimizers.AdamW Step, Tensor Parameter, Tensor Gradient, Tensor First, Tensor Second,
    BlockScales? Scales);

/// <summary>The scales of the blocks of two moments, F32, and the numbers of their codes.</summary>
/// <param name="Absmax1">(blocks) of the first moment.</param>
/// <param name="Absmax2">(blocks) of the second moment.</param>
/// <param name="Map1">(256), <see cref="DynamicMap.Signed"/>.</param>
/// <param name="Map2">(256), <see cref="DynamicMap.Unsigned"/>.</param>
internal sealed record BlockScales(Tensor Absmax1, Tensor Absmax2, Tensor Map1, Tensor Map2);

/// <summary>The tensors of one parameter's Lion step.</summary>
/// <param name="Step">Hyperparameters.</param>
/// <param name="Parameter">The values.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="Moment">Running mean of gradients.</param>
internal readonly record struct LionTensors(Optimizers.Lion Step, Tensor Parameter, Tensor Gradient, Tensor Moment);

/// <summary>The tensors of one parameter's Adafactor step.</summary>
/// <param name="Step">Hyperparameters.</param>
/// <param name="Parameter">The values (…, rows, columns), or of any shape without a factored moment.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="Row">The moments of rows (…, rows), or of each element.</param>
/// <param name="Column">The moments of columns (…, columns); null for a parameter that is no matrix.</param>
internal readonly record struct AdafactorTensors(Optimizers.Adafactor Step, Tensor Parameter, Tensor Gradient, Tensor Row, Tensor? Column)
{
    /// <summary>The number of matrices and their extents; one column of all elements for a parameter that is no matrix.</summary>
    public (int Matrices, int Rows, int Columns) Extents
    {
        get
        {
            var shape = Parameter.Shape;
            return Column is null ? (1, checked((int)shape.Count), 1)
                : (checked((int)(shape.Count / Math.Max(1, (long)shape[^2] * shape[^1]))), shape[^2], shape[^1]);
        }
    }
}

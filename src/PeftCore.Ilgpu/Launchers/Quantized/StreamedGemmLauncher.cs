using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Ampere.Quantized;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Products of a few rows with a weight of four-bit codes, which are read directly (<see cref="StreamKernel"/>). Tests hold the
/// results to the products with the dequantised weight.</summary>
internal sealed class StreamedGemmLauncher(LaunchContext gpu, QuantizedTables tables, QuantizedKernels kernels)
{
    /// <summary>Whether a product is one for this kernel.</summary>
    public bool Takes(Tensor weight, int rows, bool transposeB) => gpu.ComputeDType == DType.BF16
        && QuantizedProducts.Streams(weight, rows, transposeB) && Address(weight) % 16 == 0;

    /// <summary>c (+)= α·A·Wᵀ + bias; F32 operands are rounded to BF16 first.</summary>
    /// <exception cref="NotSupportedException">The product is not one that <see cref="Takes"/> accepts.</exception>
    public void Multiply(in GemmOperands term, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = term.Depth;
        if (term.TransposeA || !Takes(term.B, m, term.TransposeB) || term.A.DType == DType.F16 || bias?.DType == DType.F16)
        {
            throw new NotSupportedException($"a product of {m} rows with {term.B} needs the weight dequantised first");
        }
        if (c.Count == 0)
        {
            return;
        }
        var weight = new QuantizedView(gpu, term.B);
        // Narrow results: eight columns a thread block, so that there are enough blocks for all multiprocessors.
        bool many = n > 16 * gpu.Device.Processors;
        var shape = new StreamShape(many, m <= StreamShape.Tile ? 1 : 2, weight.Format.DoubleQuantized, c.DType == DType.BF16,
            gpu.Device.HasWgmma);
        var args = new StreamArgs
        {
            Codes = weight.CodeAddress,
            Scales = weight.ScaleAddress,
            ScaleScales = weight.ScaleScaleAddress,
            Mean = weight.MeanAddress,
            Levels = tables.LevelsOf(weight.Format.Kind),
            Map = tables.Map,
            X = gpu.Bf16Weights.Operand(term.A),
            Y = Address(c),
            Bias = bias is null ? 0 : Address(bias),
            M = m,
            N = n,
            K = k,
            RowGroups = SplitKSchedule.Count(m, shape.Rows),
            Rows = shape.Rows,
            Columns = shape.Columns,
            Accumulate = Flag(accumulate),
            Bf16Bias = Flag(bias?.DType == DType.BF16),
            ElementBytes = c.DType.Size,
            Alpha = alpha,
        };
        kernels.Load(shape); // Before the timer starts.
        gpu.Device.Work = new Work(2.0 * m * n * k, term.B.ByteCount);
        gpu.Device.Timer?.Start();
        kernels.Run(shape, SplitKSchedule.Count(n, args.Columns) * args.RowGroups, args);
        if (gpu.Device.Timer is not null)
        {
            gpu.Device.StopTiming(shape.Name);
        }
        gpu.Queued(c);
    }
}

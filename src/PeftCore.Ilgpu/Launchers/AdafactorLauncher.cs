using System.Numerics;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu;

/// <summary>Adafactor steps of all parameters in six launches: moments of rows, of columns, means, sums of squares, step sizes, values. The
/// workspace is a mean for each matrix, a sum for each 4,096 elements and a step size for each parameter.</summary>
internal readonly struct AdafactorLauncher(LaunchContext gpu, MultiTensorApply multiTensor)
{
    /// <summary>Neighbouring columns of a thread block: a memory transaction of 128 bytes.</summary>
    private const int MostColumns = 32;

    /// <summary>Rows and columns that the kernels' 32-bit indices reach.</summary>
    private const int MostItems = 1 << 30;

    public void Run(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale)
    {
        var found = new List<AdafactorSlot>(parameters.Length);
        long workspace = 0;
        foreach (var one in parameters)
        {
            if (one.Parameter.Count > 0)
            {
                found.Add(SlotOf(one, gradientScale, ref workspace));
            }
        }
        AdafactorSlot[] slots = [.. found];
        if (slots.Length == 0)
        {
            return;
        }
        int threads = gpu.Device.BlockSize;
        using var scratch = new Scratch(gpu, workspace);
        using var table = multiTensor.Upload(slots);
        Run<AdafactorRows>(slots, slot => SplitKSchedule.Count(slot.Matrices * slot.Rows, threads / slot.RowLanes), table, scratch);
        Run<AdafactorColumns>(slots, slot => slot.HasColumn * SplitKSchedule.Count(slot.Matrices * slot.Columns, slot.ColumnWidth), table,
            scratch);
        Run<AdafactorMeans>(slots, slot => slot.HasColumn * slot.Matrices, table, scratch);
        Run<AdafactorSquares>(slots, slot => slot.Tiles, table, scratch);
        Run<AdafactorStepSize>(slots, _ => 1, table, scratch);
        Run<AdafactorUpdate>(slots, slot => slot.Tiles, table, scratch);
    }

    private void Run<TKernel>(AdafactorSlot[] slots, Func<AdafactorSlot, int> items, SlotTable<AdafactorSlot> table, Scratch scratch)
        where TKernel : struct, Kernels.Ilgpu.IKernel<MultiTensorArgs<AdafactorSlot>> =>
        multiTensor.Run<TKernel, AdafactorSlot>(table, [.. slots.Select(items)], step: 1, scratch.View);

    private AdafactorSlot SlotOf(in AdafactorTensors one, float gradientScale, ref long workspace)
    {
        var (matrices, rows, columns) = one.Extents;
        if ((long)matrices * Math.Max(rows, columns) > MostItems)
        {
            throw new NotSupportedException($"Adafactor on a device takes parameters of at most {MostItems} rows or columns, not " +
                $"{one.Parameter}; train with another optimizer");
        }
        var (copy, hasCopy) = OptimizerLauncher.Bf16CopyOf(gpu, one.Parameter);
        int threads = gpu.Device.BlockSize, tiles = (int)((one.Parameter.Count + MultiTensorApply.Chunk - 1) / MultiTensorApply.Chunk);
        var slot = new AdafactorSlot
        {
            Parameter = OptimizerLauncher.IndexOf(one.Parameter),
            Gradient = OptimizerLauncher.IndexOf(one.Gradient),
            Row = OptimizerLauncher.IndexOf(one.Row),
            Column = one.Column is null ? 0 : OptimizerLauncher.IndexOf(one.Column),
            Bf16Copy = copy,
            HasBf16Copy = hasCopy,
            Mean = workspace,
            Partial = workspace + matrices,
            Step = workspace + matrices + tiles,
            Factors = AdafactorFactors.Of(one.Step, gradientScale),
            Matrices = matrices,
            Rows = rows,
            Columns = columns,
            HasColumn = LaunchContext.Flag(one.Column is not null),
            RowLanes = PowerOfTwo(columns, threads),
            ColumnWidth = PowerOfTwo(columns, Math.Min(threads, MostColumns)),
            Tiles = tiles,
        };
        workspace += matrices + tiles + 1;
        return slot;
    }

    private static int PowerOfTwo(int atLeast, int most) => (int)Math.Min(BitOperations.RoundUpToPowerOf2((uint)atLeast), (uint)most);
}

using ILGPU;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Ragged products on Hopper's tensor cores (<see cref="WgmmaRaggedGemm"/>). Tests hold them to the CPU's.</summary>
internal sealed unsafe class WgmmaRaggedLauncher(LaunchContext gpu)
{
    private readonly Dictionary<GemmShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _compiled;

    /// <summary>c[p, :] (+)= α·a[p, :]·op(b[e]); F32 operands are rounded to BF16.</summary>
    public void MatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha, bool accumulate)
    {
        int rows = c.Shape.Rows, n = c.Shape.Columns, k = a.Shape.Columns, experts = b.Shape[0];
        var shape = ShapeOf(n, rowMajorB: !transposeB, c.DType == DType.BF16, Address(c));
        int tilesN = SplitKSchedule.Count(n, shape.TileN);
        var args = new WgmmaRaggedArgs<RawView>
        {
            Offsets = new RawView { Address = Address(offsets), Length = offsets.Count },
            C = Address(c),
            RowBytes = (long)n * c.DType.Size,
            N = n,
            ColumnBytes = c.DType.Size,
            TilesN = tilesN,
            TileN = shape.TileN,
            ExpertColumns = transposeB ? n : 0,
            ExpertDepth = transposeB ? 0 : k,
            Experts = experts,
            Steps = SplitKSchedule.Count(k, GemmShape.Depth),
            Stages = shape.Stages,
            Accumulate = Flag(accumulate),
            Alpha = alpha,
        };
        byte* buffer = stackalloc byte[((GemmPtx.OperandMaps + GemmPtx.ResultMaps) * TensorMap.Bytes) + 64];
        byte* maps = (byte*)(((nint)buffer + 63) & ~(nint)63);
        TensorMap.Write(maps, gpu.Bf16Weights.Operand(a), rows, k, shape.BoxA);
        TensorMap.Write(maps + TensorMap.Bytes, gpu.Bf16Weights.Operand(b), experts * b.Shape[1], b.Shape[2], shape.BoxB);
        // Each expert's last tile may be partial.
        int most = (SplitKSchedule.Count(rows, GemmShape.TileM) + Math.Min(experts, rows)) * tilesN;
        Launch(shape, args, maps, Math.Min(gpu.Device.Processors, most));
        gpu.Queued(c);
    }

    /// <summary>The narrowest tile that holds all columns, or the one that wastes the least of its own.</summary>
    internal static GemmShape ShapeOf(int n, bool rowMajorB, bool bf16, nint address)
    {
        const int Overhead = 64; // columns that a tile costs beside its own
        bool pairs = n % 2 == 0 && address % (bf16 ? 4 : 8) == 0;
        int best = 16;
        foreach (int width in (ReadOnlySpan<int>)[32, 64, 128, 256])
        {
            bool fits = pairs || width <= 128; // wider tiles leave no registers for the address of every element
            best = fits && Cost(width) < Cost(best) ? width : best;
        }
        return new GemmShape(best, 1, 1, false, rowMajorB, bf16, pairs ? ResultStore.Pairs : ResultStore.Singles);

        int Cost(int width) => SplitKSchedule.Count(n, width) * (width + Overhead);
    }

    private void Launch(in GemmShape shape, WgmmaRaggedArgs<RawView> args, byte* maps, int blocks)
    {
        var device = gpu.Device;
        nint function = Load(shape); // Before the timer starts.
        nint* parameters = stackalloc nint[2];
        (parameters[0], parameters[1]) = ((nint)(&args), (nint)maps);
        device.Timer?.Start();
        device.Ptx!.LaunchEarly(function, blocks, GemmShape.Threads, shape.SharedBytes, parameters);
        if (device.Timer is not null)
        {
            device.StopTiming($"ragged product, {args.TilesN} tiles of {args.TileN} wide, {args.Steps} deep");
        }
    }

    private nint Load(in GemmShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                var loader = gpu.Device.Ptx!;
                _compiled ??= PtxLoader.Compile<WgmmaRaggedGemm, WgmmaRaggedArgs<ArrayView<int>>>(loader.Backend, GemmShape.Threads, 1);
                function = loader.Load(new GemmPtx(shape).Expand(_compiled), shape.SharedBytes);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}

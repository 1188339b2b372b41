using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>The portable GEMM: operands of any floating-point dtypes, sums and result in F32. Tests hold the tensor-core products to the
/// same numbers as this one.</summary>
internal sealed class PortableGemmLauncher(LaunchContext gpu)
{
    /// <summary>c (+)= α·op(A)·op(B), c in F32.</summary>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha, bool accumulate) =>
        DTypeSwitch.Element(a.DType, new GemmLaunch(gpu, a, transposeA, b, transposeB, c, alpha, accumulate));

    private readonly record struct GemmLaunch(
        LaunchContext Gpu, Tensor A, bool TransposeA, Tensor B, bool TransposeB, Tensor C, float Alpha, bool Accumulate) : IElementLaunch
    {
        public void WithElement<TA>() where TA : unmanaged, IElement<TA> => DTypeSwitch.Element(B.DType, new GemmLaunch<TA>(this));
    }

    private readonly record struct GemmLaunch<TA>(GemmLaunch Product) : IElementLaunch where TA : unmanaged, IElement<TA>
    {
        public void WithElement<TB>() where TB : unmanaged, IElement<TB>
        {
            if (Product.Gpu.Device.Name.IsCuda)
            {
                Launch<TA, TB, Block16x16>(Product);
            }
            else
            {
                Launch<TA, TB, Block4x4>(Product);
            }
        }
    }

    private static void Launch<TA, TB, TBlock>(in GemmLaunch p)
        where TA : unmanaged, IElement<TA>
        where TB : unmanaged, IElement<TB>
        where TBlock : struct, IBlockShape
    {
        var gpu = p.Gpu;
        int m = p.C.Shape.Rows, n = p.C.Shape.Columns, k = p.TransposeA ? p.A.Shape.Rows : p.A.Shape.Columns;
        var schedule = SplitKSchedule.For(m, n, k, 4 * TBlock.Side, Panel.Depth, gpu.Device.Processors);
        var args = new GemmArgs<TA, TB>
        {
            A = gpu.View<TA>(p.A),
            B = gpu.View<TB>(p.B),
            ARow = p.TransposeA ? 1 : k,
            AColumn = p.TransposeA ? m : 1,
            BRow = p.TransposeB ? 1 : n,
            BColumn = p.TransposeB ? k : 1,
            M = m,
            N = n,
            K = k,
            TilesN = schedule.TilesN,
            KPerSplit = schedule.KPerSplit,
            Alpha = p.Alpha,
        };
        if (schedule.Splits == 1)
        {
            (args.C, args.Accumulate) = (gpu.F32(p.C), Flag(p.Accumulate));
            gpu.Run<Gemm<TA, TB, TBlock>, GemmArgs<TA, TB>>((long)schedule.TilesM * schedule.TilesN, 1, args);
            return;
        }
        using var partials = new Scratch(gpu, (long)schedule.Splits * m * n);
        args.C = partials.View;
        gpu.Run<Gemm<TA, TB, TBlock>, GemmArgs<TA, TB>>((long)schedule.TilesM * schedule.TilesN, schedule.Splits, args);
        gpu.ForEach<SumPartials, SumPartialsArgs>((long)m * n,
            new SumPartialsArgs { Partials = partials.View, C = gpu.F32(p.C), Count = schedule.Splits, Accumulate = Flag(p.Accumulate) });
    }
}

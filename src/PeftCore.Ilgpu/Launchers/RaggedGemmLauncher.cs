using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Experts;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Ragged products: rows sorted by expert, a matrix for each expert, one launch for all.</summary>
internal sealed class RaggedGemmLauncher(LaunchContext gpu)
{
    private readonly WgmmaRaggedLauncher? _wgmma = gpu.Device.HasWgmma ? new WgmmaRaggedLauncher(gpu) : null;

    /// <summary>c[p, :] (+)= α·a[p, :]·op(b[e]).</summary>
    public void MatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha, bool accumulate)
    {
        if (c.Count == 0)
        {
            return;
        }
        gpu.Device.Work = new Work(2.0 * c.Count * a.Shape.Columns, 0);
        if (_wgmma is not null && gpu.ComputeDType == DType.BF16 && a.DType != DType.F16 && b.DType != DType.F16 && a.Shape.Columns > 0)
        {
            _wgmma.MatMul(a, b, transposeB, offsets, c, alpha, accumulate);
            return;
        }
        if (a.DType == c.DType)
        {
            DTypeSwitch.Element(a.DType, new Launch(gpu, a, b, transposeB, offsets, c, alpha, accumulate));
            gpu.Written(c);
            return;
        }
        using Float32Staging rows = gpu.StageIn(a), sum = gpu.StageOut(c, accumulate);
        DTypeSwitch.Element(DType.F32, new Launch(gpu, rows.Tensor, b, transposeB, offsets, sum.Tensor, alpha, accumulate));
    }

    /// <summary>c[e] (+)= α·Aₑᵀ·Bₑ.</summary>
    public void Gradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate)
    {
        if (c.Count == 0)
        {
            return;
        }
        gpu.Device.Work = new Work(2.0 * a.Count * b.Shape.Columns, 0);
        using var sum = gpu.StageOut(c, accumulate);
        if (a.DType == b.DType)
        {
            DTypeSwitch.Element(a.DType, new GradientLaunch(gpu, a, b, offsets, sum.Tensor, alpha, accumulate));
            return;
        }
        using Float32Staging left = gpu.StageIn(a), right = gpu.StageIn(b);
        DTypeSwitch.Element(DType.F32, new GradientLaunch(gpu, left.Tensor, right.Tensor, offsets, sum.Tensor, alpha, accumulate));
    }

    private readonly record struct Launch(LaunchContext Gpu, Tensor A, Tensor B, bool TransposeB, Tensor Offsets, Tensor C, float Alpha,
        bool Accumulate) : IElementLaunch
    {
        public void WithElement<TA>() where TA : unmanaged, IElement<TA> => DTypeSwitch.Element(B.DType, new Launch<TA>(this));
    }

    private readonly record struct Launch<TA>(Launch Product) : IElementLaunch where TA : unmanaged, IElement<TA>
    {
        public void WithElement<TB>() where TB : unmanaged, IElement<TB>
        {
            if (Product.Gpu.Device.Name.IsCuda)
            {
                Run<TA, TB, Block16x16>(Product);
            }
            else
            {
                Run<TA, TB, Block4x4>(Product);
            }
        }
    }

    private static void Run<TA, TB, TBlock>(in Launch p)
        where TA : unmanaged, IElement<TA>
        where TB : unmanaged, IElement<TB>
        where TBlock : struct, IBlockShape
    {
        int rows = p.C.Shape.Rows, n = p.C.Shape.Columns, k = p.A.Shape.Columns, experts = p.B.Shape[0], tile = 4 * TBlock.Side;
        int tilesN = SplitKSchedule.Count(n, tile);
        // Each expert's last tile may be partial.
        int tilesM = SplitKSchedule.Count(rows, tile) + Math.Min(experts, rows);
        p.Gpu.Run<RaggedGemm<TA, TB, TBlock>, RaggedGemmArgs<TA, TB>>(tilesM * tilesN, 1, new RaggedGemmArgs<TA, TB>
        {
            A = p.Gpu.View<TA>(p.A),
            B = p.Gpu.View<TB>(p.B),
            C = p.Gpu.View<TA>(p.C),
            Offsets = p.Gpu.I32(p.Offsets),
            BExpert = (long)k * n,
            BRow = p.TransposeB ? 1 : n,
            BColumn = p.TransposeB ? k : 1,
            Experts = experts,
            N = n,
            K = k,
            TilesN = tilesN,
            Accumulate = Flag(p.Accumulate),
            Alpha = p.Alpha,
        });
    }

    private readonly record struct GradientLaunch(LaunchContext Gpu, Tensor A, Tensor B, Tensor Offsets, Tensor C, float Alpha,
        bool Accumulate) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            if (Gpu.Device.Name.IsCuda)
            {
                Run<TElement, Block16x16>(this);
            }
            else
            {
                Run<TElement, Block4x4>(this);
            }
        }
    }

    private static void Run<TElement, TBlock>(in GradientLaunch p)
        where TElement : unmanaged, IElement<TElement>
        where TBlock : struct, IBlockShape
    {
        int m = p.A.Shape.Columns, n = p.B.Shape.Columns, tile = 4 * TBlock.Side;
        int tilesM = SplitKSchedule.Count(m, tile), tilesN = SplitKSchedule.Count(n, tile);
        p.Gpu.Run<RaggedGradient<TElement, TBlock>, RaggedGradientArgs<TElement>>(p.C.Shape[0] * tilesM * tilesN, 1,
            new RaggedGradientArgs<TElement>
            {
                A = p.Gpu.View<TElement>(p.A),
                B = p.Gpu.View<TElement>(p.B),
                C = p.Gpu.F32(p.C),
                Offsets = p.Gpu.I32(p.Offsets),
                M = m,
                N = n,
                TilesM = tilesM,
                TilesN = tilesN,
                Accumulate = Flag(p.Accumulate),
                Alpha = p.Alpha,
            });
    }
}

using ILGPU;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const int CardTile = 64;

    private readonly record struct Product(Tensor A, bool TransposeA, Tensor B, bool TransposeB, Tensor C, float Alpha, bool Accumulate);

    private void Multiply<TA>(in Product product) where TA : unmanaged, IElement<TA>
    {
        switch (product.B.DType)
        {
            case DType.F32: Multiply<TA, Float32>(product); break;
            case DType.BF16: Multiply<TA, BFloat16>(product); break;
            default: Multiply<TA, Float16>(product); break;
        }
    }

    private void Multiply<TA, TB>(in Product product)
        where TA : unmanaged, IElement<TA>
        where TB : unmanaged, IElement<TB>
    {
        if (_device.Name.IsCuda)
        {
            Multiply<TA, TB, Block16x16>(product, CardTile);
        }
        else
        {
            Multiply<TA, TB, Block4x4>(product, 4 * Block4x4.Side);
        }
    }

    private void Multiply<TA, TB, TBlock>(in Product p, int tile)
        where TA : unmanaged, IElement<TA>
        where TB : unmanaged, IElement<TB>
        where TBlock : struct, IBlockShape
    {
        int m = p.C.Shape.Rows, n = p.C.Shape.Columns, k = p.TransposeA ? p.A.Shape.Rows : p.A.Shape.Columns;
        var schedule = SplitKSchedule.For(m, n, k, tile, Panel.Depth, _device.Accelerator.NumMultiprocessors);
        var args = new GemmArgs<TA, TB>
        {
            A = View<TA>(p.A),
            B = View<TB>(p.B),
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
            (args.C, args.Accumulate) = (F32(p.C), Flag(p.Accumulate));
            _device.Run<Gemm<TA, TB, TBlock>, GemmArgs<TA, TB>>(schedule.TilesM * schedule.TilesN, 1, args);
            return;
        }
        using var partials = new Scratch(this, (long)schedule.Splits * m * n);
        args.C = partials.View;
        _device.Run<Gemm<TA, TB, TBlock>, GemmArgs<TA, TB>>(schedule.TilesM * schedule.TilesN, schedule.Splits, args);
        _device.ForEach<SumPartials, SumPartialsArgs>((long)m * n,
            new SumPartialsArgs { Partials = partials.View, C = F32(p.C), Count = schedule.Splits, Accumulate = Flag(p.Accumulate) });
    }

    /// <summary>Floats that live while one method runs. They go back at once: whatever takes their place comes later in the
    /// stream.</summary>
    private readonly struct Scratch(IlgpuBackend backend, long count) : IDisposable
    {
        private readonly Storage _storage = backend.Allocate(count * sizeof(float), MemoryKind.Workspace);

        public ArrayView<float> View => backend._device.Space.View<float>(_storage.Address, count);

        public nint Address => _storage.Address;

        public void Dispose() => _storage.Release();
    }
}

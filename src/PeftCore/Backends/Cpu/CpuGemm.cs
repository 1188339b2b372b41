using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Matrix products.</summary>
internal sealed class CpuGemm(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha, bool accumulate)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = transposeA ? a.Shape.Rows : a.Shape.Columns;
        string name = Stream.IsProfiling ? $"{(transposeA ? "Aᵀ" : "A")}·{(transposeB ? "Bᵀ" : "B")} {m}×{n}×{k}" : "";
        Launch(LaunchCost.OfFlops(name, 2.0 * m * n * k),
            (a: In(a), transposeA, b: In(b), transposeB, y: Out(c), alpha, accumulate, packed: Packed?.Of(m, k, a, b, transposeB)),
            static (c, s) =>
            {
                int m = c.y.Rows, n = c.y.Columns, k = c.transposeA ? c.a.Rows : c.a.Columns;
                if (c.packed is { } packed)
                {
                    Gemm.MultiplyPacked(m, n, k, c.a.Matrix, c.transposeA, PackIfStale(packed, c.b, s), c.b.DType.Element, c.y.F32, n,
                        c.alpha, c.accumulate, s.Pool);
                    return;
                }
                new LargeGemm(n, c.transposeA, c.transposeB, c.alpha, s)
                    .Multiply(m, n, k, new MatrixBlock(c.a), new MatrixBlock(c.b), c.y.F32, c.accumulate);
            });
    }

    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        Launch(LaunchCost.OfFlops("batched products", 2.0 * product.Count * product.M * product.K * product.N),
            (product, a: In(a), b: In(b), y: Out(c)),
            static (c, s) => BatchedProducts.Multiply(c.product, c.a.F32, c.b.F32, c.y.F32, s.Pool));

    private static unsafe Span<byte> PackIfStale(PackedWeights.Packed packed, CpuTensorView b, CpuStream stream)
    {
        Span<byte> bytes = new((void*)packed.Storage.Address, (int)packed.Storage.Bytes);
        if (packed.Stale)
        {
            packed.Stale = false;
            int rows = b.Rows, columns = b.Columns;
            Gemm.Pack(packed.Transposed ? rows : columns, packed.Transposed ? columns : rows, b.Matrix, packed.Transposed, bytes,
                stream.Pool);
        }
        return bytes;
    }
}

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
                int n = c.y.Columns, k = c.transposeA ? c.a.Rows : c.a.Columns;
                if (c.packed is { } packed)
                {
                    Gemm.MultiplyPacked(c.y.Rows, n, k, c.a.Matrix, c.transposeA, PackIfStale(packed, c.b, s), c.b.DType.Element,
                        c.y.F32, n, c.alpha, c.accumulate, s.Pool);
                    return;
                }
                var gemm = new LargeGemm(n, c.transposeA, c.transposeB, c.alpha, s);
                MatrixBlock a = new(c.a), b = new(c.b);
                foreach (var part in s.RowPartsOf(c.y))
                {
                    var rows = c.transposeA ? a.ColumnsOf((int)part.First, part.Count) : a.RowsOf((int)part.First, part.Count);
                    gemm.Multiply(part.Count, n, k, rows, b, c.y.RowsOf(part).F32, c.accumulate);
                }
            });
    }

    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        Launch(LaunchCost.OfFlops("batched products", 2.0 * product.Count * product.M * product.K * product.N),
            (product, a: In(a), b: In(b), y: Out(c)),
            static (c, s) => BatchedProducts.Multiply(c.product, c.a.F32, c.b.F32, c.y.F32, s.Pool));

    private static unsafe Span<byte> PackIfStale(PackedWeights.Packed packed, CpuTensorView b, CpuStream stream)
    {
        Span<byte> bytes = new((void*)packed.Storage.Address, (int)packed.Storage.Bytes);
        lock (packed)
        {
            if (packed.Stale)
            {
                int rows = b.Rows, columns = b.Columns;
                Gemm.Pack(packed.Transposed ? rows : columns, packed.Transposed ? columns : rows, b.Matrix, packed.Transposed, bytes,
                    stream.Pool);
                packed.Stale = false;
            }
        }
        return bytes;
    }
}

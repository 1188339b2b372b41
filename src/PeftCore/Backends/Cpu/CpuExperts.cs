using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Mixtures of experts: the choice of experts, rows to experts and back, ragged products.</summary>
internal sealed class CpuExperts(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen) =>
        Launch(LaunchCost.Of("choose experts", scores), (scores: In(scores), bias: InOrNull(bias), groups, chosen: Out(chosen)),
            static (c, s) => ExpertChoice.TopK(c.scores.F32, c.bias.F32OrEmpty, c.groups, c.chosen.I32, c.scores.Rows, c.scores.Columns,
                c.chosen.Columns, s.Pool));

    public void TakeColumns(Tensor x, Tensor chosen, Tensor y) =>
        Launch(LaunchCost.Of("take columns", y, y), (x: In(x), chosen: In(chosen), y: Out(y)),
            static (c, _) => Kernels.TakeColumns.Forward(c.x.F32, c.chosen.I32, c.y.F32, c.x.Rows, c.x.Columns, c.chosen.Columns));

    public void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of take columns", dx), (dy: In(dy), chosen: In(chosen), dx: Out(dx), accumulate),
            static (c, _) => Kernels.TakeColumns.Gradient(c.dy.F32, c.chosen.I32, c.dx.F32, c.dx.Rows, c.dx.Columns, c.chosen.Columns,
                c.accumulate));

    public void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets) =>
        Launch(LaunchCost.Of("sort by expert", chosen, order, position, experts),
            (chosen: In(chosen), order: Out(order), position: Out(position), experts: Out(experts), offsets: Out(offsets)),
            static (c, _) => ExpertSort.Sort(c.chosen.I32, c.order.I32, c.position.I32, c.experts.I32, c.offsets.I32));

    public void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("dispatch rows", x, y), (x: In(x), order: In(order), y: Out(y), accumulate),
            static (c, s) => ExpertRows.Dispatch(c.x.F32, c.order.I32, c.y.F32, (int)c.order.Count, PerToken(c.order.Count, c.x.Rows),
                c.x.Columns, c.accumulate, s.Pool));

    public void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("combine rows", x, y), (x: In(x), position: In(position), y: Out(y), accumulate),
            static (c, s) => ExpertRows.Combine(c.x.F32, c.position.I32, c.y.F32, c.y.Rows, PerToken(c.position.Count, c.y.Rows),
                c.y.Columns, c.accumulate, s.Pool));

    public void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) where TGlu : struct, IGluFormula =>
        Launch(LaunchCost.Of("routed glu", x, h), (x: In(x), weights: In(weights), order: In(order), h: Out(h)),
            static (c, s) => Kernels.RoutedGlu.Forward<TGlu>(c.x.F32, c.weights.F32, c.order.I32, c.h.F32, c.h.Rows, c.h.Columns, s.Pool));

    public void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights, bool accumulate)
        where TGlu : struct, IGluFormula =>
        Launch(LaunchCost.Of("gradient of routed glu", x, dh, dx),
            (x: In(x), weights: In(weights), order: In(order), dh: In(dh), dx: OutOrNull(dx), dWeights: OutOrNull(dWeights), accumulate),
            static (c, s) => Kernels.RoutedGlu.Gradient<TGlu>(c.x.F32, c.weights.F32, c.order.I32, c.dh.F32, c.dx.F32OrEmpty,
                c.dWeights.F32OrEmpty, c.accumulate, c.dh.Rows, c.dh.Columns, s.Pool));

    public void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        Launch(LaunchCost.OfFlops("ragged product", 2.0 * c.Count * a.Shape.Columns),
            (a: In(a), b: In(b), transposeB, offsets: In(offsets), y: Out(c), alpha, accumulate), static (c, s) =>
            {
                int n = c.y.Columns, k = c.a.Columns;
                var offsets = c.offsets.I32;
                var gemm = new LargeGemm(n, false, c.transposeB, c.alpha, s);
                for (int e = 0; e < c.b.Shape[0]; e++)
                {
                    int rows = offsets[e + 1] - offsets[e];
                    if (rows > 0)
                    {
                        gemm.Multiply(rows, n, k, new MatrixBlock(c.a).RowsOf(offsets[e], rows), MatrixOf(c.b, e),
                            c.y.F32[(offsets[e] * n)..], c.accumulate);
                    }
                }
            });

    public unsafe void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        Launch(LaunchCost.OfFlops("gradient of ragged product", 2.0 * a.Count * b.Shape.Columns),
            (a: In(a), b: In(b), offsets: In(offsets), y: Out(c), alpha, accumulate), static (c, s) =>
            {
                int m = c.a.Columns, n = c.b.Columns;
                var offsets = c.offsets.I32;
                var gemm = new LargeGemm(n, true, false, c.alpha, s);
                for (int e = 0; e < c.y.Shape[0]; e++)
                {
                    int rows = offsets[e + 1] - offsets[e];
                    Span<float> result = new(c.y.F32Data + (long)e * m * n, m * n);
                    gemm.Multiply(m, n, rows, new MatrixBlock(c.a).RowsOf(offsets[e], rows), new MatrixBlock(c.b).RowsOf(offsets[e], rows),
                        result, c.accumulate);
                }
            });

    private static unsafe MatrixBlock MatrixOf(CpuTensorView matrices, int index)
    {
        int rows = matrices.Shape[1], columns = matrices.Shape[2];
        return new MatrixBlock(matrices.Data + (long)index * rows * columns * matrices.DType.Size, matrices.DType, rows, columns, columns);
    }

    private static int PerToken(long pairs, int tokens) => tokens == 0 ? 1 : (int)(pairs / tokens);
}

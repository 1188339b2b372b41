using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Experts;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Mixtures of experts: the choice of experts, the sort of pairs, rows to experts and back, and the gated unit. Counts stay on the
/// card.</summary>
internal sealed class ExpertLauncher(LaunchContext gpu)
{
    private const int SortChunk = 512; // pairs that a thread of the sort reads

    private readonly RaggedGemmLauncher _products = new(gpu);

    public void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen)
    {
        using var work = new Scratch(gpu, scores.Count);
        gpu.ForEach<Kernels.Ilgpu.Portable.Experts.ExpertChoice, ExpertChoiceArgs>(scores.Shape.Rows, new ExpertChoiceArgs
        {
            Scores = gpu.F32(scores),
            Bias = gpu.F32OrNone(bias),
            Work = work.View,
            Chosen = gpu.I32(chosen),
            Rows = scores.Shape.Rows,
            Columns = scores.Shape.Columns,
            K = chosen.Shape.Columns,
            Groups = groups.Count,
            Kept = groups.Kept,
        });
        gpu.Written(chosen);
    }

    public void TakeColumns(Tensor x, Tensor chosen, Tensor y)
    {
        gpu.ForEach<Kernels.Ilgpu.Portable.Experts.TakeColumns, TakeColumnsArgs>(y.Count, new TakeColumnsArgs
        {
            X = gpu.F32(x),
            Y = gpu.F32(y),
            Chosen = gpu.I32(chosen),
            Columns = x.Shape.Columns,
            K = y.Shape.Columns,
        });
        gpu.Written(y);
    }

    public void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate)
    {
        gpu.ForEach<PutColumns, TakeColumnsArgs>(dx.Count, new TakeColumnsArgs
        {
            X = gpu.F32(dy),
            Y = gpu.F32(dx),
            Chosen = gpu.I32(chosen),
            Columns = dx.Shape.Columns,
            K = dy.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
        gpu.Written(dx);
    }

    public void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets)
    {
        int count = (int)offsets.Count - 1, pairs = (int)chosen.Count, chunks = SplitKSchedule.Count(pairs, SortChunk);
        using var counts = gpu.Workspace([chunks + 1, count], DType.I32);
        var args = new ExpertSortArgs
        {
            Chosen = gpu.I32(chosen),
            Order = gpu.I32(order),
            Position = gpu.I32(position),
            Sorted = gpu.I32(experts),
            Offsets = gpu.I32(offsets),
            Counts = gpu.I32(counts),
            Pairs = pairs,
            Experts = count,
            Chunk = SortChunk,
            Chunks = chunks,
        };
        gpu.ForEach<ExpertCounts, ExpertSortArgs>((long)chunks * count, args);
        gpu.ForEach<ExpertTotals, ExpertSortArgs>(count, args);
        gpu.ForEach<ExpertOffsets, ExpertSortArgs>(count + 1, args);
        gpu.ForEach<ExpertPlaces, ExpertSortArgs>((long)chunks * count, args);
    }

    public void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate) => MoveRows(x, order, y, accumulate, dispatch: true);

    public void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate) => MoveRows(x, position, y, accumulate, dispatch: false);

    public void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) where TGlu : struct, IGluFormula
    {
        DTypeSwitch.Element(x.DType, new GluLaunch<TGlu>(gpu, x, weights, order, h, null, null, false, false));
        gpu.Written(h);
    }

    public void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights, bool accumulate)
        where TGlu : struct, IGluFormula
    {
        DTypeSwitch.Element(x.DType, new GluLaunch<TGlu>(gpu, x, weights, order, dh, dx, dWeights, true, accumulate));
        foreach (var written in (ReadOnlySpan<Tensor?>)[dx, dWeights])
        {
            if (written is not null)
            {
                gpu.Written(written);
            }
        }
    }

    public void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        _products.MatMul(a, b, transposeB, offsets, c, alpha, accumulate);

    public void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        _products.Gradient(a, b, offsets, c, alpha, accumulate);

    private void MoveRows(Tensor x, Tensor index, Tensor y, bool accumulate, bool dispatch)
    {
        int tokens = dispatch ? x.Shape.Rows : y.Shape.Rows, k = tokens == 0 ? 1 : (int)(index.Count / tokens);
        gpu.Moves(x, y);
        if (x.DType == y.DType && CanVectorize(x, y))
        {
            var args = new ExpertRowsBf16x8Args
            {
                X = gpu.Bf16x8(x),
                Y = gpu.Bf16x8(y),
                Index = gpu.I32(index),
                Vectors = y.Shape.Columns / 8,
                K = k,
                Accumulate = Flag(accumulate),
            };
            if (dispatch)
            {
                gpu.ForEach<DispatchRowsBf16x8, ExpertRowsBf16x8Args>(y.Count / 8, args);
            }
            else
            {
                gpu.ForEach<CombineRowsBf16x8, ExpertRowsBf16x8Args>(y.Count / 8, args);
            }
            gpu.Written(y);
            return;
        }
        DTypeSwitch.Element(x.DType, new RowsLaunch(gpu, x, index, y, k, accumulate, dispatch));
        gpu.Written(y);
    }

    private readonly record struct RowsLaunch(LaunchContext Gpu, Tensor X, Tensor Index, Tensor Y, int K, bool Accumulate, bool Dispatch)
        : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = new ExpertRowsArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                Y = Gpu.View<TElement>(Y),
                Index = Gpu.I32(Index),
                Columns = Y.Shape.Columns,
                K = K,
                Accumulate = Flag(Accumulate),
            };
            if (Dispatch)
            {
                Gpu.ForEach<DispatchRows<TElement>, ExpertRowsArgs<TElement>>(Y.Count, args);
            }
            else
            {
                Gpu.ForEach<CombineRows<TElement>, ExpertRowsArgs<TElement>>(Y.Count, args);
            }
        }
    }

    private readonly record struct GluLaunch<TGlu>(LaunchContext Gpu, Tensor X, Tensor Weights, Tensor Order, Tensor H, Tensor? DX,
        Tensor? DWeights, bool Backward, bool Accumulate) : IElementLaunch where TGlu : struct, IGluFormula
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = new RoutedGluArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                H = Gpu.View<TElement>(H),
                DX = DX is null ? Gpu.None<TElement>() : Gpu.View<TElement>(DX),
                Weights = Gpu.F32(Weights),
                DWeights = Gpu.F32OrNone(DWeights),
                Order = Gpu.I32(Order),
                Columns = H.Shape.Columns,
                Accumulate = Flag(Accumulate),
            };
            Gpu.Moves(X, H);
            if (Backward)
            {
                Gpu.Run<RoutedGluGradient<TGlu, TElement>, RoutedGluArgs<TElement>>(H.Shape.Rows, 1, args);
            }
            else
            {
                Gpu.ForEach<RoutedGlu<TGlu, TElement>, RoutedGluArgs<TElement>>(H.Count, args);
            }
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct ColumnSumArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, Y;
    public ArrayView<float> Mean, Rstd, Sums;
    public int Rows, Columns, BlocksPerRow, Run, Accumulate;
}

/// <summary>The term of a sum over rows.</summary>
internal interface IColumnTerm<TElement> where TElement : unmanaged, IElement<TElement>
{
    static abstract float At(ColumnSumArgs<TElement> args, int row, long at);
}

/// <summary>sums[run, c] (+)= Σ over a run of rows of term(r, c). A second launch adds up the runs in order, so that the
/// sum does not depend on timing.</summary>
internal readonly struct ColumnSums<TElement, TTerm> : IKernel<ColumnSumArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
    where TTerm : struct, IColumnTerm<TElement>
{
    public static void Run(ColumnSumArgs<TElement> args)
    {
        int run = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            int first = run * args.Run, last = first + args.Run < args.Rows ? first + args.Run : args.Rows;
            float sum = 0;
            for (int r = first; r < last; r++)
            {
                sum += TTerm.At(args, r, ((long)r * args.Columns) + c);
            }

            long to = ((long)run * args.Columns) + c;
            args.Sums[to] = args.Accumulate != 0 ? args.Sums[to] + sum : sum;
        }
    }
}

internal readonly struct EntryTerm<TElement> : IColumnTerm<TElement> where TElement : unmanaged, IElement<TElement>
{
    public static float At(ColumnSumArgs<TElement> args, int row, long at) => TElement.ToFloat(args.X[at]);
}

internal readonly struct ProductTerm<TElement> : IColumnTerm<TElement> where TElement : unmanaged, IElement<TElement>
{
    public static float At(ColumnSumArgs<TElement> args, int row, long at) =>
        TElement.ToFloat(args.X[at]) * TElement.ToFloat(args.Y[at]);
}

/// <summary>x·rstd·dy: the gradient of an RMS norm's weight.</summary>
internal readonly struct RmsTerm<TElement> : IColumnTerm<TElement> where TElement : unmanaged, IElement<TElement>
{
    public static float At(ColumnSumArgs<TElement> args, int row, long at) =>
        TElement.ToFloat(args.X[at]) * args.Rstd[row] * TElement.ToFloat(args.Y[at]);
}

/// <summary>(x − mean)·rstd·dy: the gradient of a layer norm's weight.</summary>
internal readonly struct LayerTerm<TElement> : IColumnTerm<TElement> where TElement : unmanaged, IElement<TElement>
{
    public static float At(ColumnSumArgs<TElement> args, int row, long at) =>
        (TElement.ToFloat(args.X[at]) - args.Mean[row]) * args.Rstd[row] * TElement.ToFloat(args.Y[at]);
}

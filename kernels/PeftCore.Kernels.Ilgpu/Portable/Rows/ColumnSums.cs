using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct ColumnSumArgs
{
    public ArrayView<float> X, Y, Mean, Rstd, Sums;
    public int Rows, Columns, Strips, Run, Accumulate;
}

/// <summary>What a sum over rows adds up.</summary>
internal interface IColumnTerm
{
    static abstract float At(ColumnSumArgs args, int row, long at);
}

/// <summary>sums[run, c] (+)= Σ over a run of rows of term(r, c). Runs are summed apart and added in order by a second launch, so the
/// order is fixed.</summary>
internal readonly struct ColumnSums<TTerm> : IKernel<ColumnSumArgs> where TTerm : struct, IColumnTerm
{
    public static void Run(ColumnSumArgs args)
    {
        int run = Grid.IdxX / args.Strips, c = (Grid.IdxX % args.Strips * Group.DimX) + Group.IdxX;
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

internal readonly struct EntryTerm : IColumnTerm
{
    public static float At(ColumnSumArgs args, int row, long at) => args.X[at];
}

internal readonly struct ProductTerm : IColumnTerm
{
    public static float At(ColumnSumArgs args, int row, long at) => args.X[at] * args.Y[at];
}

/// <summary>x·rstd·dy: the gradient of an RMS norm's weight.</summary>
internal readonly struct RmsTerm : IColumnTerm
{
    public static float At(ColumnSumArgs args, int row, long at) => args.X[at] * args.Rstd[row] * args.Y[at];
}

/// <summary>(x − mean)·rstd·dy: the gradient of a layer norm's weight.</summary>
internal readonly struct LayerTerm : IColumnTerm
{
    public static float At(ColumnSumArgs args, int row, long at) => (args.X[at] - args.Mean[row]) * args.Rstd[row] * args.Y[at];
}

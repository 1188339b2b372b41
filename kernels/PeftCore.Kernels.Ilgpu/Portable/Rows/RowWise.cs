using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct RowWiseArgs<TElement, TRow>
    where TElement : unmanaged
    where TRow : unmanaged
{
    public ArrayView<TElement> X, Y;
    public ArrayView<TRow> Factor;
    public int Columns, BlocksPerRow, Accumulate;
}

/// <summary>y[r, c] (+)= x[r, c]·row[c]. A thread block takes a block of columns of one row.</summary>
internal readonly struct MultiplyRow<TElement> : IKernel<RowWiseArgs<TElement, float>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(RowWiseArgs<TElement, float> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            long i = ((long)r * args.Columns) + c;
            float value = TElement.ToFloat(args.X[i]) * args.Factor[c];
            args.Y[i] = TElement.FromFloat(args.Accumulate != 0 ? TElement.ToFloat(args.Y[i]) + value : value);
        }
    }
}

/// <summary>y[r, c] (+)= x[r, c]·column[r].</summary>
internal readonly struct MultiplyColumn<TElement> : IKernel<RowWiseArgs<TElement, float>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(RowWiseArgs<TElement, float> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            long i = ((long)r * args.Columns) + c;
            float value = TElement.ToFloat(args.X[i]) * args.Factor[r];
            args.Y[i] = TElement.FromFloat(args.Accumulate != 0 ? TElement.ToFloat(args.Y[i]) + value : value);
        }
    }
}

/// <summary>y[r, c] += row[c].</summary>
internal readonly struct AddRow<TElement, TRow> : IKernel<RowWiseArgs<TElement, TRow>>
    where TElement : unmanaged, IElement<TElement>
    where TRow : unmanaged, IElement<TRow>
{
    public static void Run(RowWiseArgs<TElement, TRow> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            long i = ((long)r * args.Columns) + c;
            args.Y[i] = TElement.FromFloat(TElement.ToFloat(args.Y[i]) + TRow.ToFloat(args.Factor[c]));
        }
    }
}

internal struct CopyColumnsArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> From, To;
    public int FromStride, FromColumn, ToStride, ToColumn, Columns, BlocksPerRow, Accumulate;
}

/// <summary>to[r, toColumn + c] (+)= from[r, fromColumn + c].</summary>
internal readonly struct CopyColumns<TElement> : IKernel<CopyColumnsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(CopyColumnsArgs<TElement> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            var x = args.From[((long)r * args.FromStride) + args.FromColumn + c];
            long to = ((long)r * args.ToStride) + args.ToColumn + c;
            args.To[to] = args.Accumulate != 0 ? TElement.FromFloat(TElement.ToFloat(args.To[to]) + TElement.ToFloat(x)) : x;
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct RowWiseArgs<TRow> where TRow : unmanaged
{
    public ArrayView<float> X, Y;
    public ArrayView<TRow> Factor;
    public int Columns, BlocksPerRow, Accumulate;
}

/// <summary>y[r, c] (+)= x[r, c]·row[c]. A thread block takes a block of columns of one row.</summary>
internal readonly struct MultiplyRow : IKernel<RowWiseArgs<float>>
{
    public static void Run(RowWiseArgs<float> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            long i = ((long)r * args.Columns) + c;
            float value = args.X[i] * args.Factor[c];
            args.Y[i] = args.Accumulate != 0 ? args.Y[i] + value : value;
        }
    }
}

/// <summary>y[r, c] (+)= x[r, c]·column[r].</summary>
internal readonly struct MultiplyColumn : IKernel<RowWiseArgs<float>>
{
    public static void Run(RowWiseArgs<float> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            long i = ((long)r * args.Columns) + c;
            float value = args.X[i] * args.Factor[r];
            args.Y[i] = args.Accumulate != 0 ? args.Y[i] + value : value;
        }
    }
}

/// <summary>y[r, c] += row[c].</summary>
internal readonly struct AddRow<TRow> : IKernel<RowWiseArgs<TRow>> where TRow : unmanaged, IElement<TRow>
{
    public static void Run(RowWiseArgs<TRow> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            args.Y[((long)r * args.Columns) + c] += TRow.ToFloat(args.Factor[c]);
        }
    }
}

internal struct CopyColumnsArgs
{
    public ArrayView<float> From, To;
    public int FromStride, FromColumn, ToStride, ToColumn, Columns, BlocksPerRow, Accumulate;
}

/// <summary>to[r, toColumn + c] (+)= from[r, fromColumn + c].</summary>
internal readonly struct CopyColumns : IKernel<CopyColumnsArgs>
{
    public static void Run(CopyColumnsArgs args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            float x = args.From[((long)r * args.FromStride) + args.FromColumn + c];
            long to = ((long)r * args.ToStride) + args.ToColumn + c;
            args.To[to] = args.Accumulate != 0 ? args.To[to] + x : x;
        }
    }
}

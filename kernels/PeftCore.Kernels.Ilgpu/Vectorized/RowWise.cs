using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct GatherBf16x8Args<TTable> where TTable : unmanaged
{
    public ArrayView<int> Ids;
    public ArrayView<TTable> Table;
    public ArrayView<Bf16x8> Y;

    /// <summary>Vectors of a row, and thread blocks that share a row.</summary>
    public int Vectors, BlocksPerRow;
    public int TableRows;
}

/// <summary><see cref="Gather{TTable}"/> into BF16.</summary>
internal readonly struct GatherBf16x8<TTable> : IKernel<GatherBf16x8Args<TTable>> where TTable : unmanaged, IVector8<TTable>
{
    public static void Run(GatherBf16x8Args<TTable> args)
    {
        int i = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Vectors)
        {
            int id = args.Ids[i];
            bool known = id >= 0 && id < args.TableRows;
            var y = TTable.ToFloat(args.Table[((long)(known ? id : 0) * args.Vectors) + c]);
            args.Y[((long)i * args.Vectors) + c] = Bf16x8.FromFloat(known ? y : y * float.NaN);
        }
    }
}

internal struct AddRowBf16x8Args<TRow> where TRow : unmanaged
{
    public ArrayView<Bf16x8> Y;
    public ArrayView<TRow> Row;
    public int Vectors, BlocksPerRow;
}

/// <summary><see cref="AddRow{TElement, TRow}"/> on BF16.</summary>
internal readonly struct AddRowBf16x8<TRow> : IKernel<AddRowBf16x8Args<TRow>> where TRow : unmanaged, IVector8<TRow>
{
    public static void Run(AddRowBf16x8Args<TRow> args)
    {
        int r = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Vectors)
        {
            long i = ((long)r * args.Vectors) + c;
            args.Y[i] = Bf16x8.FromFloat(Bf16x8.ToFloat(args.Y[i]) + TRow.ToFloat(args.Row[c]));
        }
    }
}

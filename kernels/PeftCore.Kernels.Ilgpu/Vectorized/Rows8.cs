using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct Gather8Args<TTable> where TTable : unmanaged
{
    public ArrayView<int> Ids;
    public ArrayView<TTable> Table;
    public ArrayView<Eight> Y;

    /// <summary>Eights of a row, and groups that share one.</summary>
    public int Eights, Strips;
    public int TableRows;
}

/// <summary><see cref="Gather{TTable}"/> into BF16.</summary>
internal readonly struct Gather8<TTable> : IKernel<Gather8Args<TTable>> where TTable : unmanaged, IPacked<TTable>
{
    public static void Run(Gather8Args<TTable> args)
    {
        int i = Grid.IdxX / args.Strips, c = (Grid.IdxX % args.Strips * Group.DimX) + Group.IdxX;
        if (c < args.Eights)
        {
            int id = args.Ids[i];
            bool known = id >= 0 && id < args.TableRows;
            Floats8 y = TTable.ToFloat(args.Table[((long)(known ? id : 0) * args.Eights) + c]);
            args.Y[((long)i * args.Eights) + c] = Eight.FromFloat(known ? y : y * float.NaN);
        }
    }
}

internal struct AddRow8Args<TRow> where TRow : unmanaged
{
    public ArrayView<Eight> Y;
    public ArrayView<TRow> Row;
    public int Eights, Strips;
}

/// <summary><see cref="AddRow{TRow}"/> on BF16.</summary>
internal readonly struct AddRow8<TRow> : IKernel<AddRow8Args<TRow>> where TRow : unmanaged, IPacked<TRow>
{
    public static void Run(AddRow8Args<TRow> args)
    {
        int r = Grid.IdxX / args.Strips, c = (Grid.IdxX % args.Strips * Group.DimX) + Group.IdxX;
        if (c < args.Eights)
        {
            long i = ((long)r * args.Eights) + c;
            args.Y[i] = Eight.FromFloat(Eight.ToFloat(args.Y[i]) + TRow.ToFloat(args.Row[c]));
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct GatherArgs<TTable> where TTable : unmanaged
{
    public ArrayView<int> Ids;
    public ArrayView<TTable> Table;
    public ArrayView<float> Y;
    public int Columns, TableRows, BlocksPerRow;
}

/// <summary>y[i, :] = table[ids[i], :]; NaN where the id is outside the table, since a kernel cannot throw.</summary>
internal readonly struct Gather<TTable> : IKernel<GatherArgs<TTable>> where TTable : unmanaged, IElement<TTable>
{
    public static void Run(GatherArgs<TTable> args)
    {
        int i = Grid.IdxX / args.BlocksPerRow, c = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (c < args.Columns)
        {
            int id = args.Ids[i];
            float value = float.NaN;
            if (id >= 0 && id < args.TableRows)
            {
                value = TTable.ToFloat(args.Table[((long)id * args.Columns) + c]);
            }

            args.Y[((long)i * args.Columns) + c] = value;
        }
    }
}

internal struct ScatterAddArgs
{
    public ArrayView<int> Ids;
    public ArrayView<float> DOut, Table;
    public int Count, Columns, TableRows;
}

/// <summary>table[ids[i], :] += dy[i, :]. A thread takes a column and iterates over the rows in order, so that equal ids do not
/// conflict.</summary>
internal readonly struct ScatterAdd : IKernel<ScatterAddArgs>
{
    public static void Run(ScatterAddArgs args)
    {
        long c = Threads.Linear();
        if (c < args.Columns)
        {
            for (int i = 0; i < args.Count; i++)
            {
                int id = args.Ids[i];
                if (id >= 0 && id < args.TableRows)
                {
                    args.Table[((long)id * args.Columns) + c] += args.DOut[((long)i * args.Columns) + c];
                }
            }
        }
    }
}

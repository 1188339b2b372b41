using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct Rope8Args
{
    public ArrayView<Eight> Heads;
    public ArrayView<Wide8> Cos, Sin;
    public ArrayView<int> Positions;

    /// <summary>In eights: from row to row, to the first head, from head to head, and half of the rotated part.</summary>
    public int RowStride, Offset, HeadStride, Half;
    public int Rows, Count, TableRows, Inverse;
}

/// <summary><see cref="Portable.Rows.Rope"/> on BF16, for pairs half a head apart; a thread takes eight pairs.</summary>
internal readonly struct Rope8 : IKernel<Rope8Args>
{
    public static void Run(Rope8Args args)
    {
        // 32-bit numbers: a division of 64-bit ones takes longer than all the rest.
        int item = (Grid.IdxX * Group.DimX) + Group.IdxX, perRow = args.Count * args.Half;
        if (item >= args.Rows * perRow)
        {
            return;
        }

        int r = item / perRow, rest = item % perRow;
        int h = rest / args.Half, i = rest % args.Half;
        int position = args.Positions[r];
        bool known = position >= 0 && position < args.TableRows;
        long angle = ((long)(known ? position : 0) * args.Half) + i;
        float valid = known ? 1f : float.NaN;
        Floats8 c = Wide8.ToFloat(args.Cos[angle]) * valid;
        Floats8 s = Wide8.ToFloat(args.Sin[angle]) * (args.Inverse != 0 ? -valid : valid);
        long first = ((long)r * args.RowStride) + args.Offset + ((long)h * args.HeadStride) + i;
        Floats8 a = Eight.ToFloat(args.Heads[first]), b = Eight.ToFloat(args.Heads[first + args.Half]);
        args.Heads[first] = Eight.FromFloat((a * c) - (b * s));
        args.Heads[first + args.Half] = Eight.FromFloat((b * c) + (a * s));
    }
}

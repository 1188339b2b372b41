using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct RopeBf16x8Args
{
    public ArrayView<Bf16x8> Heads;
    public ArrayView<Float32x8> Cos, Sin;
    public ArrayView<int> Positions;

    /// <summary>In vectors: from row to row, to the first head, from head to head, and half of the rotated part.</summary>
    public int RowStride, Offset, HeadStride, Half;
    public int Rows, Count, TableRows, Inverse;
}

/// <summary><see cref="Portable.Rows.Rope"/> on BF16, for pairs half a head apart; a thread takes eight pairs.</summary>
internal readonly struct RopeBf16x8 : IKernel<RopeBf16x8Args>
{
    public static void Run(RopeBf16x8Args args)
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
        var c = Float32x8.ToFloat(args.Cos[angle]) * valid;
        var s = Float32x8.ToFloat(args.Sin[angle]) * (args.Inverse != 0 ? -valid : valid);
        long first = ((long)r * args.RowStride) + args.Offset + ((long)h * args.HeadStride) + i;
        Floats8 a = Bf16x8.ToFloat(args.Heads[first]), b = Bf16x8.ToFloat(args.Heads[first + args.Half]);
        args.Heads[first] = Bf16x8.FromFloat((a * c) - (b * s));
        args.Heads[first + args.Half] = Bf16x8.FromFloat((b * c) + (a * s));
    }
}

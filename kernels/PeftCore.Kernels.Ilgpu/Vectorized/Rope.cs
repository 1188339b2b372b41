using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct RopeBf16x8Args
{
    public ArrayView<Bf16x8> Heads;
    public ArrayView<Float4x2> Cos, Sin;
    public ArrayView<int> Positions;

    /// <summary>Strides of rows and heads, offset of the first head, and half of the rotated dimension, in vectors.</summary>
    public int RowStride, Offset, HeadStride, Half;
    public int Rows, Count, TableRows, Inverse;
}

/// <summary><see cref="Portable.Rows.Rope"/> on BF16, for pairs that are half of the rotated dimension apart; a thread takes
/// eight pairs.</summary>
internal readonly struct RopeBf16x8 : IKernel<RopeBf16x8Args>
{
    public static void Run(RopeBf16x8Args args)
    {
        // 32-bit numbers: a 64-bit division takes longer than everything else here.
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
        var c = Float4x2.ToFloat(args.Cos[angle]) * valid;
        var s = Float4x2.ToFloat(args.Sin[angle]) * (args.Inverse != 0 ? -valid : valid);
        long first = ((long)r * args.RowStride) + args.Offset + ((long)h * args.HeadStride) + i;
        Float32x8 a = Bf16x8.ToFloat(args.Heads[first]), b = Bf16x8.ToFloat(args.Heads[first + args.Half]);
        args.Heads[first] = Bf16x8.FromFloat((a * c) - (b * s));
        args.Heads[first + args.Half] = Bf16x8.FromFloat((b * c) + (a * s));
    }
}

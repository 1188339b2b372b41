using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct RmsBf16x8Args<TWeight> where TWeight : unmanaged
{
    public ArrayView<Bf16x8> X, Y, DOut, DX;
    public ArrayView<float> Rstd;
    public ArrayView<TWeight> Weight;
    public float Offset, Epsilon;

    /// <summary>Vectors of a row.</summary>
    public int Vectors;
    public int Rows, Accumulate;

    /// <summary>Whether rstd is given, because the norm is recomputed.</summary>
    public int HasRstd;
}

/// <summary><see cref="RmsForward{TWeight}"/> on BF16; a warp takes a row, and holds a row of up to 2048 columns in
/// registers.</summary>
internal readonly struct RmsForwardBf16x8<TWeight> : IKernel<RmsBf16x8Args<TWeight>> where TWeight : unmanaged, IVector8<TWeight>
{
    public static void Run(RmsBf16x8Args<TWeight> args)
    {
        int warp = Warp.WarpSize, lane = Group.IdxX % warp, r = (Grid.IdxX * (Group.DimX / warp)) + (Group.IdxX / warp),
            width = RowFragment.Count * warp;
        bool inside = r < args.Rows;
        r = inside ? r : args.Rows - 1; // All lanes of all warps must take part in the sums.
        long row = (long)r * args.Vectors;
        RowFragment x = default;
        float rstd;
        if (args.HasRstd != 0)
        {
            rstd = args.Rstd[r];
            x = RowFragment.Read(args.X, row, Layout(args, lane, 0));
        }
        else
        {
            float squares = 0;
            for (int first = 0; first < args.Vectors; first += width)
            {
                var layout = Layout(args, lane, first);
                x = RowFragment.Read(args.X, row, layout);
                squares += Square(x.A, layout.Has(0)) + Square(x.B, layout.Has(1)) + Square(x.C, layout.Has(2)) +
                    Square(x.D, layout.Has(3));
                squares += Square(x.E, layout.Has(4)) + Square(x.F, layout.Has(5)) + Square(x.G, layout.Has(6)) +
                    Square(x.H, layout.Has(7));
            }

            rstd = 1f / MathF.Sqrt((Threads.WarpSum(squares) / (8 * args.Vectors)) + args.Epsilon);
            if (lane == 0 && inside)
            {
                args.Rstd[r] = rstd;
            }
        }

        if (!inside)
        {
            return;
        }

        for (int first = 0; first < args.Vectors; first += width)
        {
            var layout = Layout(args, lane, first);
            if (args.HasRstd != 0 ? first > 0 : args.Vectors > width)
            {
                x = RowFragment.Read(args.X, row, layout);
            }

            Write(args, row, layout, 0, rstd, x.A);
            Write(args, row, layout, 1, rstd, x.B);
            Write(args, row, layout, 2, rstd, x.C);
            Write(args, row, layout, 3, rstd, x.D);
            Write(args, row, layout, 4, rstd, x.E);
            Write(args, row, layout, 5, rstd, x.F);
            Write(args, row, layout, 6, rstd, x.G);
            Write(args, row, layout, 7, rstd, x.H);
        }
    }

    private static FragmentLayout Layout(RmsBf16x8Args<TWeight> args, int lane, int first) =>
        new() { First = first + lane, Step = Warp.WarpSize, Vectors = args.Vectors };

    private static float Square(Bf16x8 stored, bool counts)
    {
        var x = Bf16x8.ToFloat(stored);
        return counts ? Float32x8.Sum(x * x) : 0;
    }

    private static void Write(RmsBf16x8Args<TWeight> args, long row, FragmentLayout layout, int i, float rstd, Bf16x8 x)
    {
        if (layout.Has(i))
        {
            args.Y[row + layout.At(i)] = Bf16x8.FromFloat(Bf16x8.ToFloat(x) * rstd * (TWeight.ToFloat(args.Weight[layout.At(i)]) +
                args.Offset));
        }
    }
}

/// <summary><see cref="RmsBackward{TWeight}"/> on BF16; a warp takes a row.</summary>
internal readonly struct RmsBackwardBf16x8<TWeight> : IKernel<RmsBf16x8Args<TWeight>> where TWeight : unmanaged, IVector8<TWeight>
{
    public static void Run(RmsBf16x8Args<TWeight> args)
    {
        int warp = Warp.WarpSize, lane = Group.IdxX % warp, r = (Grid.IdxX * (Group.DimX / warp)) + (Group.IdxX / warp),
            width = RowFragment.Count * warp;
        bool inside = r < args.Rows;
        r = inside ? r : args.Rows - 1;
        long row = (long)r * args.Vectors;
        RowFragment x = default, d = default;
        float dot = 0;
        for (int first = 0; first < args.Vectors; first += width)
        {
            var layout = new FragmentLayout { First = first + lane, Step = warp, Vectors = args.Vectors };
            x = RowFragment.Read(args.X, row, layout);
            d = RowFragment.Read(args.DOut, row, layout);
            dot += Dot(args, layout, 0, x.A, d.A) + Dot(args, layout, 1, x.B, d.B) + Dot(args, layout, 2, x.C, d.C) +
                Dot(args, layout, 3, x.D, d.D);
            dot += Dot(args, layout, 4, x.E, d.E) + Dot(args, layout, 5, x.F, d.F) + Dot(args, layout, 6, x.G, d.G) +
                Dot(args, layout, 7, x.H, d.H);
        }

        float rstd = args.Rstd[r];
        float correction = rstd * rstd * rstd * (Threads.WarpSum(dot) / (8 * args.Vectors));
        if (!inside)
        {
            return;
        }

        for (int first = 0; first < args.Vectors; first += width)
        {
            var layout = new FragmentLayout { First = first + lane, Step = warp, Vectors = args.Vectors };
            if (args.Vectors > width)
            {
                x = RowFragment.Read(args.X, row, layout);
                d = RowFragment.Read(args.DOut, row, layout);
            }

            var sum = args.Accumulate != 0 ? RowFragment.Read(args.DX, row, layout) : default;
            Write(args, row, layout, 0, rstd, correction, x.A, d.A, sum.A);
            Write(args, row, layout, 1, rstd, correction, x.B, d.B, sum.B);
            Write(args, row, layout, 2, rstd, correction, x.C, d.C, sum.C);
            Write(args, row, layout, 3, rstd, correction, x.D, d.D, sum.D);
            Write(args, row, layout, 4, rstd, correction, x.E, d.E, sum.E);
            Write(args, row, layout, 5, rstd, correction, x.F, d.F, sum.F);
            Write(args, row, layout, 6, rstd, correction, x.G, d.G, sum.G);
            Write(args, row, layout, 7, rstd, correction, x.H, d.H, sum.H);
        }
    }

    private static Float32x8 Weighted(RmsBf16x8Args<TWeight> args, int at, Bf16x8 d) =>
        Bf16x8.ToFloat(d) * (TWeight.ToFloat(args.Weight[at]) + args.Offset);

    private static float Dot(RmsBf16x8Args<TWeight> args, FragmentLayout layout, int i, Bf16x8 x, Bf16x8 d)
    {
        float dot = Float32x8.Sum(Weighted(args, layout.Clamped(i), d) * Bf16x8.ToFloat(x));
        return layout.Has(i) ? dot : 0;
    }

    private static void Write(RmsBf16x8Args<TWeight> args, long row, FragmentLayout layout, int i, float rstd, float correction, Bf16x8 x,
        Bf16x8 d, Bf16x8 sum)
    {
        if (layout.Has(i))
        {
            args.DX[row + layout.At(i)] = Bf16x8.FromFloat((Weighted(args, layout.At(i), d) * rstd) - (Bf16x8.ToFloat(x) * correction) +
                Bf16x8.ToFloat(sum));
        }
    }
}

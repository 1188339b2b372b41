using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct Rms8Args<TWeight> where TWeight : unmanaged
{
    public ArrayView<Eight> X, Y, DOut, DX;
    public ArrayView<float> Rstd;
    public ArrayView<TWeight> Weight;
    public float Offset, Epsilon;

    /// <summary>Eights of a row.</summary>
    public int Eights;
    public int Rows, Accumulate;

    /// <summary>rstd is there already: the norm is made once more.</summary>
    public int Known;
}

/// <summary><see cref="RmsForward{TWeight}"/> on BF16; a warp takes a row, and keeps one of up to 2048 columns in registers.</summary>
internal readonly struct RmsForward8<TWeight> : IKernel<Rms8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Rms8Args<TWeight> args)
    {
        int warp = Warp.WarpSize, lane = Group.IdxX % warp, r = (Grid.IdxX * (Group.DimX / warp)) + (Group.IdxX / warp), width = Octet.Count * warp;
        bool inside = r < args.Rows;
        r = inside ? r : args.Rows - 1; // All lanes of all warps meet in the sums.
        long row = (long)r * args.Eights;
        Octet x = default;
        float rstd;
        if (args.Known != 0)
        {
            rstd = args.Rstd[r];
            x = Octet.Read(args.X, row, Part(args, lane, 0));
        }
        else
        {
            float squares = 0;
            for (int first = 0; first < args.Eights; first += width)
            {
                RowPart part = Part(args, lane, first);
                x = Octet.Read(args.X, row, part);
                squares += Square(x.A, part.Has(0)) + Square(x.B, part.Has(1)) + Square(x.C, part.Has(2)) + Square(x.D, part.Has(3));
                squares += Square(x.E, part.Has(4)) + Square(x.F, part.Has(5)) + Square(x.G, part.Has(6)) + Square(x.H, part.Has(7));
            }

            rstd = 1f / MathF.Sqrt((Threads.WarpSum(squares) / (8 * args.Eights)) + args.Epsilon);
            if (lane == 0 && inside)
            {
                args.Rstd[r] = rstd;
            }
        }

        if (!inside)
        {
            return;
        }

        for (int first = 0; first < args.Eights; first += width)
        {
            RowPart part = Part(args, lane, first);
            if (args.Known != 0 ? first > 0 : args.Eights > width)
            {
                x = Octet.Read(args.X, row, part);
            }

            Write(args, row, part, 0, rstd, x.A);
            Write(args, row, part, 1, rstd, x.B);
            Write(args, row, part, 2, rstd, x.C);
            Write(args, row, part, 3, rstd, x.D);
            Write(args, row, part, 4, rstd, x.E);
            Write(args, row, part, 5, rstd, x.F);
            Write(args, row, part, 6, rstd, x.G);
            Write(args, row, part, 7, rstd, x.H);
        }
    }

    private static RowPart Part(Rms8Args<TWeight> args, int lane, int first) => new() { First = first + lane, Step = Warp.WarpSize, Eights = args.Eights };

    private static float Square(Eight stored, bool counts)
    {
        Floats8 x = Eight.ToFloat(stored);
        return counts ? Floats8.Sum(x * x) : 0;
    }

    private static void Write(Rms8Args<TWeight> args, long row, RowPart part, int i, float rstd, Eight x)
    {
        if (part.Has(i))
        {
            args.Y[row + part.At(i)] = Eight.FromFloat(Eight.ToFloat(x) * rstd * (TWeight.ToFloat(args.Weight[part.At(i)]) + args.Offset));
        }
    }
}

/// <summary><see cref="RmsBackward{TWeight}"/> on BF16, a warp a row.</summary>
internal readonly struct RmsBackward8<TWeight> : IKernel<Rms8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Rms8Args<TWeight> args)
    {
        int warp = Warp.WarpSize, lane = Group.IdxX % warp, r = (Grid.IdxX * (Group.DimX / warp)) + (Group.IdxX / warp), width = Octet.Count * warp;
        bool inside = r < args.Rows;
        r = inside ? r : args.Rows - 1;
        long row = (long)r * args.Eights;
        Octet x = default, d = default;
        float dot = 0;
        for (int first = 0; first < args.Eights; first += width)
        {
            var part = new RowPart { First = first + lane, Step = warp, Eights = args.Eights };
            x = Octet.Read(args.X, row, part);
            d = Octet.Read(args.DOut, row, part);
            dot += Dot(args, part, 0, x.A, d.A) + Dot(args, part, 1, x.B, d.B) + Dot(args, part, 2, x.C, d.C) + Dot(args, part, 3, x.D, d.D);
            dot += Dot(args, part, 4, x.E, d.E) + Dot(args, part, 5, x.F, d.F) + Dot(args, part, 6, x.G, d.G) + Dot(args, part, 7, x.H, d.H);
        }

        float rstd = args.Rstd[r];
        float pull = rstd * rstd * rstd * (Threads.WarpSum(dot) / (8 * args.Eights));
        if (!inside)
        {
            return;
        }

        for (int first = 0; first < args.Eights; first += width)
        {
            var part = new RowPart { First = first + lane, Step = warp, Eights = args.Eights };
            if (args.Eights > width)
            {
                x = Octet.Read(args.X, row, part);
                d = Octet.Read(args.DOut, row, part);
            }

            Octet sum = args.Accumulate != 0 ? Octet.Read(args.DX, row, part) : default;
            Write(args, row, part, 0, rstd, pull, x.A, d.A, sum.A);
            Write(args, row, part, 1, rstd, pull, x.B, d.B, sum.B);
            Write(args, row, part, 2, rstd, pull, x.C, d.C, sum.C);
            Write(args, row, part, 3, rstd, pull, x.D, d.D, sum.D);
            Write(args, row, part, 4, rstd, pull, x.E, d.E, sum.E);
            Write(args, row, part, 5, rstd, pull, x.F, d.F, sum.F);
            Write(args, row, part, 6, rstd, pull, x.G, d.G, sum.G);
            Write(args, row, part, 7, rstd, pull, x.H, d.H, sum.H);
        }
    }

    private static Floats8 Weighted(Rms8Args<TWeight> args, int at, Eight d) => Eight.ToFloat(d) * (TWeight.ToFloat(args.Weight[at]) + args.Offset);

    private static float Dot(Rms8Args<TWeight> args, RowPart part, int i, Eight x, Eight d)
    {
        float dot = Floats8.Sum(Weighted(args, part.Clamped(i), d) * Eight.ToFloat(x));
        return part.Has(i) ? dot : 0;
    }

    private static void Write(Rms8Args<TWeight> args, long row, RowPart part, int i, float rstd, float pull, Eight x, Eight d, Eight sum)
    {
        if (part.Has(i))
        {
            args.DX[row + part.At(i)] = Eight.FromFloat((Weighted(args, part.At(i), d) * rstd) - (Eight.ToFloat(x) * pull) + Eight.ToFloat(sum));
        }
    }
}

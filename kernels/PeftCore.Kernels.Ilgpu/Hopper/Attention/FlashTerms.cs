using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>Whether a kernel takes terms beyond q·k: biases, slopes, soft cap, sinks and dropout. Kernels without have none of their
/// code.</summary>
internal interface IFlashTerms
{
    static abstract bool Any { get; }

    static abstract void Begin();
}

internal readonly struct NoTerms : IFlashTerms
{
    public static bool Any => false;

    public static void Begin() { }
}

internal readonly struct WithTerms : IFlashTerms
{
    public static bool Any => true;

    public static void Begin() => CudaAsm.Emit("peft.terms;");
}

/// <summary>The terms of scores in registers. Scores are those of q·k, so that a term is divided by the scale first. Each thread has the
/// rows <c>row</c> and row + 8, and of every 8 columns two from <c>column</c> on. The readable twin is
/// <see cref="Portable.Attention.Scores"/>.</summary>
internal static class FlashTerms
{
    /// <summary>Adds the terms where rows are queries and columns keys.</summary>
    public static void AddToRows(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key)
    {
        Cap(args);
        if (args.HasSlopes != 0)
        {
            float slope = Interop.IntAsFloat((uint)args.Slopes[h]) * args.InverseScale;
            float first = slope * (key - (query + args.Keys - args.Queries));
            CudaAsm.Emit("peft.ramp %0, %1, %2;", first, first - (8 * slope), slope);
        }

        if (args.HasBias != 0)
        {
            long at = args.Bias + OffsetOf(args, b, h, query, key);
            int left0 = query < args.Queries ? args.Keys - key : 0, left1 = query + 8 < args.Queries ? args.Keys - key : 0;
            if (args.HasBias == 2)
            {
                CudaAsm.Emit("peft.rowbias.pairs %0, %1, %2, %3, %4;", at, at + (32L * args.Keys), left0, left1, args.InverseScale);
            }
            else
            {
                CudaAsm.Emit("peft.rowbias.singles %0, %1, %2, %3, %4;", at, at + (32L * args.Keys), left0, left1, args.InverseScale);
            }
        }
    }

    /// <summary>Adds the gradients of scores, whose rows are queries, to that of the bias.</summary>
    public static void AddBiasGradient(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key)
    {
        if (args.DBias != 0)
        {
            long at = args.DBias + OffsetOf(args, b, h, query, key);
            int left0 = query < args.Queries ? args.Keys - key : 0, left1 = query + 8 < args.Queries ? args.Keys - key : 0;
            if (args.HasBias == 2)
            {
                CudaAsm.Emit("peft.rowbiasgrad.pairs %0, %1, %2, %3;", at, at + (32L * args.Keys), left0, left1);
            }
            else
            {
                CudaAsm.Emit("peft.rowbiasgrad.singles %0, %1, %2, %3;", at, at + (32L * args.Keys), left0, left1);
            }
        }
    }

    /// <summary>Adds the terms where rows are keys and columns queries.</summary>
    public static void AddToColumns(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key)
    {
        Cap(args);
        if (args.HasSlopes != 0)
        {
            float slope = Interop.IntAsFloat((uint)args.Slopes[h]) * args.InverseScale;
            float first = slope * (key - (query + args.Keys - args.Queries));
            CudaAsm.Emit("peft.ramp %0, %1, %2;", first, first + (8 * slope), -slope);
        }

        if (args.HasBias != 0)
        {
            long at = args.Bias + OffsetOf(args, b, h, query, key);
            CudaAsm.Emit("peft.columnbias %0, %1, %2, %3, %4, %5;", at, 4L * args.Keys, args.Queries - query,
                key < args.Keys ? 1 : 0, key + 8 < args.Keys ? 1 : 0, args.InverseScale);
        }
    }

    /// <summary>Which probabilities dropout keeps, a bit for each register of scores, where rows are queries. Both columns of a pair have
    /// words of one counter: see <see cref="AttentionDropout.RowStart"/>.</summary>
    public static ulong KeptInRows(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key, int columns)
    {
        ulong words = (ulong)((args.Keys + 3) / 4), row = (ulong)((((long)b * args.Heads) + h) * args.Queries) + (ulong)query, kept = 0;
        ulong stream = DropoutStream.At(args.Stream, args.Passes);
        bool upper = (key & 2) != 0;
        for (int group = 0; group < columns / 8; group++)
        {
            for (int half = 0; half < 2; half++)
            {
                var four = Philox.Next(args.Seed, stream, ((row + (ulong)(8 * half)) * words) + (ulong)((key / 4) + (2 * group)));
                uint first = upper ? four.Z : four.X, second = upper ? four.W : four.Y;
                ulong bits = (first >> 8 >= args.DropBelow ? 1ul : 0ul) | (second >> 8 >= args.DropBelow ? 2ul : 0ul);
                kept |= bits << ((4 * group) + (2 * half));
            }
        }

        return kept;
    }

    /// <summary>Which probabilities dropout keeps, a bit for each register of scores, where rows are keys.</summary>
    public static ulong KeptInColumns(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key, int columns)
    {
        ulong words = (ulong)((args.Keys + 3) / 4), row = (ulong)((((long)b * args.Heads) + h) * args.Queries) + (ulong)query, kept = 0;
        ulong stream = DropoutStream.At(args.Stream, args.Passes);
        for (int register = 0; register < columns / 2; register++)
        {
            int column = (register / 4 * 8) + (register % 2), at = key + (register / 2 % 2 * 8);
            var four = Philox.Next(args.Seed, stream, ((row + (ulong)column) * words) + (ulong)(at / 4));
            uint low = (at & 1) != 0 ? four.Y : four.X, high = (at & 1) != 0 ? four.W : four.Z, word = (at & 2) != 0 ? high : low;
            kept |= (word >> 8 >= args.DropBelow ? 1ul : 0ul) << register;
        }

        return kept;
    }

    /// <summary>Multiplies the probabilities by dropout's factors.</summary>
    public static void DropRows(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key, int columns)
    {
        if (args.DropBelow > 0)
        {
            ulong kept = KeptInRows(args, b, h, query, key, columns);
            CudaAsm.Emit("peft.keep %0, %1, %2;", (int)kept, (int)(kept >> 32), args.KeptScale);
        }
    }

    /// <summary>The probabilities from scores whose rows are queries; with a soft cap times its derivative, for only the gradient of scores
    /// needs them.</summary>
    public static void RowWeights(FlashArgs<ArrayView<int>> args)
    {
        if (args.HasCap != 0)
        {
            CudaAsm.Emit("peft.rowweights.cap %0, %1;", args.ScaleLog2, args.CapInverse);
        }
        else
        {
            CudaAsm.Emit("peft.rowweights %0;", args.ScaleLog2);
        }
    }

    /// <summary>The gradient of scores whose rows are queries, with dropout's factors on that of the probabilities.</summary>
    public static void RowSlopes(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key, int columns)
    {
        if (args.DropBelow > 0)
        {
            ulong kept = KeptInRows(args, b, h, query, key, columns);
            CudaAsm.Emit("peft.rowslopes.keep %0, %1, %2;", (int)kept, (int)(kept >> 32), args.KeptScale);
        }
        else
        {
            CudaAsm.Emit("peft.rowslopes;");
        }
    }

    /// <summary>DropRows where rows are keys.</summary>
    public static void DropColumns(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key, int columns)
    {
        if (args.DropBelow > 0)
        {
            ulong kept = KeptInColumns(args, b, h, query, key, columns);
            CudaAsm.Emit("peft.keep %0, %1, %2;", (int)kept, (int)(kept >> 32), args.KeptScale);
        }
    }

    /// <summary>Probabilities and the gradients of scores whose rows are keys, with the derivative of the soft cap or dropout's
    /// factors.</summary>
    public static void ColumnGradients(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, int stats, int b, int h, int query, int key)
    {
        if (args.HasCap != 0)
        {
            CudaAsm.Emit("peft.columnweights.cap %0, %1, %2;", stats, args.ScaleLog2, args.CapInverse);
            CudaAsm.Emit("peft.columnslopes.cap %0;", stats);
        }
        else
        {
            CudaAsm.Emit("peft.columnweights %0, %1;", stats, args.ScaleLog2);
            if (args.DropBelow > 0)
            {
                ulong kept = KeptInColumns(args, b, h, query, key, tiles.Columns);
                CudaAsm.Emit("peft.columnslopes.keep %0, %1, %2, %3;", stats, (int)kept, (int)(kept >> 32), args.KeptScale);
            }
            else
            {
                CudaAsm.Emit("peft.columnslopes %0;", stats);
            }
        }
    }

    /// <summary>Writes lse and the rows' factors, with the head's sink in the denominator if there are sinks.</summary>
    public static void Finish(FlashArgs<ArrayView<int>> args, int h, long lse0, long lse1, int here0, int here1)
    {
        if (args.HasSinks != 0)
        {
            float sink = Interop.IntAsFloat((uint)args.Sinks[h]) * 1.44269504f;
            CudaAsm.Emit("peft.finish.sink %0, %1, %2, %3, %4, %5;", lse0, lse1, here0, here1, args.ScaleLog2, sink);
        }
        else
        {
            CudaAsm.Emit("peft.finish %0, %1, %2, %3, %4;", lse0, lse1, here0, here1, args.ScaleLog2);
        }
    }

    // Bytes from the first bias to that of a query and key.
    private static long OffsetOf(FlashArgs<ArrayView<int>> args, int b, int h, int query, int key) =>
        4 * ((b * args.BiasBatch) + (h * args.BiasHead) + ((long)query * args.Keys) + key);

    private static void Cap(FlashArgs<ArrayView<int>> args)
    {
        if (args.HasCap != 0)
        {
            CudaAsm.Emit("peft.cap %0, %1;", args.CapExponent, args.CapScore);
        }
    }
}

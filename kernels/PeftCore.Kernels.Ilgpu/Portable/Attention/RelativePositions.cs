using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

internal struct RelativeBiasArgs
{
    public ArrayView<float> Table, Y;
    public ArrayView<int> Buckets;
    public int Heads, Pairs, TableRows, Accumulate;
}

/// <summary>y[h, i] = table[buckets[i], h]; NaN where the bucket is outside of the table, since a kernel cannot throw.</summary>
internal readonly struct RelativeBias : IKernel<RelativeBiasArgs>
{
    public static void Run(RelativeBiasArgs args)
    {
        long item = Threads.Linear();
        if (item < args.Y.Length)
        {
            int h = (int)(item / args.Pairs), bucket = args.Buckets[item % args.Pairs];
            float value = float.NaN;
            if (bucket >= 0 && bucket < args.TableRows)
            {
                value = args.Table[((long)bucket * args.Heads) + h];
            }

            args.Y[item] = value;
        }
    }
}

/// <summary>table[r, h] (+)= Σ y[h, i] over i of bucket r. A thread block takes an element of the table and sums in a fixed
/// order.</summary>
internal readonly struct RelativeBiasGradient : IKernel<RelativeBiasArgs>
{
    public static void Run(RelativeBiasArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int bucket = Grid.IdxX / args.Heads, h = Grid.IdxX % args.Heads;
        long first = (long)h * args.Pairs;
        float sum = 0;
        for (int i = Group.IdxX; i < args.Pairs; i += Group.DimX)
        {
            if (args.Buckets[i] == bucket)
            {
                sum += args.Y[first + i];
            }
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.Table[Grid.IdxX] = args.Accumulate != 0 ? args.Table[Grid.IdxX] + sum : sum;
        }
    }
}

internal struct GatherRelativeArgs<TElement> where TElement : unmanaged, IElement<TElement>
{
    public ArrayView<TElement> X;
    public ArrayView<float> Y;
    public ArrayView<int> Index;
    public int Batch, Rows, Columns, Width, Transposed, Accumulate;
}

/// <summary>y[b, i, j] = x[b, i, index[i, j]], or transposed y[b, j, i]; NaN where the index is outside of x.</summary>
internal readonly struct GatherRelative<TElement> : IKernel<GatherRelativeArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GatherRelativeArgs<TElement> args)
    {
        long item = Threads.Linear();
        if (item < args.Y.Length)
        {
            int last = args.Transposed != 0 ? args.Rows : args.Columns, pair = (int)(item % ((long)args.Rows * args.Columns));
            int outer = pair / last, inner = pair % last;
            int i = args.Transposed != 0 ? inner : outer, j = args.Transposed != 0 ? outer : inner;
            long b = item / ((long)args.Rows * args.Columns);
            int at = args.Index[((long)i * args.Columns) + j];
            float value = float.NaN;
            if (at >= 0 && at < args.Width)
            {
                value = TElement.ToFloat(args.X[(((b * args.Rows) + i) * args.Width) + at]);
            }

            args.Y[item] = value;
        }
    }
}

/// <summary>x[b, i, r] (+)= Σ y[b, i, j] over j with index[i, j] = r. A thread block takes a row i of some batch rows, a thread a position
/// r: it finds the first and the last j of its position once, and sums between them in order. Positions rise or fall along a row, so that
/// this range has few others.</summary>
internal readonly struct GatherRelativeGradient<TElement> : IKernel<GatherRelativeArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GatherRelativeArgs<TElement> args)
    {
        int i = Grid.IdxX;
        long index = (long)i * args.Columns, step = args.Transposed != 0 ? args.Rows : 1;
        for (int r = Group.IdxX; r < args.Width; r += Group.DimX)
        {
            int first = args.Columns, last = -1;
            for (int j = 0; j < args.Columns; j++)
            {
                if (args.Index[index + j] == r)
                {
                    first = j < first ? j : first;
                    last = j;
                }
            }

            for (int b = Grid.IdxY; b < args.Batch; b += Grid.DimY)
            {
                long row = ((long)b * args.Rows) + i;
                long y = args.Transposed != 0 ? ((long)b * args.Rows * args.Columns) + i : row * args.Columns;
                float sum = 0;
                for (int j = first; j <= last; j++)
                {
                    if (args.Index[index + j] == r)
                    {
                        sum += args.Y[y + (j * step)];
                    }
                }

                long at = (row * args.Width) + r;
                args.X[at] = TElement.FromFloat(args.Accumulate != 0 ? TElement.ToFloat(args.X[at]) + sum : sum);
            }
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

internal struct SparseArgs
{
    public ArrayView<float> X, DOut, Values, Y;
    public ArrayView<int> Offsets, Columns, Order;
    public int Rows, Inputs, Outputs, Accumulate;
}

/// <summary>y[t, r] (+)= Σ_e values[order[e]]·x[t, columns[e]] over the entries of row r; a thread computes an element of y.</summary>
internal readonly struct SparseForward : IKernel<SparseArgs>
{
    public static void Run(SparseArgs args)
    {
        long at = Threads.Linear();
        if (at < (long)args.Rows * args.Outputs)
        {
            long x = at / args.Outputs * args.Inputs;
            int r = (int)(at % args.Outputs);
            float sum = args.Accumulate != 0 ? args.Y[at] : 0;
            for (int e = args.Offsets[r]; e < args.Offsets[r + 1]; e++)
            {
                sum += args.Values[args.Order[e]] * args.X[x + args.Columns[e]];
            }

            args.Y[at] = sum;
        }
    }
}

/// <summary>Y[e] (+)= Σ_t dy[t, rows[e]]·x[t, columns[e]], with the rows in Offsets; a thread computes an entry.</summary>
internal readonly struct SparseEntries : IKernel<SparseArgs>
{
    public static void Run(SparseArgs args)
    {
        long e = Threads.Linear();
        if (e < args.Y.Length)
        {
            int row = args.Offsets[e], column = args.Columns[e];
            float sum = args.Accumulate != 0 ? args.Y[e] : 0;
            for (int t = 0; t < args.Rows; t++)
            {
                sum += args.DOut[((long)t * args.Outputs) + row] * args.X[((long)t * args.Inputs) + column];
            }

            args.Y[e] = sum;
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.LinearAttention;

internal struct ConvolutionArgs
{
    public ArrayView<float> X, Y, DOut, Taps;
    public ArrayView<int> Positions;
    public int Rows, Length, Columns, Count, Accumulate;
}

/// <summary>y[row, c] = Σ_d taps[K − 1 − d, c]·x[row − d, c]; a thread per element.</summary>
internal readonly struct ConvolutionForward : IKernel<ConvolutionArgs>
{
    public static void Run(ConvolutionArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            int row = (int)(i / args.Columns), c = (int)(i % args.Columns), time = row % args.Length, position = args.Positions[row];
            float sum = 0;
            for (int d = 0; d < args.Count && d <= position && d <= time; d++)
            {
                sum += args.Taps[((long)(args.Count - 1 - d) * args.Columns) + c] * args.X[i - ((long)d * args.Columns)];
            }

            args.Y[i] = sum;
        }
    }
}

/// <summary>dx[row, c] (+)= Σ_d taps[K − 1 − d, c]·dy[row + d, c]; a thread per element.</summary>
internal readonly struct ConvolutionInput : IKernel<ConvolutionArgs>
{
    public static void Run(ConvolutionArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            int row = (int)(i / args.Columns), c = (int)(i % args.Columns), left = args.Length - (row % args.Length);
            float sum = args.Accumulate != 0 ? args.Y[i] : 0;
            for (int d = 0; d < args.Count && d < left; d++)
            {
                if (args.Positions[row + d] >= d)
                {
                    sum += args.Taps[((long)(args.Count - 1 - d) * args.Columns) + c] * args.DOut[i + ((long)d * args.Columns)];
                }
            }

            args.Y[i] = sum;
        }
    }
}

/// <summary>dtaps[K − 1 − d, c] = Σ dy[row, c]·x[row − d, c]; a thread per tap and column, over the rows in order.</summary>
internal readonly struct ConvolutionTaps : IKernel<ConvolutionArgs>
{
    public static void Run(ConvolutionArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Taps.Length)
        {
            int d = args.Count - 1 - (int)(i / args.Columns), c = (int)(i % args.Columns);
            float sum = 0;
            for (int row = 0; row < args.Rows; row++)
            {
                if (d <= args.Positions[row] && d <= row % args.Length)
                {
                    sum += args.DOut[((long)row * args.Columns) + c] * args.X[((long)(row - d) * args.Columns) + c];
                }
            }

            args.Taps[i] = sum;
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

internal struct BatchedArgs
{
    public ArrayView<float> A, B, C;
    public int Count, M, K, N, Accumulate, IsSum;
    public int ABatch, ARow, AColumn, AOffset, BBatch, BRow, BColumn, BOffset, CBatch, CRow, CColumn, COffset;
    public float Alpha;
}

/// <summary>Products of many small matrices at any strides; a thread computes an element of C.</summary>
internal readonly struct Batched : IKernel<BatchedArgs>
{
    public static void Run(BatchedArgs args)
    {
        long at = Threads.Linear(), each = (long)args.M * args.N;
        long matrices = args.IsSum != 0 ? 1 : args.Count;
        if (at < matrices * each)
        {
            int i = (int)(at / each), m = (int)(at % each / args.N), n = (int)(at % args.N);
            int last = args.IsSum != 0 ? args.Count : i + 1;
            float sum = 0;
            for (int matrix = i; matrix < last; matrix++)
            {
                long a = args.AOffset + ((long)matrix * args.ABatch) + ((long)m * args.ARow);
                long b = args.BOffset + ((long)matrix * args.BBatch) + ((long)n * args.BColumn);
                for (int k = 0; k < args.K; k++)
                {
                    sum += args.A[a + ((long)k * args.AColumn)] * args.B[b + ((long)k * args.BRow)];
                }
            }

            long c = args.COffset + ((long)i * args.CBatch) + ((long)m * args.CRow) + ((long)n * args.CColumn);
            args.C[c] = (args.Accumulate != 0 ? args.C[c] : 0) + (args.Alpha * sum);
        }
    }
}

internal struct InverseArgs
{
    public ArrayView<float> X;
    public int Side;
}

/// <summary>Inverts (side, side) matrices in place by Gauss-Jordan elimination without pivoting; one thread block per matrix, a thread
/// its own columns.</summary>
internal readonly struct Inverse : IKernel<InverseArgs>
{
    public static void Run(InverseArgs args)
    {
        int side = args.Side;
        long at = (long)Grid.IdxX * side * side;
        for (int p = 0; p < side; p++)
        {
            float scale = 1 / args.X[at + ((long)p * side) + p];
            for (int j = Group.IdxX; j < side; j += Group.DimX)
            {
                if (j != p)
                {
                    float pivot = args.X[at + ((long)p * side) + j] * scale;
                    for (int i = 0; i < side; i++)
                    {
                        if (i != p)
                        {
                            args.X[at + ((long)i * side) + j] -= args.X[at + ((long)i * side) + p] * pivot;
                        }
                    }

                    args.X[at + ((long)p * side) + j] = pivot;
                }
            }

            Group.Barrier();
            for (int i = Group.IdxX; i < side; i += Group.DimX)
            {
                long own = at + ((long)i * side) + p;
                args.X[own] = i == p ? scale : -args.X[own] * scale;
            }

            Group.Barrier();
        }
    }
}

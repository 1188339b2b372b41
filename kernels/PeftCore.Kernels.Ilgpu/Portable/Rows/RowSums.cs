using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct RowDotsArgs
{
    public ArrayView<float> X, Y, Dots;
    public int Columns, Accumulate;
}

/// <summary>dots[r] (+)= Σ_c x[r, c]·y[r, c]; one thread block per row.</summary>
internal readonly struct RowDots : IKernel<RowDotsArgs>
{
    public static void Run(RowDotsArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float sum = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            sum += args.X[row + c] * args.Y[row + c];
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.Dots[Grid.IdxX] = args.Accumulate != 0 ? args.Dots[Grid.IdxX] + sum : sum;
        }
    }
}

/// <summary>The term of a sum over all elements.</summary>
internal interface IElementTerm
{
    static abstract float Of(float x);
}

internal readonly struct SquareTerm : IElementTerm
{
    public static float Of(float x) => x * x;
}

/// <summary>0 for a finite x, NaN otherwise.</summary>
internal readonly struct FiniteTerm : IElementTerm
{
    public static float Of(float x) => x - x;
}

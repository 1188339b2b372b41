using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

internal struct AttentionSinkArgs
{
    public ArrayView<float> Sinks, Lse, Delta, DSinks;
    public int Batch, Heads, Queries;
}

/// <summary>dSinks[h] −= Σ e^(sink − lse)·delta over batch rows and queries; a thread block takes a head. The CPU's is
/// <see cref="AttentionSink.AddGradient"/>.</summary>
internal readonly struct AttentionSinkGradient : IKernel<AttentionSinkArgs>
{
    public static void Run(AttentionSinkArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int h = Grid.IdxX;
        float sink = args.Sinks[h], sum = 0;
        for (int item = Group.IdxX; item < args.Batch * args.Queries && sink > float.NegativeInfinity; item += Group.DimX)
        {
            long row = ((((long)(item / args.Queries) * args.Heads) + h) * args.Queries) + (item % args.Queries);
            sum += MathF.Exp(sink - args.Lse[row]) * args.Delta[row];
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.DSinks[h] -= sum;
        }
    }
}

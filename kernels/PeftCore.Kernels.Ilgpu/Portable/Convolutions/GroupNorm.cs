using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

internal struct GroupNormArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, Y, DOut;
    public ArrayView<float> Weight, Bias, Mean, Rstd, DWeight;
    public float Epsilon;
    public int Positions, Channels, Groups, Rows, Accumulate;

    /// <summary>Channels of a group, and elements that share a mean.</summary>
    public readonly int Width => Channels / Groups;

    public readonly int Elements => Width * Positions;

    /// <summary>Index of element <paramref name="e"/> of a picture's group.</summary>
    public readonly long At(int picture, int group, int e)
    {
        int position = e / Width;
        return ((((long)picture * Positions) + position) * Channels) + (group * Width) + e - (position * Width);
    }

    /// <summary>Channel of that element.</summary>
    public readonly int ChannelOf(int group, int e) => (group * Width) + (e % Width);
}

/// <summary>y = (x − mean)·rstd·weight + bias over the positions and channels of a group; a thread block per picture and group.</summary>
internal readonly struct GroupNormForward<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int picture = Grid.IdxX / args.Groups, group = Grid.IdxX % args.Groups, count = args.Elements;
        float sum = 0;
        for (int e = Group.IdxX; e < count; e += Group.DimX)
        {
            sum += TElement.ToFloat(args.X[args.At(picture, group, e)]);
        }

        float mean = Threads.Sum(shared, sum) / count, squares = 0;
        for (int e = Group.IdxX; e < count; e += Group.DimX)
        {
            float x = TElement.ToFloat(args.X[args.At(picture, group, e)]) - mean;
            squares += x * x;
        }

        float rstd = 1f / MathF.Sqrt((Threads.Sum(shared, squares) / count) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Mean[Grid.IdxX] = mean;
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int e = Group.IdxX; e < count; e += Group.DimX)
        {
            long at = args.At(picture, group, e);
            int c = args.ChannelOf(group, e);
            float y = ((TElement.ToFloat(args.X[at]) - mean) * rstd * args.Weight[c]) + args.Bias[c];
            args.Y[at] = TElement.FromFloat(y);
        }
    }
}

/// <summary>dx (+)= rstd·(g − mean(g) − n·mean(g·n)) with n = (x − mean)·rstd and g = dy·weight; a thread block per picture and
/// group.</summary>
internal readonly struct GroupNormBackward<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int picture = Grid.IdxX / args.Groups, group = Grid.IdxX % args.Groups, count = args.Elements;
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX], sum = 0, dot = 0;
        for (int e = Group.IdxX; e < count; e += Group.DimX)
        {
            long at = args.At(picture, group, e);
            float g = TElement.ToFloat(args.DOut[at]) * args.Weight[args.ChannelOf(group, e)];
            sum += g;
            dot += g * (TElement.ToFloat(args.X[at]) - mean) * rstd;
        }

        sum = Threads.Sum(shared, sum) / count;
        dot = Threads.Sum(shared, dot) / count;
        for (int e = Group.IdxX; e < count; e += Group.DimX)
        {
            long at = args.At(picture, group, e);
            float g = TElement.ToFloat(args.DOut[at]) * args.Weight[args.ChannelOf(group, e)];
            float d = rstd * (g - sum - ((TElement.ToFloat(args.X[at]) - mean) * rstd * dot));
            float before = args.Accumulate != 0 ? TElement.ToFloat(args.Y[at]) : 0;
            args.Y[at] = TElement.FromFloat(before + d);
        }
    }
}

/// <summary>dweight[c] (+)= Σ dy·(x − mean)·rstd over all pictures and positions; a thread block per channel.</summary>
internal readonly struct GroupNormWeight<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int c = Grid.IdxX, group = c / args.Width;
        float sum = 0;
        for (int row = Group.IdxX; row < args.Rows; row += Group.DimX)
        {
            long at = ((long)row * args.Channels) + c;
            int norm = (row / args.Positions * args.Groups) + group;
            sum += TElement.ToFloat(args.DOut[at]) * (TElement.ToFloat(args.X[at]) - args.Mean[norm]) * args.Rstd[norm];
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.DWeight[c] = args.Accumulate != 0 ? args.DWeight[c] + sum : sum;
        }
    }
}

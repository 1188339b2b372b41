using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

internal struct GroupNormArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, Y, DOut;
    public ArrayView<float> Weight, Bias, Mean, Rstd, DWeight;

    /// <summary>Sums of each split of each picture's group: first those of x or of g, then those of the squares or of g·n.</summary>
    public ArrayView<float> Sums;
    public float Epsilon;
    public int Positions, Channels, Groups, Rows, Accumulate;

    /// <summary>Parts into which the elements of a group are cut, a thread block each.</summary>
    public int Splits;

    /// <summary>Channels of a group, and elements that share a mean.</summary>
    public readonly int Width => Channels / Groups;

    public readonly int Elements => Width * Positions;

    /// <summary>The elements [begin, end) of this thread block.</summary>
    public readonly int Begin => (int)((long)Elements * Grid.IdxY / Splits);

    public readonly int End => (int)((long)Elements * (Grid.IdxY + 1) / Splits);

    /// <summary>Index of element <paramref name="e"/> of this thread block's group.</summary>
    public readonly long At(int e)
    {
        int picture = Grid.IdxX / Groups, group = Grid.IdxX - (picture * Groups), position = e / Width;
        return ((((long)picture * Positions) + position) * Channels) + (group * Width) + e - (position * Width);
    }

    /// <summary>Channel of that element.</summary>
    public readonly int ChannelOf(int e) => (Grid.IdxX % Groups * Width) + (e % Width);
}

/// <summary>Sums over the parts of a group: written by one kernel, added up by every thread block of the next.</summary>
internal static class GroupSums
{
    /// <summary>Adds up this thread block's part and writes it.</summary>
    public static void Write<TElement>(GroupNormArgs<TElement> args, int sum, ArrayView<float> shared, float value)
        where TElement : unmanaged
    {
        float total = Threads.Sum(shared, value);
        if (Group.IdxX == 0)
        {
            args.Sums[Place(args, sum) + Grid.IdxY] = total;
        }
    }

    /// <summary>The sum over all parts.</summary>
    public static float Read<TElement>(GroupNormArgs<TElement> args, int sum, ArrayView<float> shared) where TElement : unmanaged
    {
        float value = 0;
        for (int s = Group.IdxX; s < args.Splits; s += Group.DimX)
        {
            value += args.Sums[Place(args, sum) + s];
        }

        return Threads.Sum(shared, value);
    }

    private static int Place<TElement>(GroupNormArgs<TElement> args, int sum) where TElement : unmanaged =>
        ((sum * Grid.DimX) + Grid.IdxX) * args.Splits;
}

/// <summary>Σ x over a part of a group; a thread block per picture, group and part.</summary>
internal readonly struct GroupNormSum<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        float sum = 0;
        for (int e = args.Begin + Group.IdxX; e < args.End; e += Group.DimX)
        {
            sum += TElement.ToFloat(args.X[args.At(e)]);
        }

        GroupSums.Write(args, 0, shared, sum);
    }
}

/// <summary>Σ (x − mean)² over a part of a group.</summary>
internal readonly struct GroupNormSquares<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        float mean = GroupSums.Read(args, 0, shared) / args.Elements, squares = 0;
        for (int e = args.Begin + Group.IdxX; e < args.End; e += Group.DimX)
        {
            float x = TElement.ToFloat(args.X[args.At(e)]) - mean;
            squares += x * x;
        }

        GroupSums.Write(args, 1, shared, squares);
    }
}

/// <summary>y = (x − mean)·rstd·weight + bias, with mean and variance from the sums over the positions and channels of a group.</summary>
internal readonly struct GroupNormForward<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        float mean = GroupSums.Read(args, 0, shared) / args.Elements;
        float rstd = 1f / MathF.Sqrt((GroupSums.Read(args, 1, shared) / args.Elements) + args.Epsilon);
        if (Group.IdxX == 0 && Grid.IdxY == 0)
        {
            args.Mean[Grid.IdxX] = mean;
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int e = args.Begin + Group.IdxX; e < args.End; e += Group.DimX)
        {
            long at = args.At(e);
            int c = args.ChannelOf(e);
            float y = ((TElement.ToFloat(args.X[at]) - mean) * rstd * args.Weight[c]) + args.Bias[c];
            args.Y[at] = TElement.FromFloat(y);
        }
    }
}

/// <summary>Σ g and Σ g·n over a part of a group, with n = (x − mean)·rstd and g = dy·weight.</summary>
internal readonly struct GroupNormDots<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX], sum = 0, dot = 0;
        for (int e = args.Begin + Group.IdxX; e < args.End; e += Group.DimX)
        {
            long at = args.At(e);
            float g = TElement.ToFloat(args.DOut[at]) * args.Weight[args.ChannelOf(e)];
            sum += g;
            dot += g * (TElement.ToFloat(args.X[at]) - mean) * rstd;
        }

        GroupSums.Write(args, 0, shared, sum);
        GroupSums.Write(args, 1, shared, dot);
    }
}

/// <summary>dx (+)= rstd·(g − mean(g) − n·mean(g·n)).</summary>
internal readonly struct GroupNormBackward<TElement> : IKernel<GroupNormArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(GroupNormArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX];
        float sum = GroupSums.Read(args, 0, shared) / args.Elements, dot = GroupSums.Read(args, 1, shared) / args.Elements;
        for (int e = args.Begin + Group.IdxX; e < args.End; e += Group.DimX)
        {
            long at = args.At(e);
            float g = TElement.ToFloat(args.DOut[at]) * args.Weight[args.ChannelOf(e)];
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

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Experts;

internal struct RoutedGluArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, H, DX;
    public ArrayView<float> Weights, DWeights;
    public ArrayView<int> Order;
    public int Columns, Accumulate;
}

/// <summary>h[p, i] = weights[order[p]]·f(gate, up); a thread per element. Consecutive threads read consecutive elements, so that BF16
/// pairs share a sector.</summary>
internal readonly struct RoutedGlu<TGlu, TElement> : IKernel<RoutedGluArgs<TElement>>
    where TGlu : struct, IGluFormula
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(RoutedGluArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.H.Length)
        {
            long row = i / args.Columns;
            int column = (int)(i % args.Columns);
            long at = 2 * row * args.Columns;
            float gate = TElement.ToFloat(args.X[at + RoutedGluColumns<TGlu>.Gate(column)]);
            float up = TElement.ToFloat(args.X[at + RoutedGluColumns<TGlu>.Up(column, args.Columns)]);
            args.H[i] = TElement.FromFloat(args.Weights[args.Order[row]] * TGlu.Forward(gate, up));
        }
    }
}

/// <summary>dx and dweights of <see cref="RoutedGlu{TGlu, TElement}"/>; dh is in H, and dx may be x. One thread block per row. An output of
/// length 0 is not written.</summary>
internal readonly struct RoutedGluGradient<TGlu, TElement> : IKernel<RoutedGluArgs<TElement>>
    where TGlu : struct, IGluFormula
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(RoutedGluArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = Grid.IdxX, at = 2 * row * args.Columns;
        int pair = args.Order[row];
        float weight = args.Weights[pair], dot = 0;
        for (int column = Group.IdxX; column < args.Columns; column += Group.DimX)
        {
            long gateAt = at + RoutedGluColumns<TGlu>.Gate(column), upAt = at + RoutedGluColumns<TGlu>.Up(column, args.Columns);
            float gate = TElement.ToFloat(args.X[gateAt]), up = TElement.ToFloat(args.X[upAt]);
            float d = TElement.ToFloat(args.H[(row * args.Columns) + column]);
            dot += d * TGlu.Forward(gate, up);
            if (args.DX.Length > 0)
            {
                args.DX[gateAt] = TElement.FromFloat(weight * d * TGlu.GateDerivative(gate, up));
                args.DX[upAt] = TElement.FromFloat(weight * d * TGlu.UpDerivative(gate, up));
            }
        }

        dot = Threads.Sum(shared, dot);
        if (Group.IdxX == 0 && args.DWeights.Length > 0)
        {
            args.DWeights[pair] = args.Accumulate != 0 ? args.DWeights[pair] + dot : dot;
        }
    }
}

/// <summary>Columns of a gate and its up projection in a row of x.</summary>
internal static class RoutedGluColumns<TGlu> where TGlu : struct, IGluFormula
{
    public static int Gate(int column) => TGlu.IsInterleaved ? 2 * column : column;

    public static int Up(int column, int columns) => TGlu.IsInterleaved ? (2 * column) + 1 : columns + column;
}

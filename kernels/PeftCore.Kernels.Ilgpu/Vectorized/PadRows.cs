using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct PadRowsArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> From;
    public ArrayView<Bf16x8> To;

    /// <summary>Elements, vectors of eight, and thread blocks of a row.</summary>
    public int Columns, Vectors, BlocksPerRow;
}

/// <summary>Copies rows of any width to BF16 rows of whole vectors of eight, with zeros after the last column, for the tensor
/// cores.</summary>
internal readonly struct PadRows<TElement> : IKernel<PadRowsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(PadRowsArgs<TElement> args)
    {
        int row = Grid.IdxX / args.BlocksPerRow, i = (Grid.IdxX % args.BlocksPerRow * Group.DimX) + Group.IdxX;
        if (i >= args.Vectors)
        {
            return;
        }

        long at = ((long)row * args.Columns) + (8 * i);
        int left = args.Columns - (8 * i);
        args.To[((long)row * args.Vectors) + i] = Bf16x8.FromFloat(new Float32x8
        {
            A = Entry(args, at, 0, left), B = Entry(args, at, 1, left), C = Entry(args, at, 2, left), D = Entry(args, at, 3, left),
            E = Entry(args, at, 4, left), F = Entry(args, at, 5, left), G = Entry(args, at, 6, left), H = Entry(args, at, 7, left),
        });
    }

    private static float Entry(PadRowsArgs<TElement> args, long at, int index, int left)
    {
        float x = TElement.ToFloat(args.From[index < left ? at + index : at]);
        return index < left ? x : 0;
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

internal struct FourBitQuantizeArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Numbers;
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;

    /// <summary>The table of a kind of codes (<see cref="LevelTable"/>).</summary>
    public ArrayView<float> Table;

    /// <summary>Numbers of a block: an even number.</summary>
    public int BlockSize;
}

/// <summary>Codes of four bits and scales of blocks, bit by bit as <see cref="FourBitCodes"/> computes them. A thread quantises a
/// block.</summary>
internal readonly struct FourBitQuantize<TElement> : IKernel<FourBitQuantizeArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
{
    // The divisor of a block of zeros, so that no NaN arises.
    private const float LeastScale = 1e-38f;

    public static void Run(FourBitQuantizeArgs<TElement> args)
    {
        var table = SharedMemory.Allocate<float>(LevelTable.KindSize);
        for (int i = Group.IdxX; i < LevelTable.KindSize; i += Group.DimX)
        {
            table[i] = args.Table[i];
        }

        Group.Barrier();
        long block = Threads.Linear();
        if (block < args.Scales.Length)
        {
            long first = block * args.BlockSize, left = args.Numbers.Length - first;
            int count = left < args.BlockSize ? (int)left : args.BlockSize;
            float scale = Scale(args.Numbers, first, count), least = scale < LeastScale ? LeastScale : scale, inverse = 1 / least;
            // bitsandbytes multiplies whole blocks by 1/scale and divides the shorter rest.
            bool whole = count == args.BlockSize;
            int zero = Code(table, 0); // Of the half byte after an odd number of numbers.
            args.Scales[block] = whole ? scale : least;
            for (int i = 0; i < count; i += 2)
            {
                float x = TElement.ToFloat(args.Numbers[first + i]);
                int upper = Code(table, whole ? x * inverse : x / least), lower = zero;
                if (i + 1 < count)
                {
                    float next = TElement.ToFloat(args.Numbers[first + i + 1]);
                    lower = Code(table, whole ? next * inverse : next / least);
                }

                args.Codes[(first + i) / 2] = (byte)((upper << 4) | lower);
            }
        }
    }

    // The largest magnitude; not finite if a number is not.
    private static float Scale(ArrayView<TElement> numbers, long first, int count)
    {
        float scale = 0, notFinite = 0;
        for (int i = 0; i < count; i++)
        {
            float x = TElement.ToFloat(numbers[first + i]);
            float magnitude = x < 0 ? -x : x;
            scale = magnitude > scale ? magnitude : scale;
            notFinite += x - x;
        }

        return scale + notFinite;
    }

    private static int Code(ArrayView<float> table, float x)
    {
        int below = 0;
        for (int i = 0; i < LevelTable.Levels - 1; i++)
        {
            below += table[LevelTable.Bounds + i] < x ? 1 : 0;
        }

        return (int)table[LevelTable.Order + below];
    }
}

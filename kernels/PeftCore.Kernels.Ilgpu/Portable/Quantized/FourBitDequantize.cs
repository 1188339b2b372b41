using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

internal struct FourBitDequantizeArgs<TElement> where TElement : unmanaged
{
    public ArrayView<byte> Codes;

    /// <summary>F32 scales of blocks; empty with double quantisation.</summary>
    public ArrayView<float> Scales;

    /// <summary>Double quantisation: codes of the scales, their scales, and their mean.</summary>
    public ArrayView<byte> ScaleCodes;
    public ArrayView<float> ScaleScales, Mean;

    /// <summary>Levels of the codes, and the dynamic map.</summary>
    public ArrayView<float> Levels, Map;
    public ArrayView<TElement> Numbers;
    public int BlockSize, ScaleBlock;

    /// <summary>Zero, which the compiler does not know.</summary>
    public uint Zero;
}

/// <summary>y = level·scale, bit by bit as <see cref="FourBitCodes"/> and <see cref="ScaleCodes"/> compute it. A thread dequantises a
/// number.</summary>
internal readonly struct FourBitDequantize<TElement> : IKernel<FourBitDequantizeArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(FourBitDequantizeArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Numbers.Length)
        {
            int pair = args.Codes[i / 2], code = i % 2 == 0 ? pair >> 4 : pair & 15;
            args.Numbers[i] = TElement.FromFloat(args.Levels[code] * Scale(args, i / args.BlockSize));
        }
    }

    private static float Scale(FourBitDequantizeArgs<TElement> args, long block)
    {
        if (args.Mean.Length == 0)
        {
            return args.Scales[block];
        }

        float product = args.Map[(int)args.ScaleCodes[block]] * args.ScaleScales[block / args.ScaleBlock];
        // The exclusive or keeps the compiler from fusing product and sum, which would round once instead of twice.
        return Interop.IntAsFloat(Interop.FloatAsInt(product) ^ args.Zero) + args.Mean[0];
    }
}

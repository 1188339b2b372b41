using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>Between stored numbers and float32. Narrowing rounds to nearest, ties to even.</summary>
public static unsafe class Elements
{
    /// <summary>Bytes of one stored number.</summary>
    public static int Size(ElementType type) => type == ElementType.F32 ? 4 : 2;

    /// <summary>y = x in float32, exactly.</summary>
    public static void Widen(ReadOnlySpan<byte> x, ElementType type, Span<float> y, WorkerPool pool)
    {
        int count = x.Length / Size(type);
        Sizes.AtLeast<float>(y, count);
        fixed (byte* px = x)
        fixed (float* py = y)
        {
            Ranges.For(count, new WidenBody(px, type, py), pool);
        }
    }

    /// <summary>y = x in the stored type. NaN stays NaN; what is too large for half precision becomes infinite.</summary>
    public static void Narrow(ReadOnlySpan<float> x, Span<byte> y, ElementType type, WorkerPool pool)
    {
        Sizes.AtLeast<byte>(y, (long)x.Length * Size(type));
        fixed (float* px = x)
        fixed (byte* py = y)
        {
            Ranges.For(x.Length, new NarrowBody(px, py, type), pool);
        }
    }

    /// <summary>Widens a run of elements on the calling thread.</summary>
    internal static void Widen(byte* x, ElementType type, float* y, int count)
    {
        switch (type)
        {
            case ElementType.F32:
                Buffer.MemoryCopy(x, y, (long)count * 4, (long)count * 4);
                break;
            case ElementType.BF16:
                ushort* upper = (ushort*)x;
                for (int i = 0; i < count; i++)
                {
                    y[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                }

                break;
            default:
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(x, count), new Span<float>(y, count));
                break;
        }
    }

    /// <summary>One number of any type.</summary>
    internal static float At(byte* x, ElementType type, long index) => type switch
    {
        ElementType.F32 => ((float*)x)[index],
        ElementType.BF16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)x)[index] << 16),
        _ => (float)((Half*)x)[index],
    };

    private static void Narrow(float* x, byte* y, ElementType type, int count)
    {
        switch (type)
        {
            case ElementType.F32:
                Buffer.MemoryCopy(x, y, (long)count * 4, (long)count * 4);
                break;
            case ElementType.BF16:
                for (int i = 0; i < count; i++)
                {
                    ((ushort*)y)[i] = ToBFloat16(x[i]);
                }

                break;
            default:
                TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(x, count), new Span<Half>(y, count));
                break;
        }
    }

    private static ushort ToBFloat16(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return float.IsNaN(x) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private readonly struct WidenBody(byte* x, ElementType type, float* y) : IRangeBody
    {
        private readonly byte* _x = x;
        private readonly float* _y = y;

        public void Run(int start, int count) => Widen(_x + ((long)start * Size(type)), type, _y + start, count);
    }

    private readonly struct NarrowBody(float* x, byte* y, ElementType type) : IRangeBody
    {
        private readonly float* _x = x;
        private readonly byte* _y = y;

        public void Run(int start, int count) => Narrow(_x + start, _y + ((long)start * Size(type)), type, count);
    }
}

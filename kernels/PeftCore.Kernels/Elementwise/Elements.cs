using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Between stored numbers and float32. Narrowing rounds to nearest, ties to even.</summary>
public static unsafe class Elements
{
    /// <summary>Bytes of one stored number.</summary>
    public static int Size(ElementType type) => type == ElementType.F32 ? 4 : 2;

    /// <summary>y = x in float32, exactly.</summary>
    public static void ToFloat(ReadOnlySpan<byte> x, ElementType type, Span<float> y, WorkerPool pool)
    {
        int count = x.Length / Size(type);
        Sizes.AtLeast<float>(y, count);
        fixed (byte* px = x)
        fixed (float* py = y)
        {
            Ranges.For(count, new ToFloatBody(px, type, py), pool);
        }
    }

    /// <summary>y = x in the stored type. NaN stays NaN; what is too large for half precision becomes infinite.</summary>
    public static void FromFloat(ReadOnlySpan<float> x, Span<byte> y, ElementType type, WorkerPool pool)
    {
        Sizes.AtLeast<byte>(y, (long)x.Length * Size(type));
        fixed (float* px = x)
        fixed (byte* py = y)
        {
            Ranges.For(x.Length, new FromFloatBody(px, py, type), pool);
        }
    }

    /// <summary>Widens a run of elements on the calling thread.</summary>
    internal static void ToFloat(byte* x, ElementType type, float* y, int count)
    {
        switch (type)
        {
            case ElementType.F32:
                Buffer.MemoryCopy(x, y, (long)count * 4, (long)count * 4);
                break;
            case ElementType.BF16:
                ToFloat<BFloat16Element>(x, y, count);
                break;
            default:
                ToFloat<Float16Element>(x, y, count);
                break;
        }
    }

    private static void ToFloat<TElement>(byte* x, float* y, int count)
        where TElement : struct, IElement
    {
        int i = 0;
        for (; i <= count - 8; i += 8)
        {
            TElement.Load8(x + ((nint)i * TElement.Size)).Store(y + i);
        }

        for (; i < count; i++)
        {
            y[i] = TElement.Load(x + ((nint)i * TElement.Size));
        }
    }

    private static void FromFloat(float* x, byte* y, ElementType type, int count)
    {
        switch (type)
        {
            case ElementType.F32:
                Buffer.MemoryCopy(x, y, (long)count * 4, (long)count * 4);
                break;
            case ElementType.BF16:
                FromFloatToBFloat16(x, (ushort*)y, count);
                break;
            default:
                TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(x, count), new Span<Half>(y, count));
                break;
        }
    }

    private static void FromFloatToBFloat16(float* x, ushort* y, int count)
    {
        int width = Simd.Width, i = 0;
        for (; i <= count - (2 * width); i += 2 * width)
        {
            Vector.Narrow(UpperHalf(Vector.Load(x + i)), UpperHalf(Vector.Load(x + i + width))).Store(y + i);
        }

        for (; i < count; i++)
        {
            y[i] = ToBFloat16(x[i]);
        }
    }

    private static Vector<uint> UpperHalf(Vector<float> x)
    {
        Vector<uint> bits = Vector.AsVectorUInt32(x), upper = bits >> 16;
        var rounded = (bits + new Vector<uint>(0x7FFF) + (upper & Vector<uint>.One)) >> 16;
        return Vector.ConditionalSelect(Vector.AsVectorUInt32(Vector.Equals(x, x)), rounded, upper | new Vector<uint>(0x40));
    }

    private static ushort ToBFloat16(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return float.IsNaN(x) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private readonly struct ToFloatBody(byte* x, ElementType type, float* y) : IRangeBody
    {
        private readonly byte* _x = x;
        private readonly float* _y = y;

        public void Run(int start, int count) => ToFloat(_x + ((long)start * Size(type)), type, _y + start, count);
    }

    private readonly struct FromFloatBody(float* x, byte* y, ElementType type) : IRangeBody
    {
        private readonly float* _x = x;
        private readonly byte* _y = y;

        public void Run(int start, int count) => FromFloat(_x + start, _y + ((long)start * Size(type)), type, count);
    }
}

using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>An element type as a type argument: loads elements as vectors of float32, in which kernels compute. The structs hold no
/// value. Tested against System.Half and shifted bits by ElementsTests.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    static abstract float Load(byte* p);

    static abstract Vector128<float> Load4(byte* p);

    static abstract Vector256<float> Load8(byte* p);

    static abstract Vector512<float> Load16(byte* p);

    /// <summary>Rounds float32 numbers to elements: to nearest, ties to even.</summary>
    static abstract void FromFloat(float* x, byte* y, int count);
}

/// <summary>float32.</summary>
internal readonly unsafe struct Float32Element : IElement
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(byte* p) => *(float*)p;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* p) => Vector128.Load((float*)p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p) => Vector256.Load((float*)p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* p) => Vector512.Load((float*)p);

    public static void FromFloat(float* x, byte* y, int count) =>
        Buffer.MemoryCopy(x, y, (long)count * sizeof(float), (long)count * sizeof(float));
}

/// <summary>bfloat16: the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(byte* p) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)p << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* p) => (UInt16Vectors.Load4(p) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p) => (UInt16Vectors.Load8(p) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* p) => (UInt16Vectors.Load16(p) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FromFloat(float* x, byte* y, int count)
    {
        ushort* to = (ushort*)y;
        int width = Simd.Width, i = 0;
        for (; i <= count - (2 * width); i += 2 * width)
        {
            Vector.Narrow(Round(Vector.Load(x + i)), Round(Vector.Load(x + i + width))).Store(to + i);
        }

        for (; i < count; i++)
        {
            to[i] = Round(x[i]);
        }
    }

    // Adding 0x7FFF, and 1 if the kept part is odd, carries into the upper half exactly when the lower half rounds up.
    private static Vector<uint> Round(Vector<float> x)
    {
        Vector<uint> bits = Vector.AsVectorUInt32(x), upper = bits >> 16;
        var rounded = (bits + new Vector<uint>(0x7FFF) + (upper & Vector<uint>.One)) >> 16;
        return Vector.ConditionalSelect(Vector.AsVectorUInt32(Vector.Equals(x, x)), rounded, upper | new Vector<uint>(0x40));
    }

    private static ushort Round(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return float.IsNaN(x) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

/// <summary>
/// IEEE half precision. Shifting the exponent and fraction into float32's places leaves an exponent that is 112 too small; multiplying by
/// 2¹¹² corrects it, for subnormal numbers too. Infinities and NaN get their exponent of all ones back.
/// </summary>
internal readonly unsafe struct Float16Element : IElement
{
    private const uint Magnitude = 0x7FFF, Exponent = 0x7C00, Sign = 0x8000, AllOnes = 0x7F800000;
    private const float Rebias = 5.192296858534828e33f; // 2¹¹²

    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(byte* p) => (float)*(Half*)p;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* p)
    {
        Vector128<uint> x = UInt16Vectors.Load4(p), exponent = Vector128.Create(Exponent);
        var magnitude = ((x & Vector128.Create(Magnitude)) << 13).AsSingle() * Rebias;
        var special = Vector128.Equals(x & exponent, exponent) & Vector128.Create(AllOnes);
        return (magnitude.AsUInt32() | special | ((x & Vector128.Create(Sign)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p)
    {
        Vector256<uint> x = UInt16Vectors.Load8(p), exponent = Vector256.Create(Exponent);
        var magnitude = ((x & Vector256.Create(Magnitude)) << 13).AsSingle() * Rebias;
        var special = Vector256.Equals(x & exponent, exponent) & Vector256.Create(AllOnes);
        return (magnitude.AsUInt32() | special | ((x & Vector256.Create(Sign)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* p)
    {
        Vector512<uint> x = UInt16Vectors.Load16(p), exponent = Vector512.Create(Exponent);
        var magnitude = ((x & Vector512.Create(Magnitude)) << 13).AsSingle() * Rebias;
        var special = Vector512.Equals(x & exponent, exponent) & Vector512.Create(AllOnes);
        return (magnitude.AsUInt32() | special | ((x & Vector512.Create(Sign)) << 16)).AsSingle();
    }

    public static void FromFloat(float* x, byte* y, int count) =>
        TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(x, count), new Span<Half>(y, count));
}

/// <summary>Loads 16-bit words, each into the lower half of a lane of 32 bits.</summary>
internal static unsafe class UInt16Vectors
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Load4(byte* p) => Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)p).AsUInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Load8(byte* p)
    {
        var words = Vector128.Load((ushort*)p);
        return Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(words).AsUInt32()
            : Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Load16(byte* p) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)p)).AsUInt32()
            : Vector512.Create(Load8(p), Load8(p + 16));
}

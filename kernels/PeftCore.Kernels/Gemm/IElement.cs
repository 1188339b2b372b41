using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>How a number is stored, as a type parameter: kernels widen while they load.</summary>
internal unsafe interface IElement
{
    static abstract int Size { get; }

    static abstract float Load(byte* p);

    static abstract Vector128<float> Load4(byte* p);

    static abstract Vector256<float> Load8(byte* p);

    static abstract Vector512<float> Load16(byte* p);
}

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
}

/// <summary>
/// IEEE half precision. Shifting the exponent and fraction into place leaves an exponent that is 112 too small; a product with
/// 2¹¹² mends that, subnormal numbers included. Infinities and NaN get their exponent of all ones back.
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
}

/// <summary>Sixteen-bit words, each in the lower half of a lane of 32.</summary>
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

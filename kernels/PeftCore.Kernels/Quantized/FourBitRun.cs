using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Decodes adjacent codes of one block with vectors: a table of the sixteen levels times the scale is looked up by shuffles.
/// <see cref="FourBitCodes.Dequantize"/> is the readable twin, with the same bits.</summary>
internal static unsafe class FourBitRun
{
    /// <summary>Numbers that are decoded at once: from a multiple of it on they lie in one block.</summary>
    public const int Group = 32;

    /// <summary>y = level·scale of adjacent numbers of one block.</summary>
    /// <param name="codes">All codes.</param>
    /// <param name="levels">The sixteen levels.</param>
    /// <param name="scale">The block's scale.</param>
    /// <param name="first">The first number wanted.</param>
    /// <param name="count">How many.</param>
    /// <param name="y">The numbers wanted.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(byte* codes, float* levels, float scale, long first, int count, float* y)
    {
        if (Avx512F.IsSupported)
        {
            Decode512(codes, levels, scale, first, count, y);
        }
        else if (Avx2.IsSupported)
        {
            Decode256(codes, levels, scale, first, count, y);
        }
        else
        {
            DecodeScalar(codes, levels, scale, first, count, y);
        }
    }

    internal static void Decode512(byte* codes, float* levels, float scale, long first, int count, float* y)
    {
        var table = Vector512.Load(levels) * scale;
        byte* from = Start(codes, levels, scale, ref first, ref count, ref y);
        for (; count >= Group; count -= Group, from += Group / 2, y += Group)
        {
            DecodeGroup(from, table, y);
        }
        DecodeScalar(from, levels, scale, 0, count, y);
    }

    /// <summary>Decodes 32 numbers with AVX-512.</summary>
    /// <param name="from">Their codes.</param>
    /// <param name="table">The levels times the scale.</param>
    /// <param name="y">The numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void DecodeGroup(byte* from, Vector512<float> table, float* y)
    {
        Vector128<byte> pairs = Vector128.Load(from), mask = Vector128.Create((byte)15);
        Vector128<byte> even = (pairs.AsUInt16() >>> 4).AsByte() & mask, odd = pairs & mask;
        Avx512F.PermuteVar16x32(table, Avx512F.ConvertToVector512Int32(Sse2.UnpackLow(even, odd))).Store(y);
        Avx512F.PermuteVar16x32(table, Avx512F.ConvertToVector512Int32(Sse2.UnpackHigh(even, odd))).Store(y + 16);
    }

    internal static void Decode256(byte* codes, float* levels, float scale, long first, int count, float* y)
    {
        Vector256<float> lower = Vector256.Load(levels) * scale, upper = Vector256.Load(levels + 8) * scale;
        byte* from = Start(codes, levels, scale, ref first, ref count, ref y);
        for (; count >= Group; count -= Group, from += Group / 2, y += Group)
        {
            var (low, high) = Unpack(Vector128.Load(from));
            LookUp(lower, upper, low).Store(y);
            LookUp(lower, upper, Sse2.ShiftRightLogical128BitLane(low, 8)).Store(y + 8);
            LookUp(lower, upper, high).Store(y + 16);
            LookUp(lower, upper, Sse2.ShiftRightLogical128BitLane(high, 8)).Store(y + 24);
        }
        DecodeScalar(from, levels, scale, 0, count, y);
    }

    internal static void DecodeScalar(byte* codes, float* levels, float scale, long first, int count, float* y)
    {
        for (int i = 0; i < count; i++)
        {
            long at = first + i;
            int pair = codes[at >> 1];
            y[i] = levels[(at & 1) == 0 ? pair >> 4 : pair & 15] * scale;
        }
    }

    // The address of the first whole pair of codes; an odd first number is decoded before.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Start(byte* codes, float* levels, float scale, ref long first, ref int count, ref float* y)
    {
        if ((first & 1) != 0 && count > 0)
        {
            DecodeScalar(codes, levels, scale, first, 1, y);
            first++;
            count--;
            y++;
        }
        return codes + (first >> 1);
    }

    // 32 codes in the order of their numbers, a byte each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Low, Vector128<byte> High) Unpack(Vector128<byte> pairs)
    {
        var mask = Vector128.Create((byte)15);
        Vector128<byte> even = (pairs.AsUInt16() >>> 4).AsByte() & mask, odd = pairs & mask;
        return (Sse2.UnpackLow(even, odd), Sse2.UnpackHigh(even, odd));
    }

    // The sign bit of index·2²⁸ selects the table of the upper eight levels.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LookUp(Vector256<float> lower, Vector256<float> upper, Vector128<byte> codes)
    {
        var index = Avx2.ConvertToVector256Int32(codes);
        return Avx.BlendVariable(Avx2.PermuteVar8x32(lower, index), Avx2.PermuteVar8x32(upper, index), (index << 28).AsSingle());
    }
}

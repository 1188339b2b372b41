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
        LookUp(from, table, out var first, out var second);
        first.Store(y);
        second.Store(y + 16);
    }

    /// <summary>The 32 numbers of 16 bytes of codes. A shuffle of the table reads the lowest four bits of an index, so that it is enough
    /// to bring each lane's code there: the upper half of a byte for even lanes.</summary>
    /// <param name="from">The codes.</param>
    /// <param name="table">The levels times the scale.</param>
    /// <param name="first">The first 16 numbers.</param>
    /// <param name="second">The others.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LookUp(byte* from, Vector512<float> table, out Vector512<float> first, out Vector512<float> second)
    {
        if (Avx512Vbmi.IsSupported)
        {
            LookUpByBits(from, table, out first, out second);
        }
        else
        {
            LookUpByBytes(from, table, out first, out second);
        }
    }

    // vpmultishiftqb (AVX-512 VBMI) takes eight bits from any place of a 64-bit word, so that it shuffles and shifts at once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void LookUpByBits(byte* from, Vector512<float> table, out Vector512<float> first, out Vector512<float> second)
    {
        var starts = (Vector512.Create(4UL, 12, 20, 28, 36, 44, 52, 60) | Vector512.Create(0UL, 8, 16, 24, 32, 40, 48, 56) << 32).AsByte();
        first = Avx512F.PermuteVar16x32(table, Avx512Vbmi.MultiShift(starts, Vector512.Create(*(ulong*)from)).AsInt32());
        second = Avx512F.PermuteVar16x32(table, Avx512Vbmi.MultiShift(starts, Vector512.Create(*(ulong*)(from + 8))).AsInt32());
    }

    // Without VBMI: vpshufb brings each pair of lanes its byte, and a shift brings even lanes its upper half.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void LookUpByBytes(byte* from, Vector512<float> table, out Vector512<float> first, out Vector512<float> second)
    {
        var pairs = Avx512F.BroadcastVector128ToVector512((uint*)from).AsByte();
        var lower = Avx512BW.Shuffle(pairs, Vector512.Create(0u, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7).AsByte());
        var upper = Avx512BW.Shuffle(pairs, Vector512.Create(8u, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15).AsByte());
        var shifts = Vector512.Create(4UL).AsUInt32();
        first = Avx512F.PermuteVar16x32(table, Avx512F.ShiftRightLogicalVariable(lower.AsUInt32(), shifts).AsInt32());
        second = Avx512F.PermuteVar16x32(table, Avx512F.ShiftRightLogicalVariable(upper.AsUInt32(), shifts).AsInt32());
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

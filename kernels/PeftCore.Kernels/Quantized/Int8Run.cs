using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Decodes adjacent bytes of one row of INT8 with vectors. <see cref="RowCodes.Dequantize"/> is the readable twin, with the same
/// bits.</summary>
internal static unsafe class Int8Run
{
    /// <summary>y = code·(scale/127).</summary>
    public static void Decode(sbyte* codes, float scale, int count, float* y)
    {
        float unit = scale * RowCodes.InverseLargest;
        int i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i <= count - 16; i += 16)
            {
                var numbers = Avx512F.ConvertToVector512Int32(Vector128.Load(codes + i));
                (Avx512F.ConvertToVector512Single(numbers) * unit).Store(y + i);
            }
        }
        if (Avx2.IsSupported)
        {
            for (; i <= count - 8; i += 8)
            {
                var numbers = Avx2.ConvertToVector256Int32(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(codes + i)).AsSByte());
                (Avx.ConvertToVector256Single(numbers) * unit).Store(y + i);
            }
        }
        for (; i < count; i++)
        {
            y[i] = codes[i] * unit;
        }
    }
}

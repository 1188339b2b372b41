using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Descriptors of wgmma's operands in shared memory: the PTX manual's matrix descriptors with 128-byte swizzle.</summary>
internal static class WgmmaPtx
{
    private const ulong Swizzle128 = 1UL << 62;
    private const ulong StrideByteOffset = 1024 >> 4; // bytes from one group of eight rows to the next
    private const ulong LeadingByteOffset = 8192 >> 4; // bytes from one block of 64 columns to the next, where M or N is contiguous

    /// <summary>Writes the descriptor of an operand at an offset in shared memory to a register. It overwrites the register
    /// <c>at</c>.</summary>
    internal static void Descriptor(StringBuilder text, string name, string offset, bool transposed)
    {
        ulong constant = Swizzle128 | (StrideByteOffset << 32) | ((transposed ? LeadingByteOffset : 1UL) << 16);
        text.Append($"add.u32 at, sbase, {offset};\nand.b32 at, at, 0x3FFFF;\nshr.u32 at, at, 4;\ncvt.u64.u32 {name}, at;\n");
        text.Append(CultureInfo.InvariantCulture, $"or.b64 {name}, {name}, 0x{constant:X};\n");
    }

    /// <summary>The increment of a descriptor for the next 16 elements of K: 32 bytes along a row, or 16 rows of 128 bytes.</summary>
    internal static int Step(bool transposed) => (transposed ? 16 * 128 : 16 * 2) >> 4;
}

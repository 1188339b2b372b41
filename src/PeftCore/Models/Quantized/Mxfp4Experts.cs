using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>MXFP4 weights of gpt-oss (OCP Microscaling Formats 1.0): blocks of 32 numbers of 4 bits, one sign, two exponent and one
/// mantissa bit, with a power of two for each block. They become BF16 as they are read, which holds them exactly. A matrix (out, in) of an
/// expert is in the file as U8 (out, in/32, 16) "…_blocks", two numbers a byte, the lower half first, and U8 (out, in/32) "…_scales"; the
/// parameter is (in, out).</summary>
internal sealed class Mxfp4Experts(WeightEntry blocks, WeightEntry scales, string method) : StoredWeight
{
    private const string BlocksEnd = "_blocks", ScalesEnd = "_scales";
    private const int BlockBytes = Mxfp4.BlockBytes;

    public override IReadOnlyList<WeightEntry> Entries { get; } = [blocks, scales];

    public override DType DType => DType.BF16;

    public override string Method => method;

    /// <summary>The experts of a fused parameter; null if the file does not have them so.</summary>
    public static Mxfp4Experts? Of(Func<string, WeightEntry?> find, string path, string method) =>
        find(path + BlocksEnd) is { } blocks && find(path + ScalesEnd) is { } scales ? new Mxfp4Experts(blocks, scales, method) : null;

    /// <exception cref="BadInputException">Shapes or dtypes do not fit.</exception>
    public override void Check(Shape shape)
    {
        int experts = shape[0], inputs = shape[1], outputs = shape[2], groups = inputs / (2 * BlockBytes);
        Check(blocks, [experts, outputs, groups, BlockBytes], inputs);
        Check(scales, [experts, outputs, groups], inputs);
    }

    /// <summary>Reads a parameter (experts, in, out), one expert at a time.</summary>
    public override void Read(Tensor value)
    {
        int experts = value.Shape[0], inputs = value.Shape[1], outputs = value.Shape[2], groups = inputs / (2 * BlockBytes);
        var backend = value.Backend;
        ushort[] matrix = new ushort[inputs * outputs];
        using var scope = new TensorScope();
        var bf16 = backend.NewTensor([inputs, outputs], DType.BF16, MemoryKind.Workspace);
        var wide = value.DType == DType.BF16 ? bf16 : backend.NewTensor([inputs, outputs], DType.F32, MemoryKind.Workspace);
        for (int e = 0; e < experts; e++)
        {
            int first = e * outputs * groups;
            Decode(blocks.View.Slice(first * BlockBytes, outputs * groups * BlockBytes), scales.View.Slice(first, outputs * groups),
                matrix, inputs, outputs);
            using var part = value.Unscoped([inputs, outputs], (long)e * inputs * outputs);
            backend.Upload(MemoryMarshal.AsBytes<ushort>(matrix), bf16);
            if (!ReferenceEquals(wide, bf16))
            {
                backend.Cast(bf16, wide);
            }
            backend.Cast(wide, part);
        }
    }

    /// <summary>One matrix (out, in) as BF16 (in, out).</summary>
    internal static void Decode(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> scales, Span<ushort> matrix, int inputs, int outputs)
    {
        for (int i = 0; i < blocks.Length; i++)
        {
            int row = 2 * i / inputs, column = 2 * i % inputs;
            matrix[column * outputs + row] = Bits(Mxfp4.Number(blocks[i] & 15, scales[i / BlockBytes]));
            matrix[(column + 1) * outputs + row] = Bits(Mxfp4.Number(blocks[i] >> 4, scales[i / BlockBytes]));
        }
    }

    // One mantissa bit: BF16 has the number in its upper half of the float.
    private static ushort Bits(float number) => (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16);

    private static void Check(WeightEntry entry, ReadOnlySpan<long> expected, int inputs)
    {
        if (entry.DType != "U8" || !entry.Shape.AsSpan().SequenceEqual(expected) || inputs % (2 * BlockBytes) != 0)
        {
            throw entry.Error($"is {entry.DType} ({string.Join(", ", entry.Shape)}); MXFP4 of this model is U8 " +
                $"({string.Join(", ", expected.ToArray())}), for matrices of {inputs} rows in blocks of {2 * BlockBytes}");
        }
    }
}

using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>MXFP4 weights of gpt-oss (OCP Microscaling Formats 1.0): blocks of 32 numbers of 4 bits, one sign, two exponent and one
/// mantissa bit, with a power of two for each block. They become BF16 as they are read, which holds them exactly. A matrix (out, in) of an
/// expert is in the file as U8 (out, in/32, 16) "…_blocks", two numbers a byte, the lower half first, and U8 (out, in/32) "…_scales"; the
/// parameter is (in, out).</summary>
internal static class Mxfp4
{
    private const string Family = "gpt_oss", Method = "mxfp4", Blocks = "_blocks", Scales = "_scales";
    private const int BlockBytes = 16, Bias = 127;

    private static readonly float[] Magnitudes = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6];

    /// <summary>Whether a configuration names weights that are read.</summary>
    public static bool IsRead(ConfigReader config) => config.StringOrNull("model_type") == Family
        && config.Raw("quantization_config") is { ValueKind: System.Text.Json.JsonValueKind.Object }
        && config.Object("quantization_config").StringOrNull("quant_method") == Method;

    /// <summary>Whether weights that a file's tensors show to be MXFP4 are read: those of gpt-oss.</summary>
    public static bool IsRead(string modelType, string tensor) =>
        modelType == Family && tensor.EndsWith(Blocks, StringComparison.Ordinal);

    /// <summary>The tensors of a parameter; null if the file does not have them.</summary>
    public static (WeightEntry Blocks, WeightEntry Scales)? Find(Func<string, WeightEntry?> find, string path) =>
        find(path + Blocks) is { } blocks && find(path + Scales) is { } scales ? (blocks, scales) : null;

    /// <summary>Reads a parameter (experts, in, out), one expert at a time.</summary>
    /// <param name="blocks">U8 (experts, out, in/32, 16)</param>
    /// <param name="scales">U8 (experts, out, in/32)</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="backend">Its device.</param>
    /// <param name="dtype">Its dtype; null for BF16.</param>
    /// <exception cref="BadInputException">Shapes or dtypes do not fit.</exception>
    public static void Read(WeightEntry blocks, WeightEntry scales, Parameter parameter, Backend backend, DType? dtype)
    {
        int experts = parameter.Shape[0], inputs = parameter.Shape[1], outputs = parameter.Shape[2], groups = inputs / (2 * BlockBytes);
        Check(blocks, [experts, outputs, groups, BlockBytes], inputs);
        Check(scales, [experts, outputs, groups], inputs);
        var value = parameter.Materialize(backend, dtype ?? DType.BF16);
        ushort[] matrix = new ushort[inputs * outputs];
        using var scope = new TensorScope();
        var bf16 = backend.NewTensor([inputs, outputs], DType.BF16, MemoryKind.Workspace);
        var wide = dtype is null or DType.BF16 ? bf16 : backend.NewTensor([inputs, outputs], DType.F32, MemoryKind.Workspace);
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
            int exponent = scales[i / BlockBytes] - Bias, row = 2 * i / inputs, column = 2 * i % inputs;
            matrix[column * outputs + row] = Number(blocks[i] & 15, exponent);
            matrix[(column + 1) * outputs + row] = Number(blocks[i] >> 4, exponent);
        }
    }

    // One mantissa bit: BF16 has the number in its upper half of the float.
    private static ushort Number(int bits, int exponent)
    {
        float magnitude = MathF.ScaleB(Magnitudes[bits & 7], exponent);
        return (ushort)((BitConverter.SingleToUInt32Bits(magnitude) >> 16) | ((uint)(bits & 8) << 12));
    }

    private static void Check(WeightEntry entry, ReadOnlySpan<long> expected, int inputs)
    {
        if (entry.DType != "U8" || !entry.Shape.AsSpan().SequenceEqual(expected) || inputs % (2 * BlockBytes) != 0)
        {
            throw entry.Error($"is {entry.DType} ({string.Join(", ", entry.Shape)}); MXFP4 of this model is U8 " +
                $"({string.Join(", ", expected.ToArray())}), for matrices of {inputs} rows in blocks of {2 * BlockBytes}");
        }
    }
}

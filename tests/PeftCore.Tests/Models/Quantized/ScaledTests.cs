using PeftCore.Models.Quantized;

namespace PeftCore.Tests.Models.Quantized;

/// <summary>FP8 and INT8 matrices with scales, by the definition w = number·scale.</summary>
public sealed class ScaledTests : ModelTests
{
    private const int Rows = HandMadeModel.Rows, Columns = HandMadeModel.Columns;

    private const string Fp8 = """{"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [16, 24], "activation_scheme": "dynamic"}""";

    [Test]
    public void Numbers_of_E4M3_and_E5M2_are_those_of_the_specification()
    {
        using (Assert.EnterMultipleScope())
        {
            // OCP 8-bit Floating Point Specification 1.0, table 2.
            Assert.That(ScaledWeight.Number(0b0_1111_110, 4), Is.EqualTo(448));
            Assert.That(ScaledWeight.Number(0b0_0001_000, 4), Is.EqualTo(MathF.Pow(2, -6)));
            Assert.That(ScaledWeight.Number(0b0_0000_001, 4), Is.EqualTo(MathF.Pow(2, -9)));
            Assert.That(ScaledWeight.Number(0b1_0111_000, 4), Is.EqualTo(-1));
            Assert.That(ScaledWeight.Number(0b0_1111_111, 4), Is.NaN);
            Assert.That(ScaledWeight.Number(0b0_11110_11, 5), Is.EqualTo(57344));
            Assert.That(ScaledWeight.Number(0b0_00000_01, 5), Is.EqualTo(MathF.Pow(2, -16)));
            Assert.That(ScaledWeight.Number(0b1_11111_00, 5), Is.EqualTo(float.NegativeInfinity));
            // E5M2 is the upper byte of F16.
            for (int code = 0; code < 256; code++)
            {
                float half = (float)BitConverter.UInt16BitsToHalf((ushort)(code << 8));
                Assert.That(ScaledWeight.Number(code, 5), Is.EqualTo(half), $"{code}");
            }
        }
    }

    [Test]
    public void Blocks_have_one_scale_each_as_DeepSeek_stores_them()
    {
        byte[] codes = Codes();
        float[] scales = [.. Enumerable.Range(1, 4 * 2).Select(i => i / 8f)]; // ⌈56/16⌉ × ⌈32/24⌉
        using var files = new HandMadeModel(Fp8).With("weight", "F8_E4M3", [Rows, Columns], codes)
            .With("weight_scale_inv", "F32", [4, 2], scales);
        Compare(Load(files.Files), (o, i) => ScaledWeight.Number(codes[o * Columns + i], 4) * scales[o / 16 * 2 + i / 24]);
    }

    [Test]
    public void Scales_can_be_powers_of_two()
    {
        byte[] codes = Codes(), powers = [120, 127, 128, 130, 1, 127, 127, 127];
        using var files = new HandMadeModel(Fp8).With("weight", "F8_E4M3", [Rows, Columns], codes)
            .With("weight_scale_inv", "F8_E8M0", [4, 2], powers);
        Compare(Load(files.Files), (o, i) => ScaledWeight.Number(codes[o * Columns + i], 4) * MathF.ScaleB(1, powers[o / 16 * 2
            + i / 24] - 127));
    }

    [TestCase("float-quantized", "F8_E4M3", 1)]
    [TestCase("float-quantized", "F8_E4M3", Rows)]
    [TestCase("int-quantized", "I8", Rows)]
    public void Compressed_tensors_have_one_scale_or_one_a_row(string format, string dtype, int count)
    {
        byte[] codes = Codes();
        float[] scales = [.. Enumerable.Range(1, count).Select(i => i / 16f)];
        using var files = new HandMadeModel($$"""
            {"quant_method": "compressed-tensors", "format": "{{format}}", "quantization_status": "compressed", "config_groups": {"group_0":
            {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": true} } } }
            """).With("weight", dtype, [Rows, Columns], codes)
            .With("weight_scale", "F32", count == 1 ? [1] : [Rows, 1], scales).With("input_scale", "F32", [1], new float[1]);
        Compare(Load(files.Files), (o, i) => (dtype == "I8" ? (sbyte)codes[o * Columns + i] : ScaledWeight.Number(codes[o * Columns + i],
            4))
            * scales[count == 1 ? 0 : o]);
    }

    [Test]
    public void A_shape_of_scales_that_fits_nothing_a_scale_that_is_no_number_and_missing_scales_are_named()
    {
        using var files = new HandMadeModel(Fp8).With("weight", "F8_E4M3", [Rows, Columns], Codes())
            .With("weight_scale_inv", "F32", [2, 2], new float[4]);
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("(4, 2) for blocks of 16 × 24"));

        files.With("weight_scale_inv", "F32", [4, 2], Enumerable.Repeat(float.NaN, 8).ToArray());
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("NaN as its scale 0"));

        files.Files.Tensors.Remove(HandMadeModel.Layer + ".weight_scale_inv");
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("FP8 without scales"));
    }

    private static byte[] Codes()
    {
        byte[] codes = new byte[Rows * Columns];
        new Random(3).NextBytes(codes);
        return Array.ConvertAll(codes, code => (code & 127) == 127 ? (byte)0 : code); // No NaN.
    }

    private static void Compare(PeftCore.Models.TransformerModel model, Func<int, int, float> expected)
    {
        float[] weight = HandMadeModel.WeightOf(model);
        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                Assert.That(weight[o * Columns + i], Is.EqualTo(expected(o, i)), $"{o}, {i}");
            }
        }
    }
}

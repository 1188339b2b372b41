namespace PeftCore.Tests.Models.Quantized;

/// <summary>AWQ as AutoAWQ's WQLinear_GEMM.from_linear packs it: the eight codes of a word are those of outputs 0, 2, 4, 6, 1, 3, 5,
/// 7.</summary>
public sealed class AwqTests : ModelTests
{
    private const int Rows = HandMadeModel.Rows, Columns = HandMadeModel.Columns;
    private const string Config = """{"quant_method": "awq", "bits": 4, "group_size": 16, "zero_point": true, "version": "gemm"}""";

    private static readonly int[] Order = [0, 2, 4, 6, 1, 3, 5, 7];

    [Test]
    public void A_weight_is_what_its_codes_say()
    {
        var random = new Random(7);
        int[,] codes = new int[Columns, Rows], zeros = new int[2, Rows];
        var scales = new Half[2, Rows];
        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                codes[i, o] = random.Next(16);
            }
            for (int g = 0; g < 2; g++)
            {
                (scales[g, o], zeros[g, o]) = ((Half)(random.NextDouble() / 8), random.Next(16));
            }
        }

        using var files = new HandMadeModel(Config).With("qweight", "I32", [Columns, Rows / 8], Pack(codes))
            .With("qzeros", "I32", [2, Rows / 8], Pack(zeros)).With("scales", "F16", [2, Rows], scales.Cast<Half>().ToArray());
        float[] weight = HandMadeModel.WeightOf(Load(files.Files));

        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                Assert.That(weight[o * Columns + i], Is.EqualTo((float)scales[i / 16, o] * (codes[i, o] - zeros[i / 16, o])), $"{o}, {i}");
            }
        }
    }

    [TestCase("qweight", "I32", Columns, 8, "expected I32 (32, 7)")]
    [TestCase("qzeros", "I32", 1, 7, "expected I32 (2, 7)")]
    [TestCase("scales", "F16", 2, 55, "expected F16 (2, 56)")]
    public void A_tensor_of_another_shape_is_named(string name, string dtype, int rows, int columns, string expected)
    {
        using var files = new HandMadeModel(Config).With("qweight", "I32", [Columns, Rows / 8], new uint[Columns * Rows / 8])
            .With("qzeros", "I32", [2, Rows / 8], new uint[2 * Rows / 8]).With("scales", "F16", [2, Rows], new Half[2 * Rows]);
        files.Files.Put($"{HandMadeModel.Layer}.{name}", dtype, rows, columns);
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains(name).And.Message.Contains(expected));
    }

    [Test]
    public void A_group_size_that_does_not_divide_the_inputs_is_refused()
    {
        using var files = new HandMadeModel(Config.Replace("16", "24", StringComparison.Ordinal))
            .With("qweight", "I32", [Columns, Rows / 8], new uint[Columns * Rows / 8])
            .With("qzeros", "I32", [2, Rows / 8], new uint[2 * Rows / 8]).With("scales", "F16", [2, Rows], new Half[2 * Rows]);
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("inputs in groups of 24"));
    }

    private static uint[] Pack(int[,] codes)
    {
        int lines = codes.GetLength(0), outputs = codes.GetLength(1);
        uint[] words = new uint[lines * outputs / 8];
        for (int line = 0; line < lines; line++)
        {
            for (int word = 0; word < outputs / 8; word++)
            {
                for (int place = 0; place < 8; place++)
                {
                    words[line * outputs / 8 + word] |= (uint)codes[line, 8 * word + Order[place]] << (4 * place);
                }
            }
        }
        return words;
    }
}

using PeftCore.Models;

namespace PeftCore.Tests.Models.Quantized;

/// <summary>GPTQ as AutoGPTQ's QuantLinear.pack writes it, packed here by hand and read by the definition
/// w[o, i] = scale[g(i), o]·(code[i, o] − zero[g(i), o]).</summary>
public sealed class GptqTests : ModelTests
{
    private const int Rows = HandMadeModel.Rows, Columns = HandMadeModel.Columns;

    [TestCase(4, 16, "gptq", false)]
    [TestCase(4, 16, "gptq_v2", true)]
    [TestCase(4, -1, "gptq", false)]
    [TestCase(8, 16, "gptq", true)]
    [TestCase(8, 8, "gptq_v2", false)]
    [TestCase(2, 16, "gptq", false)]
    [TestCase(3, 16, "gptq", true)]
    public void A_weight_is_what_its_codes_say(int bits, int groupSize, string format, bool actOrder)
    {
        var random = new Random(bits * 100 + groupSize);
        int size = groupSize < 0 ? Columns : groupSize, groups = Columns / size, levels = 1 << bits;
        int[,] codes = new int[Columns, Rows], zeros = new int[groups, Rows];
        var scales = new Half[groups, Rows];
        int[] groupOf = [.. Enumerable.Range(0, Columns).Select(i => i / size)];
        if (actOrder)
        {
            random.Shuffle(groupOf);
        }
        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                codes[i, o] = random.Next(levels);
            }
            for (int g = 0; g < groups; g++)
            {
                (scales[g, o], zeros[g, o]) = ((Half)(random.NextDouble() / 8), random.Next(1, levels));
            }
        }

        using var files = Pack(bits, groupSize, format, codes, zeros, scales, groupOf);
        float[] weight = HandMadeModel.WeightOf(Load(files.Files));

        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                int g = groupOf[i];
                Assert.That(weight[o * Columns + i], Is.EqualTo((float)scales[g, o] * (codes[i, o] - zeros[g, o])), $"{o}, {i}");
            }
        }
        Assert.That(Warnings, Has.Exactly(1).Contains($"1 weights that are quantised with gptq ({bits} bits) are dequantised"));
    }

    [Test]
    public void Without_g_idx_columns_are_in_groups_in_turn()
    {
        using var files = Simple();
        float[] given = HandMadeModel.WeightOf(Load(files.Files));
        files.Files.Tensors.Remove(HandMadeModel.Layer + ".g_idx");
        Assert.That(HandMadeModel.WeightOf(Load(files.Files)), Is.EqualTo(given));
    }

    [TestCase("qweight", "I32", 5, Rows, "expected I32 (4, 56)")]
    [TestCase("qweight", "F32", 4, Rows, "expected I32 (4, 56)")]
    [TestCase("qzeros", "I32", 2, 6, "expected I32 (2, 7)")]
    [TestCase("scales", "F16", 3, Rows, "expected F16 (2, 56)")]
    [TestCase("scales", "I32", 2, Rows, "expected scales of F16, BF16 or F32")]
    public void A_tensor_of_another_shape_or_dtype_is_named(string name, string dtype, int rows, int columns, string expected)
    {
        using var files = Simple();
        files.Files.Put($"{HandMadeModel.Layer}.{name}", dtype, rows, columns);
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains(name).And.Message.Contains(expected));
    }

    [Test]
    public void A_group_that_does_not_exist_a_scale_that_is_no_number_and_a_missing_part_are_named()
    {
        using var files = Simple();
        files.With("g_idx", "I32", [Columns], Enumerable.Repeat(2, Columns).ToArray());
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("has 2 for column 0, but there are 2 groups"));

        using var infinite = Simple();
        infinite.With("scales", "F16", [2, Rows], Enumerable.Repeat(Half.PositiveInfinity, 2 * Rows).ToArray());
        Assert.That(() => Load(infinite.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("expected finite numbers"));

        using var missing = Simple();
        missing.Files.Tensors.Remove(HandMadeModel.Layer + ".qzeros");
        Assert.That(() => Load(missing.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("no \"qzeros\" beside it"));
    }

    [Test]
    public void A_configuration_for_plain_weights_and_options_that_differ_are_refused()
    {
        using var plain = new EditedModel("llama");
        plain.Config["quantization_config"] = System.Text.Json.Nodes.JsonNode.Parse("""{"quant_method": "gptq", "bits": 4}""");
        Assert.That(() => Load(plain), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("quantised with gptq (4 bits), but those in")
            .And.Message.Contains("are plain; remove the field"));

        using var files = Simple();
        Assert.That(() => ModelLoader.Load(files.Files.Write().FullPath, Backend, quantization: new QuantizationOptions { Type = "nf4" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("stored quantised with gptq (4 bits)")
                .And.Message.Contains("convert --dequantize"));
    }

    private static HandMadeModel Simple()
    {
        var scales = new Half[2, Rows];
        System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref scales[0, 0], scales.Length).Fill((Half)0.5);
        return Pack(4, 16, "gptq", new int[Columns, Rows], new int[2, Rows], scales, [.. Enumerable.Range(0, Columns).Select(i => i / 16)]);
    }

    private static HandMadeModel Pack(int bits, int groupSize, string format, int[,] codes, int[,] zeros, Half[,] scales, int[] groupOf)
    {
        int groups = zeros.GetLength(0), mask = (1 << bits) - 1, less = format == "gptq" ? 1 : 0;
        // Each column of the file is a stream of the codes of one output; each row of zero points is a stream.
        uint[][] streams = [.. Enumerable.Range(0, Rows).Select(o => HandMadeModel.Pack(Enumerable.Range(0, Columns).Select(i => codes[i,
            o]), bits))];
        int words = streams[0].Length;
        uint[] weight = [.. Enumerable.Range(0, words).SelectMany(w => streams.Select(stream => stream[w]))];
        uint[][] zeroRows = [.. Enumerable.Range(0, groups)
            .Select(g => HandMadeModel.Pack(Enumerable.Range(0, Rows).Select(o => (zeros[g, o] - less) & mask), bits))];
        string config = $$"""{"quant_method": "gptq", "bits": {{bits}}, "group_size": {{groupSize}}, "checkpoint_format": "{{format}}"}""";
        return new HandMadeModel(config).With("qweight", "I32", [words, Rows], weight)
            .With("qzeros", "I32", [groups, zeroRows[0].Length], zeroRows.SelectMany(row => row).ToArray())
            .With("scales", "F16", [groups, Rows], scales.Cast<Half>().ToArray()).With("g_idx", "I32", [Columns], groupOf);
    }
}

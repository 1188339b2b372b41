namespace PeftCore.Tests.Models.Quantized;

/// <summary>compressed-tensors' packed integers and MXFP4, packed here by hand.</summary>
public sealed class PackedTests : ModelTests
{
    private const int Rows = HandMadeModel.Rows, Columns = HandMadeModel.Columns;

    [TestCase(4, 16, false)]
    [TestCase(4, 16, true)]
    [TestCase(8, 0, false)]
    public void Signed_codes_are_stored_plus_half_their_range(int bits, int groupSize, bool zeroPoints)
    {
        var random = new Random(bits);
        int size = groupSize == 0 ? Columns : groupSize, groups = Columns / size, middle = 1 << (bits - 1);
        int[,] codes = new int[Rows, Columns], zeros = new int[Rows, groups];
        float[,] scales = new float[Rows, groups];
        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                codes[o, i] = random.Next(-middle, middle);
            }
            for (int g = 0; g < groups; g++)
            {
                (scales[o, g], zeros[o, g]) = ((float)(Half)random.NextDouble(), zeroPoints ? random.Next(-middle, middle) : 0);
            }
        }

        using var files = new HandMadeModel($$"""
            {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
                "config_groups": {"group_0":
            {"weights": {"num_bits": {{bits}}, "group_size": {{(groupSize == 0 ? "null" : groupSize)}}, "symmetric": {{(zeroPoints
                ? "false" : "true")}} } } } }
            """);
        uint[][] streams = [.. Enumerable.Range(0, Rows)
            .Select(o => HandMadeModel.Pack(Enumerable.Range(0, Columns).Select(i => codes[o, i] + middle), bits))];
        files.With("weight_packed", "I32", [Rows, streams[0].Length], streams.SelectMany(stream => stream).ToArray())
            .With("weight_scale", "F32", [Rows, groups], scales.Cast<float>().ToArray()).With("weight_shape", "I64", [2],
                new long[] { Rows, Columns });
        if (zeroPoints)
        {
            uint[][] zeroStreams = [.. Enumerable.Range(0, groups)
                .Select(g => HandMadeModel.Pack(Enumerable.Range(0, Rows).Select(o => zeros[o, g] + middle), bits))];
            int words = zeroStreams[0].Length;
            files.With("weight_zero_point", "I32", [words, groups],
                Enumerable.Range(0, words).SelectMany(w => zeroStreams.Select(stream => stream[w])).ToArray());
        }
        float[] weight = HandMadeModel.WeightOf(Load(files.Files));

        for (int o = 0; o < Rows; o++)
        {
            for (int i = 0; i < Columns; i++)
            {
                int g = i / size;
                Assert.That(weight[o * Columns + i], Is.EqualTo(scales[o, g] * (codes[o, i] - zeros[o, g])), $"{o}, {i}");
            }
        }

        files.With("weight_shape", "I64", [2], new long[] { Columns, Rows });
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("is (32, 56), but the configuration makes it (56, 32)"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_linear_layer_of_MXFP4_is_what_its_codes_say(bool asGptOss)
    {
        // OCP Microscaling Formats 1.0, table 5: E2M1.
        float[] numbers = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6];
        byte[] codes = new byte[Rows * Columns / 2], scales = new byte[Rows];
        new Random(2).NextBytes(codes);
        for (int o = 0; o < Rows; o++)
        {
            scales[o] = (byte)(100 + o);
        }
        using var files = asGptOss
            ? new HandMadeModel("""{"quant_method": "mxfp4"}""").With("weight_blocks", "U8", [Rows, 1, 16], codes)
                .With("weight_scales", "U8", [Rows, 1], scales)
            : new HandMadeModel("""
                {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "quantization_status": "compressed",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 32}}}}
                """).With("weight_packed", "U8", [Rows, Columns / 2], codes).With("weight_scale", "U8", [Rows, 1], scales);
        float[] weight = HandMadeModel.WeightOf(Load(files.Files));

        for (int at = 0; at < weight.Length; at++)
        {
            int code = at % 2 == 0 ? codes[at / 2] & 15 : codes[at / 2] >> 4;
            Assert.That(weight[at], Is.EqualTo(numbers[code] * MathF.Pow(2, scales[at / Columns] - 127)), $"{at}");
        }

        files.Files.Put($"{HandMadeModel.Layer}.{(asGptOss ? "weight_scales" : "weight_scale")}", "U8", Rows, 2);
        Assert.That(() => Load(files.Files), Throws.TypeOf<BadInputException>().With.Message.Contains("expected U8 (56, 1)"));
    }
}

using System.Text.Json.Nodes;

namespace PeftCore.Io.Gguf;

/// <summary>Rotary positions in GGUF files. Linear and YaRN scaling are metadata; Llama 3's is a tensor of divisors of the
/// frequencies.</summary>
internal static class GgufRope
{
    /// <summary>The tensor of divisors, one for each pair of a head.</summary>
    public const string Divisors = "rope_freqs.weight";

    private const double Tolerance = 1e-4;

    // Llama 3.1 to 3.3 have these; only the factor differs.
    private const double Low = 1, High = 4;
    private const int OriginalLength = 8192;

    /// <summary>The object "rope_scaling" of config.json; null without scaling.</summary>
    /// <param name="file">The file.</param>
    /// <param name="prefix">The architecture's prefix of keys.</param>
    /// <param name="theta">The base of the frequencies.</param>
    /// <param name="headDim">Columns of a head.</param>
    /// <param name="context">The longest sequence.</param>
    /// <exception cref="BadInputException">The scaling is not supported.</exception>
    public static JsonObject? Scaling(GgufFile file, string prefix, double theta, int headDim, long context)
    {
        if (file.Find(prefix + "rope.scaling.type") is not { } type || type.Text == "none")
        {
            return file.Tensors.GetValueOrDefault(Divisors) is { } tensor ? ByDivisors(Read(file, tensor, headDim), theta, headDim, context)
                : null;
        }
        double factor = file.Get(prefix + "rope.scaling.factor").Number;
        if (type.Text == "linear")
        {
            return new JsonObject { ["rope_type"] = "linear", ["factor"] = factor };
        }
        if (type.Text != "yarn")
        {
            throw type.Bad($"is \"{type.Text}\", which is not read; read are none, linear and yarn");
        }
        var yarn = new JsonObject { ["rope_type"] = "yarn", ["factor"] = factor };
        foreach (var (key, field) in new[]
        {
            ("original_context_length", "original_max_position_embeddings"), ("yarn_beta_fast", "beta_fast"),
            ("yarn_beta_slow", "beta_slow"), ("yarn_attn_factor", "attention_factor"),
        })
        {
            if (file.Find($"{prefix}rope.scaling.{key}") is { } value)
            {
                yarn[field] = field.StartsWith("original", StringComparison.Ordinal) ? value.Integer : value.Number;
            }
        }
        return yarn;
    }

    /// <summary>The divisors of Llama 3's scaling, as convert_hf_to_gguf.py computes them, in F32.</summary>
    /// <param name="theta">The base of the frequencies.</param>
    /// <param name="headDim">Columns of a head.</param>
    /// <param name="factor">Divisor of the lowest frequencies.</param>
    /// <param name="low">Waves longer than the original length over this are divided.</param>
    /// <param name="high">Waves shorter than the original length over this are not.</param>
    /// <param name="length">The original length.</param>
    public static float[] Llama3(double theta, int headDim, double factor, double low, double high, double length)
    {
        float[] divisors = new float[headDim / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            float frequency = 1 / MathF.Pow((float)theta, (float)(2 * i) / headDim);
            float wave = (float)(2 * Math.PI) / frequency;
            float smooth = ((float)length / wave - (float)low) / (float)(high - low);
            divisors[i] = wave < length / high ? 1 : wave > length / low ? (float)factor : 1 / ((1 - smooth) / (float)factor + smooth);
        }
        return divisors;
    }

    /// <summary>Llama 3's scaling if it gives these divisors, otherwise the divisors themselves, as "longrope" has them.</summary>
    private static JsonObject? ByDivisors(double[] divisors, double theta, int headDim, long context)
    {
        double factor = divisors.Max();
        if (divisors.All(divisor => divisor == 1))
        {
            return null;
        }
        float[] expected = Llama3(theta, headDim, factor, Low, High, OriginalLength);
        if (divisors.Zip(expected).All(pair => Math.Abs(pair.First - pair.Second) <= Tolerance * pair.Second))
        {
            return new JsonObject
            {
                ["rope_type"] = "llama3", ["factor"] = factor, ["low_freq_factor"] = Low, ["high_freq_factor"] = High,
                ["original_max_position_embeddings"] = OriginalLength,
            };
        }
        return new JsonObject
        {
            ["rope_type"] = "longrope", ["factor"] = 1.0, ["attention_factor"] = 1.0, ["original_max_position_embeddings"] = context,
            ["short_factor"] = List(divisors), ["long_factor"] = List(divisors),
        };
    }

    private static JsonArray List(double[] values) => [.. values.Select(value => (JsonNode)JsonValue.Create(value))];

    private static double[] Read(GgufFile file, GgufTensor tensor, int headDim)
    {
        if (tensor.Type.Name != "F32" || tensor.Count != headDim / 2)
        {
            throw new BadInputException($"{file.Path}: tensor \"{tensor.Name}\" is {tensor.Type.Name} with {tensor.Count} numbers, " +
                $"expected F32 and {headDim / 2}, one for each pair of a head.");
        }
        var bytes = file.Bytes.Span(tensor.Offset, (int)tensor.Length);
        double[] divisors = new double[tensor.Count];
        for (int i = 0; i < divisors.Length; i++)
        {
            divisors[i] = System.Buffers.Binary.BinaryPrimitives.ReadSingleLittleEndian(bytes[(i * sizeof(float))..]);
        }
        return Array.TrueForAll(divisors, divisor => double.IsFinite(divisor) && divisor > 0) ? divisors : throw new BadInputException(
            $"{file.Path}: tensor \"{tensor.Name}\" has a number that is not positive; frequencies are divided by them.");
    }
}

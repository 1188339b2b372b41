using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>Checks a base model with quantised weights: the numbers they stand for, the logits, that it is saved as it was, and that the
/// model of the directory "full" beside it, quantised while it is loaded, is saved as the same files.</summary>
internal sealed class QuantizedCheck(Backend backend, string directory, Expected expected, Action<string>? warn)
{
    private const string Dequantized = "dequantized.", Field = "quantization_config", Weights = "model.safetensors", Config = "config.json";

    /// <summary>Whether a directory has a model with quantised weights.</summary>
    public static bool Fits(string directory) => QuantizationOptions.NameOf(ModelDirectory.Open(directory).OpenConfig(), null,
        out _) is not null;

    public List<Comparison> Run()
    {
        using var scope = new TensorScope();
        var results = new List<Comparison>();
        using (var model = BaseLoading.Load(directory, backend, null, warn, FixtureInputs.AsReference))
        {
            var parameters = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter);
            foreach (string name in expected.Names.Where(name => name.StartsWith(Dequantized, StringComparison.Ordinal)))
            {
                results.Add(parameters.TryGetValue(name[Dequantized.Length..], out var parameter)
                    ? Bits(name, parameter.Value.ToFloats(), expected.Floats(name)) : Comparison.Unsupported(name, "no such weight here"));
            }
            double tolerance = Tolerances.Of(backend).Logits;
            results.AddRange(model.Outputs(FixtureInputs.From(model, expected))
                .Select(output => new Comparison(output.Name, expected.Error(output.Name, output.Value.ToFloats()), tolerance)));
            results.AddRange(Saved("saved", model, directory));
        }
        string full = Path.Combine(directory, "..", "full");
        if (Directory.Exists(full))
        {
            using var model = BaseLoading.Load(full, backend, null, warn, FixtureInputs.AsReference, OptionsOf(directory));
            results.AddRange(Saved("quantized", model, full));
        }
        return results;
    }

    private static Comparison Bits(string name, float[] ours, float[] reference) => Comparison.Equal(name, ours.Length == reference.Length
        && ours.AsSpan().SequenceEqual(reference), "to the bit");

    /// <summary>Saves a model and compares its files with the reference's: every tensor, the header, the configuration.</summary>
    private IEnumerable<Comparison> Saved(string name, TransformerModel model, string source)
    {
        using var temporary = new TemporaryDirectory();
        ModelWriter.Save(model, temporary.FullPath, source);
        using var ours = WeightSource.OpenFile(Path.Combine(temporary.FullPath, Weights));
        using var theirs = WeightSource.OpenFile(Path.Combine(directory, Weights));
        foreach (string tensor in theirs.Names.Order(StringComparer.Ordinal))
        {
            var reference = theirs.Get(tensor);
            bool equal = ours.TryGet(tensor, out var entry) && entry.DType == reference.DType
                && entry.Shape.AsSpan().SequenceEqual(reference.Shape) && entry.Bytes.SequenceEqual(reference.Bytes);
            yield return Comparison.Equal($"{name}.{tensor}", equal, equal ? null : entry is null ? "missing" : Difference(entry,
                reference));
        }
        yield return Comparison.Equal($"{name}.header",
            Header(Path.Combine(temporary.FullPath, Weights)).AsSpan().SequenceEqual(Header(Path.Combine(directory, Weights))));
        string? field = Differing(QuantizationOf(temporary.FullPath), QuantizationOf(directory));
        yield return Comparison.Equal($"{name}.{Field}", field is null, field);
    }

    private static string Difference(WeightEntry ours, WeightEntry reference)
    {
        ReadOnlySpan<byte> own = ours.Bytes, other = reference.Bytes;
        int count = 0;
        for (int i = 0; i < Math.Min(own.Length, other.Length); i++)
        {
            count += own[i] == other[i] ? 0 : 1;
        }
        return $"{ours.DType} [{string.Join(", ", ours.Shape)}], {count} of {other.Length} bytes differ";
    }

    private static byte[] Header(string path)
    {
        using var stream = File.OpenRead(path);
        byte[] length = new byte[sizeof(ulong)];
        stream.ReadExactly(length);
        byte[] header = new byte[BitConverter.ToInt64(length)];
        stream.ReadExactly(header);
        return header;
    }

    private static JsonObject QuantizationOf(string directory) =>
        (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(directory, Config)))![Field]!;

    private static string? Differing(JsonObject ours, JsonObject reference) => ours.Select(field => field.Key)
        .Union(reference.Select(field => field.Key)).FirstOrDefault(key => !JsonNode.DeepEquals(ours[key], reference[key])) is { } name
        ? $"{name}: {ours[name]?.ToJsonString() ?? "null"}, expected {reference[name]?.ToJsonString() ?? "null"}" : null;

    /// <summary>The options by which transformers quantised a model.</summary>
    private static QuantizationOptions OptionsOf(string directory)
    {
        var fields = ModelDirectory.Open(directory).OpenConfig().Object(Field);
        string[]? skipped = fields.Raw("llm_int8_skip_modules") is { ValueKind: JsonValueKind.Array }
            ? fields.Strings("llm_int8_skip_modules") : null;
        return fields.Bool("load_in_8bit", false)
            ? new QuantizationOptions { Type = "int8", Threshold = fields.Float("llm_int8_threshold", 6), SkipModules = skipped }
            : new QuantizationOptions
            {
                Type = fields.String("bnb_4bit_quant_type", "fp4"), SkipModules = skipped,
                UseDoubleQuantization = fields.Bool("bnb_4bit_use_double_quant", false),
            };
    }
}

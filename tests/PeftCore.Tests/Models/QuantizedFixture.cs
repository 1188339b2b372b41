using System.Text.Json;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>A small Llama before and after bitsandbytes 0.50 quantised it.</summary>
/// <param name="Name">The directory below tests/fixtures/hf.</param>
/// <param name="Format">The format.</param>
internal sealed record QuantizedFixture(string Name, QuantizedFormat Format)
{
    public static readonly QuantizedFixture[] All =
    [
        new("llama_nf4", new(QuantizedKind.NF4)), new("llama_nf4_double", new(QuantizedKind.NF4, DoubleQuantized: true)),
        new("llama_fp4", new(QuantizedKind.FP4)), new("llama_int8", new(QuantizedKind.Int8, BlockSize: 0)),
    ];

    /// <summary>A path below the directory.</summary>
    public string this[params ReadOnlySpan<string> parts] => TestFiles.Fixture(["hf", Name, .. parts]);

    /// <summary>The model before, quantised here.</summary>
    public TransformerModel Load(Backend backend)
    {
        var model = ModelLoader.Load(TestFiles.Fixture("hf", "llama_nf4", "full"), backend);
        Quantize(model, Format);
        return model;
    }

    /// <summary>Quantises the linear layers of a model's blocks.</summary>
    public static void Quantize(TransformerModel model, QuantizedFormat format)
    {
        foreach (var (path, linear) in LinearsOf(model))
        {
            linear.Quantize(linear.Weight.Value, format, path + ".weight");
        }
    }

    /// <summary>The linear layers of a model's blocks, with their paths.</summary>
    public static IEnumerable<(string Path, Linear Layer)> LinearsOf(TransformerModel model) => model.NamedModules()
        .Where(m => m.Module is Linear && m.Path != "lm_head")
        .Select(m => (m.Path, (Linear)m.Module)).ToList();

    /// <summary>What bitsandbytes stored of a weight, by the part's name in our format.</summary>
    public IEnumerable<(string Part, long First, byte[] Bytes)> StoredParts(WeightSource file, string path, QuantizedParts parts)
    {
        byte[] Get(string name) => file.Get(path + name).Bytes.ToArray();
        yield return ("codes", 0, Get(".weight"));
        if (Format.Kind == QuantizedKind.Int8)
        {
            yield return ("scales", parts.Scales, Get(".SCB"));
            yield break;
        }
        yield return ("scales", parts.Scales, Get(".weight.absmax"));
        if (Format.DoubleQuantized)
        {
            yield return ("scales of scales", parts.ScaleScales, Get(".weight.nested_absmax"));
            using var state = JsonDocument.Parse(Get(".weight.quant_state.bitsandbytes__nf4"));
            float mean = (float)state.RootElement.GetProperty("nested_offset").GetDouble();
            yield return ("mean", parts.Mean, BitConverter.GetBytes(mean));
        }
    }

    public override string ToString() => Name;
}

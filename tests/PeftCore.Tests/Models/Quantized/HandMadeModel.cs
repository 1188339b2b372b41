using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Tests.Models.Quantized;

/// <summary>The Llama fixture with one layer, up_proj (56, 32) of the first block, replaced by tensors that a test packs by hand.</summary>
internal sealed class HandMadeModel : IDisposable
{
    public const string Layer = "model.layers.0.mlp.up_proj";
    public const int Rows = 56, Columns = 32;

    public HandMadeModel(string configuration)
    {
        Files.Config["quantization_config"] = JsonNode.Parse(configuration);
        Files.Tensors.Remove(Layer + ".weight");
    }

    public EditedModel Files { get; } = new("llama");

    /// <summary>Adds a tensor of the layer.</summary>
    public HandMadeModel With<T>(string name, string dtype, long[] shape, ReadOnlySpan<T> values) where T : unmanaged
    {
        Files.Put($"{Layer}.{name}", dtype, shape, MemoryMarshal.AsBytes(values).ToArray());
        return this;
    }

    /// <summary>Adds a tensor of the layer.</summary>
    public HandMadeModel With<T>(string name, string dtype, long[] shape, T[] values) where T : unmanaged =>
        With(name, dtype, shape, values.AsSpan());

    /// <summary>The layer's weight as a model has it.</summary>
    public static float[] WeightOf(TransformerModel model) => model.NamedParameters().First(p => p.Path == Layer + ".weight")
        .Parameter.Value.ToFloats();

    /// <summary>Packs codes into words, the first in the lowest bits.</summary>
    public static uint[] Pack(IEnumerable<int> codes, int bits)
    {
        int[] all = [.. codes];
        uint[] words = new uint[(all.Length * bits + 31) / 32];
        for (int i = 0; i < all.Length; i++)
        {
            for (int bit = 0; bit < bits; bit++)
            {
                int at = i * bits + bit;
                words[at / 32] |= (uint)((all[i] >> bit) & 1) << (at % 32);
            }
        }
        return words;
    }

    public void Dispose() => Files.Dispose();
}

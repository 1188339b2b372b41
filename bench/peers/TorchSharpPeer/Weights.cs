using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace TorchSharpPeer;

/// <summary>Weights by their Hugging Face names: those of files, or random ones.</summary>
/// <param name="files">safetensors files; none for random weights.</param>
internal sealed class Weights(params string[] files)
{
    private readonly Dictionary<string, Tensor> _read = Read(files);

    /// <summary>Parameters that train.</summary>
    public List<TorchSharp.Modules.Parameter> Trained { get; } = [];

    private bool AreRandom => _read.Count == 0;

    /// <summary>A frozen weight. It requires no gradient, so no gradient of it is formed.</summary>
    public Tensor Frozen(string name, params long[] shape) => AreRandom
        ? (name.EndsWith("bias", StringComparison.Ordinal) ? zeros(shape) : randn(shape) * 0.02) : Of(name, shape);

    /// <summary>The weight of a norm.</summary>
    public Tensor Gain(string name, long size) => AreRandom ? ones(size) : Of(name, [size]);

    /// <summary>A weight that trains, under peft's name of it.</summary>
    public Tensor Trainable(string name, bool zero, params long[] shape)
    {
        var start = AreRandom ? zero ? zeros(shape) : randn(shape) * 0.02 : Of(name, shape);
        var parameter = new TorchSharp.Modules.Parameter(start.clone(), true);
        Trained.Add(parameter);
        return parameter;
    }

    /// <summary>The tensors of a file.</summary>
    public static Dictionary<string, Tensor> Read(params string[] files)
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (string file in files)
        {
            byte[] bytes = File.ReadAllBytes(file);
            int header = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            using var json = JsonDocument.Parse(Encoding.UTF8.GetString(bytes, 8, header));
            foreach (var entry in json.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
            {
                long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())];
                var part = bytes.AsSpan((8 + header + entry.Value.GetProperty("data_offsets")[0].GetInt32())..(8 + header
                    + entry.Value.GetProperty("data_offsets")[1].GetInt32()));
                tensors[entry.Name] = entry.Value.GetProperty("dtype").GetString() switch
                {
                    "F32" => tensor(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(part).ToArray(), shape),
                    "I64" => tensor(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(part).ToArray(), shape),
                    var other => throw new NotSupportedException($"{file}: {entry.Name} is {other}; F32 and I64 are read"),
                };
            }
        }
        return tensors;
    }

    private Tensor Of(string name, long[] shape) => _read.TryGetValue(name, out var found) ? found.reshape(shape)
        : throw new KeyNotFoundException($"no file has {name}");
}

using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Models;

/// <summary>An edited copy of a fixture's model directory.</summary>
internal sealed class EditedModel : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public EditedModel(string family)
    {
        string source = TestFiles.Fixture("hf", family, "base");
        Config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        using var weights = WeightSource.OpenFile(Path.Combine(source, "model.safetensors"));
        foreach (string name in weights.Names.Order(StringComparer.Ordinal))
        {
            var entry = weights.Get(name);
            Tensors.Add(name, new SafetensorsTensor(name, entry.DType, entry.Shape, entry.Bytes.ToArray()));
        }
    }

    public JsonObject Config { get; }

    public SortedDictionary<string, SafetensorsTensor> Tensors { get; } = new(StringComparer.Ordinal);

    public string FullPath => _directory.FullPath;

    public string WeightsPath => _directory["model.safetensors"];

    /// <summary>Replaces a tensor by zeros of another dtype and shape.</summary>
    public void Put(string name, string dtype, params long[] shape)
    {
        SafetensorsDType.TryGetSize(dtype, out int size);
        Tensors[name] = new SafetensorsTensor(name, dtype, shape,
            new byte[shape.Aggregate(1L, (product, extent) => product * extent) * size]);
    }

    /// <summary>Replaces a tensor by given bytes.</summary>
    public void Put(string name, string dtype, long[] shape, byte[] bytes) =>
        Tensors[name] = new SafetensorsTensor(name, dtype, shape, bytes);

    /// <summary>The bytes of a tensor.</summary>
    public byte[] BytesOf(string name)
    {
        using var stream = new MemoryStream();
        Tensors[name].WriteTo(stream);
        return stream.ToArray();
    }

    /// <summary>Converts every tensor to another dtype, and returns the new bytes by name.</summary>
    public Dictionary<string, byte[]> Narrow(DType dtype)
    {
        var stored = new Dictionary<string, byte[]>();
        foreach (string name in Tensors.Keys.ToArray())
        {
            float[] values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(BytesOf(name)).ToArray();
            stored[name] = Numbers.Store(values, dtype.Element, out _);
            Tensors[name] = new SafetensorsTensor(name, dtype.ToString(), Tensors[name].Shape, stored[name]);
        }
        return stored;
    }

    /// <summary>Writes config.json and the weights, in one file or in several shards.</summary>
    public EditedModel Write(int shards = 1)
    {
        File.WriteAllText(_directory["config.json"], Config.ToJsonString());
        if (shards == 1)
        {
            SafetensorsWriter.Write(WeightsPath, Tensors.Values);
            return this;
        }
        var map = new JsonObject();
        foreach (var (shard, tensors) in Tensors.Values.Select((tensor, i) => (tensor, i)).GroupBy(pair => pair.i % shards,
            pair => pair.tensor).Select(g => (g.Key, g)))
        {
            string file = $"model-{shard + 1:D5}-of-{shards:D5}.safetensors";
            SafetensorsWriter.Write(_directory[file], tensors);
            foreach (var tensor in tensors)
            {
                map[tensor.Name] = file;
            }
        }
        File.WriteAllText(_directory["model.safetensors.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());
        return this;
    }

    public void Dispose() => _directory.Dispose();
}

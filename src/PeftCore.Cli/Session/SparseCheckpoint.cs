using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>Writes a model directory whose weights are zeros in sparse files: a checkpoint of any size that takes no disk space, to time
/// loading and measure its memory.</summary>
internal static class SparseCheckpoint
{
    /// <summary>Writes the directory.</summary>
    /// <param name="directory">An existing directory.</param>
    /// <param name="config">A config.json, which is copied.</param>
    /// <param name="dtype">Dtype of the weights.</param>
    /// <param name="shards">Number of weight files; parameters are distributed in their order.</param>
    /// <returns>Bytes of the weights.</returns>
    public static long Write(string directory, string config, DType dtype, int shards)
    {
        List<(string Name, Shape Shape)> parameters = [.. ModelLoader.Declare(ConfigReader.Open(config)).NamedParameters()
            .Select(p => (p.Path, p.Parameter.Shape))];
        File.Copy(config, Path.Combine(directory, "config.json"));
        long all = parameters.Sum(p => BytesOf(p.Shape, dtype)), before = 0;
        var files = parameters.GroupBy(p => (before += BytesOf(p.Shape, dtype)) * shards / (all + 1)).ToList();
        var index = new JsonObject();
        for (int i = 0; i < files.Count; i++)
        {
            string name = files.Count == 1 ? "model.safetensors"
                : string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:00000}-of-{files.Count:00000}.safetensors");
            WriteFile(Path.Combine(directory, name), files[i], dtype);
            foreach (var (parameter, _) in files[i])
            {
                index[parameter] = name;
            }
        }
        if (files.Count > 1)
        {
            var whole = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = all }, ["weight_map"] = index };
            File.WriteAllText(Path.Combine(directory, "model.safetensors.index.json"), whole.ToJsonString());
        }
        return all;
    }

    private static long BytesOf(Shape shape, DType dtype) => shape.Count * (dtype == DType.F32 ? 4 : 2);

    /// <summary>Writes the header; the data behind it is a hole.</summary>
    private static void WriteFile(string path, IEnumerable<(string Name, Shape Shape)> tensors, DType dtype)
    {
        var header = new JsonObject();
        long offset = 0;
        foreach (var (name, shape) in tensors)
        {
            long end = offset + BytesOf(shape, dtype);
            header[name] = new JsonObject
            {
                ["dtype"] = dtype.ToString(),
                ["shape"] = new JsonArray([.. Enumerable.Range(0, shape.Rank).Select(axis => JsonValue.Create(shape[axis]))]),
                ["data_offsets"] = new JsonArray(offset, end),
            };
            offset = end;
        }
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] length = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)json.Length);
        using var file = new FileStream(path, FileMode.CreateNew);
        file.Write(length);
        file.Write(json);
        file.SetLength(file.Position + offset);
    }
}

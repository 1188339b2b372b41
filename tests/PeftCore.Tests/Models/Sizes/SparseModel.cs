using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>A model directory of any size that takes almost no disk space: weights are holes in sparse files, and read as zeros, except for
/// the beginning of each tensor.</summary>
internal sealed class SparseModel : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <param name="config">The config.json.</param>
    /// <param name="shards">Number of weight files; parameters are distributed in their order.</param>
    /// <param name="written">Elements at the beginning of each tensor that get small random values; norms are ones.</param>
    public SparseModel(string config, int shards = 1, int written = 0)
    {
        File.WriteAllText(_directory["config.json"], config);
        List<SafetensorsTensor> tensors = [.. ModelLoader.Declare(ConfigReader.Parse(config, "config.json")).NamedParameters()
            .Select((p, number) => Hole(p.Path, p.Parameter.Shape, written, (ulong)number))];
        Bytes = tensors.Sum(tensor => tensor.Length);
        long before = 0;
        var files = tensors.GroupBy(tensor => (before += tensor.Length) * shards / (Bytes + 1)).ToList();
        var map = new JsonObject();
        for (int i = 0; i < files.Count; i++)
        {
            string name = files.Count == 1 ? "model.safetensors" : $"model-{i + 1:00000}-of-{files.Count:00000}.safetensors";
            SafetensorsWriter.Write(_directory[name], files[i]);
            files[i].ToList().ForEach(tensor => map[tensor.Name] = name);
        }
        if (files.Count > 1)
        {
            File.WriteAllText(_directory["model.safetensors.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());
        }
    }

    public string FullPath => _directory.FullPath;

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes { get; }

    /// <summary>A decoder of one or more layers with untied tables.</summary>
    public static string Config(string family, int vocabulary, int hidden, int layers = 1, int? intermediate = null) => $$"""
        {"model_type":"{{family}}","vocab_size":{{vocabulary}},"hidden_size":{{hidden}},"num_hidden_layers":{{layers}},
         "intermediate_size":{{intermediate ?? 2 * hidden}},"num_attention_heads":{{hidden / 32}},"num_key_value_heads":{{hidden / 32}},
         "head_dim":32,"max_position_embeddings":128,"hidden_act":"silu","rms_norm_eps":1e-6,"tie_word_embeddings":false}
        """;

    public void Dispose() => _directory.Dispose();

    private static SafetensorsTensor Hole(string name, Shape shape, int written, ulong stream)
    {
        int count = (int)Math.Min(written, shape.Count);
        long length = shape.Count * DType.BF16.Size;
        return new SafetensorsTensor(name, "BF16", [.. Enumerable.Range(0, shape.Rank).Select(axis => (long)shape[axis])], file =>
        {
            float[] values = new float[count];
            Philox.FillNormal(values, shape.Rank == 1 ? 1 : 0, shape.Rank == 1 ? 0 : 0.2f, 1, stream);
            long end = file.Position + length;
            file.Write(MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(values, x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16))));
            file.SetLength(end);
            file.Position = end;
        });
    }
}

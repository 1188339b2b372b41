using System.Buffers.Binary;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Tests;

/// <summary>A tensor of a safetensors file as it is stored.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DType">F32, BF16, BOOL and so on.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Data">Its bytes.</param>
internal sealed record RawTensor(string Name, string DType, long[] Shape, byte[] Data)
{
    /// <summary>An F32 tensor of numbers between −scale and scale.</summary>
    public static RawTensor Random(string name, Random random, float scale, params long[] shape)
    {
        byte[] data = new byte[4 * shape.Aggregate(1L, (a, b) => a * b)];
        for (int i = 0; i < data.Length; i += 4)
        {
            BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(i), scale * (2 * random.NextSingle() - 1));
        }
        return new RawTensor(name, "F32", shape, data);
    }

    /// <summary>Reads all tensors of a file.</summary>
    public static List<RawTensor> ReadAll(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int start = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        var tensors = new List<RawTensor>();
        foreach (var (name, tensor) in JsonNode.Parse(file.AsSpan(8, start - 8))!.AsObject().Where(entry => entry.Key != "__metadata__"))
        {
            int[] at = [.. tensor!["data_offsets"]!.AsArray().Select(offset => (int)offset!)];
            tensors.Add(new RawTensor(name, (string)tensor["dtype"]!, [.. tensor["shape"]!.AsArray().Select(size => (long)size!)],
                file[(start + at[0])..(start + at[1])]));
        }
        return tensors;
    }

    /// <summary>Writes a file as Hugging Face's safetensors does for PyTorch.</summary>
    public static void WriteAll(string path, IReadOnlyList<RawTensor> tensors)
    {
        var header = new JsonObject { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
        long end = 0;
        foreach (var tensor in tensors)
        {
            header[tensor.Name] = new JsonObject
            {
                ["dtype"] = tensor.DType,
                ["shape"] = new JsonArray([.. tensor.Shape.Select(size => JsonValue.Create(size))]),
                ["data_offsets"] = new JsonArray(end, end + tensor.Data.Length),
            };
            end += tensor.Data.Length;
        }
        byte[] json = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        using var file = File.Create(path);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        file.Write(length);
        file.Write(json);
        foreach (var tensor in tensors)
        {
            file.Write(tensor.Data);
        }
    }
}

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>A copy of a reference adapter, for edits.</summary>
internal sealed class AdapterFolder : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public AdapterFolder(string family, string adapter)
    {
        foreach (string file in new[] { PeftConfig.FileName, "adapter_model.safetensors" })
        {
            File.Copy(TestFiles.Fixture("hf", family, adapter, file), _directory[file]);
        }
    }

    public string Path => _directory.FullPath;

    public string ConfigPath => _directory[PeftConfig.FileName];

    public string WeightsPath => _directory["adapter_model.safetensors"];

    /// <summary>Sets a field of the configuration to a JSON value.</summary>
    public AdapterFolder With(string field, string json)
    {
        var config = JsonNode.Parse(File.ReadAllText(ConfigPath))!;
        config[field] = JsonNode.Parse(json);
        File.WriteAllText(ConfigPath, config.ToJsonString());
        return this;
    }

    /// <summary>Rewrites the weights by the callback; null omits a tensor.</summary>
    public AdapterFolder WithWeights(Func<SafetensorsEntry, byte[], SafetensorsTensor?> change, params SafetensorsTensor[] more)
    {
        List<SafetensorsTensor> tensors;
        using (var file = SafetensorsFile.Open(WeightsPath))
        {
            tensors = [.. file.Entries.Values.Select(entry => change(entry, file.Bytes(entry).ToArray())).OfType<SafetensorsTensor>(),
                .. more];
        }
        SafetensorsWriter.Write(WeightsPath, tensors);
        return this;
    }

    public void Dispose() => _directory.Dispose();

    public static SafetensorsTensor Same(SafetensorsEntry entry, byte[] bytes) => new(entry.Name, entry.DType, entry.Shape, bytes);

    /// <summary>Reads a safetensors file's header and data apart.</summary>
    public static (string Header, byte[] Data) Split(byte[] file)
    {
        int length = (int)BitConverter.ToUInt64(file);
        return (Encoding.UTF8.GetString(file, 8, length), file[(8 + length)..]);
    }

    public static byte[] Join(string header, byte[] data)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((ulong)utf8.Length), .. utf8, .. data];
    }

    public static string Quote(string text) => JsonSerializer.Serialize(text);
}

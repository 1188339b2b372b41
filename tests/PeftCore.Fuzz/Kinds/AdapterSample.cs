using System.Text;
using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Fuzz.Inputs;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Fuzz.Kinds;

/// <summary>A tensor of an adapter file.</summary>
internal sealed record SampleTensor(string Name, string DType, long[] Shape, byte[] Bytes);

/// <summary>An adapter to edit: its configuration, its tensors, and the family of its base.</summary>
internal sealed record AdapterSample(string Family, string Name, JsonTree Config, List<SampleTensor> Tensors)
{
    public const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors";

    private static readonly (string Family, string Method, string Fields)[] WithoutFixture =
    [
        ("llama", "bottleneck", "{}"),
        ("llama", "sparse", "{\"density\": 0.05, \"criterion\": \"random\"}"),
        ("llama", "last_layers", "{}"),
        ("llama", "head", "{}"),
        ("gpt2", "bitfit", "{}"),
        ("llama", "multitask_prompt_tuning", "{\"num_virtual_tokens\": 4, \"num_tasks\": 2, \"num_ranks\": 2}"),
    ];

    /// <summary>The fixtures of every method, and an adapter made here of each method without one.</summary>
    public static IReadOnlyList<AdapterSample> All { get; } = [.. Fixtures("llama"), .. Fixtures("gpt2"), .. Made()];

    public string PeftType { get; } = Config["peft_type"]!.Text;

    public AdapterSample Copy() => this with { Config = Config.Clone(), Tensors = [.. Tensors] };

    /// <summary>The weights as a safetensors file.</summary>
    public byte[] Weights()
    {
        var header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        long at = 0;
        foreach (var tensor in Tensors)
        {
            header.Append($",{JsonTree.Of(tensor.Name)}:{{\"dtype\":\"{tensor.DType}\",\"shape\":[{string.Join(",", tensor.Shape)}],\"data_offsets\":[{at},{at + tensor.Bytes.Length}]}}");
            at += tensor.Bytes.Length;
        }
        byte[] text = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        return [.. BitConverter.GetBytes((ulong)text.Length), .. text, .. Tensors.SelectMany(tensor => tensor.Bytes)];
    }

    private static IEnumerable<AdapterSample> Fixtures(string family) =>
        from directory in System.IO.Directory.GetDirectories(Fixture.PathOf("hf", family)).Order(StringComparer.Ordinal)
        where File.Exists(Path.Combine(directory, ConfigName))
        select Read(family, directory, Path.GetFileName(directory));

    private static AdapterSample Read(string family, string directory, string name)
    {
        using var file = SafetensorsFile.Open(Path.Combine(directory, WeightsName));
        List<SampleTensor> tensors = [.. file.Entries.Values.OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .Select(entry => new SampleTensor(entry.Name, entry.DType, entry.Shape, file.Bytes(entry).ToArray()))];
        return new AdapterSample(family, name, JsonTree.Parse(File.ReadAllText(Path.Combine(directory, ConfigName))), tensors);
    }

    private static IEnumerable<AdapterSample> Made()
    {
        foreach (var (family, method, fields) in WithoutFixture)
        {
            string directory = System.IO.Directory.CreateTempSubdirectory("peftcore-sample-").FullName;
            using var backend = new CpuBackend(1);
            var model = new PeftModel(ModelLoader.Load(Fixture.PathOf("hf", family, "base"), backend));
            model.AddAdapter(PeftConfig.Create(method, JsonNode.Parse(fields)!.AsObject()));
            model.Save(directory);
            model.Unload().Dispose();
            var sample = Read(family, directory, method);
            System.IO.Directory.Delete(directory, recursive: true);
            yield return sample;
        }
    }
}

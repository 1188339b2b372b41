using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Writes model directories that Hugging Face transformers loads.</summary>
public static class ModelWriter
{
    private static readonly string[] Companions =
    [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
        "vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json",
    ];

    /// <summary>Saves weights and configuration, and copies tokenizer and generation settings along.</summary>
    /// <param name="model">The model, without adapters.</param>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="source">The directory the model was loaded from.</param>
    public static void Save(CausalModel model, string directory, string source)
    {
        try
        {
            Directory.CreateDirectory(directory);
            foreach (string name in Companions.Where(name => File.Exists(Path.Combine(source, name))))
            {
                AtomicFile.WriteAllBytes(Path.Combine(directory, name), File.ReadAllBytes(Path.Combine(source, name)));
            }
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(directory, e);
        }
        var tensors = model.NamedParameters().Select(p => ToFile(p.Path, p.Parameter));
        SafetensorsWriter.Write(Path.Combine(directory, "model.safetensors"), tensors, new Dictionary<string, string> { ["format"] = "pt" });
        JsonFile.Write(Path.Combine(directory, "config.json"), ConfigOf(model, Path.Combine(source, "config.json")));
    }

    internal static SafetensorsTensor ToFile(string name, Parameter parameter) => ToFile(name, parameter.Value);

    internal static SafetensorsTensor ToFile(string name, Tensor value)
    {
        var shape = new int[value.Shape.Rank];
        value.Shape.CopyTo(shape);
        return new SafetensorsTensor(name, value.DType.ToString(), Array.ConvertAll(shape, extent => (long)extent), stream => value.WriteTo(stream));
    }

    /// <summary>The source's configuration; a merge may have given a tied head its own table.</summary>
    private static JsonNode ConfigOf(CausalModel model, string path)
    {
        using var document = JsonFile.Read(path);
        var config = JsonObject.Create(document.RootElement.Clone())!;
        config["tie_word_embeddings"] = model.Head.Weight == model.TokenEmbedding.Weight;
        return config;
    }
}

using System.Text.Json.Nodes;
using PeftCore.Tokenizers;

namespace PeftCore.Io.Gguf;

/// <summary>A model in one GGUF file, seen as the Hugging Face directory that it was made from: config.json, tokenizer.json and
/// tokenizer_config.json follow from the metadata, and tensors have the model's names.</summary>
/// <param name="path">The file.</param>
internal sealed class GgufModel(string path)
{
    /// <summary>The file.</summary>
    public string Path => path;

    /// <summary>The GGUF file of a directory without other weights; null if it has none.</summary>
    /// <exception cref="BadInputException">It has several.</exception>
    public static string? In(string directory)
    {
        string[] files;
        try
        {
            files = [.. Directory.EnumerateFiles(directory).Where(GgufFile.IsNamed).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            return null;
        }
        return files.Length < 2 ? files.FirstOrDefault() : throw new BadInputException(
            $"{directory}: there are {files.Length} GGUF files, such as {System.IO.Path.GetFileName(files[0])} and " +
            $"{System.IO.Path.GetFileName(files[1])}; name the one to use.");
    }

    /// <summary>config.json.</summary>
    /// <exception cref="BadInputException">The file is damaged, or holds no model that is read.</exception>
    public JsonObject Config()
    {
        using var file = Open();
        return GgufConfig.Of(file, ArchitectureOf(file));
    }

    /// <summary>The tokenizer's files; none if the metadata have no tokenizer that is read.</summary>
    public Dictionary<string, JsonObject> TokenizerFiles()
    {
        using var file = Open();
        return GgufTokenizer.WhyNot(file) is null ? GgufTokenizer.Files(file) : [];
    }

    /// <summary>Why the metadata's tokenizer is not read; null if it is.</summary>
    public string? WhyNoTokenizer()
    {
        using var file = Open();
        return GgufTokenizer.WhyNot(file);
    }

    /// <summary>Reads the tokenizer; one that is not read from the metadata is taken from a tokenizer.json beside the file.</summary>
    /// <exception cref="BadInputException">There is none.</exception>
    public Tokenizer OpenTokenizer()
    {
        string directory = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        if (WhyNoTokenizer() is { } reason)
        {
            return PendingFiles.Find(System.IO.Path.Combine(directory, "tokenizer.json")) is not null
                ? Tokenizer.FromDirectory(directory, PendingFiles.Content)
                : throw new BadInputException($"{path}: {reason}; put the model's tokenizer.json beside the file.");
        }
        var texts = TokenizerFiles();
        texts["config.json"] = Config();
        return Tokenizer.FromDirectory(path,
            name => texts.GetValueOrDefault(System.IO.Path.GetFileName(name)) is { } text ? JsonFile.Bytes(text) : null);
    }

    /// <summary>Opens the weights.</summary>
    /// <exception cref="BadInputException">A tensor has a type that is not read.</exception>
    public WeightSource OpenWeights()
    {
        var file = Open();
        try
        {
            var architecture = ArchitectureOf(file);
            var (heads, keyHeads) = GgufConfig.Heads(file, architecture);
            var weights = new GgufWeights(file, architecture, heads, keyHeads, [GgufRope.Divisors]);
            return WeightSource.Of(weights, weights.Note is { } note ? [note] : []);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static GgufArchitecture ArchitectureOf(GgufFile file)
    {
        if (file.Find("split.count") is { Integer: > 1 } parts)
        {
            throw parts.Bad($"is {parts.Integer}: the model is divided over several files; join them with llama-gguf-split --merge");
        }
        if (file.Find("general.type") is { } type && type.Text != "model")
        {
            throw type.Bad($"is \"{type.Text}\", expected \"model\"; give the file of the base model");
        }
        var name = file.Get("general.architecture");
        return GgufArchitecture.Find(name.Text) ?? throw name.Bad($"is \"{name.Text}\", but {GgufArchitecture.Names} are read from GGUF " +
            "files; take the safetensors model");
    }

    private GgufFile Open() => GgufFile.Open(path);
}

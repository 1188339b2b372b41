using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Extensions.AI.Embeddings;

/// <summary>Reads what a Sentence Transformers directory says besides the model: modules.json, the pooling, and
/// config_sentence_transformers.json. What it does not know and would change an embedding is refused by name.</summary>
internal static class SentenceFiles
{
    // In the order in which Sentence Transformers joins the vectors of several.
    private static readonly (string Field, string Name, PoolingKind Kind)[] Modes =
    [
        ("pooling_mode_cls_token", "cls", PoolingKind.Cls),
        ("pooling_mode_max_tokens", "max", PoolingKind.Max),
        ("pooling_mode_mean_tokens", "mean", PoolingKind.Mean),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", PoolingKind.MeanSqrtLength),
        ("pooling_mode_weightedmean_tokens", "weightedmean", PoolingKind.WeightedMean),
        ("pooling_mode_lasttoken", "lasttoken", PoolingKind.LastToken),
    ];

    /// <summary>The names of the poolings.</summary>
    public static IEnumerable<string> PoolingNames => Modes.Select(mode => mode.Name);

    /// <summary>A pooling by its name; null if there is none.</summary>
    public static PoolingKind? PoolingOf(string name) =>
        Array.FindIndex(Modes, mode => mode.Name == name) is var at and >= 0 ? Modes[at].Kind : null;

    /// <summary>The types and folders of modules.json; null without that file.</summary>
    /// <exception cref="BadInputException">It is damaged, or names a module that is not supported.</exception>
    public static IReadOnlyList<(string Type, string Folder)>? Modules(string directory)
    {
        string path = Path.Combine(directory, "modules.json");
        if (!File.Exists(path))
        {
            return null;
        }
        using var json = JsonFile.Read(path);
        if (json.RootElement.ValueKind != JsonValueKind.Array)
        {
            throw new BadInputException($"{path}: expected a list of modules");
        }
        List<(string, string)> modules = [];
        foreach (var entry in json.RootElement.EnumerateArray())
        {
            modules.Add((Field(entry, "type", path), Field(entry, "path", path)));
        }
        return modules;
    }

    /// <summary>The poolings of a folder's config.json, and whether they include the tokens of a prompt.</summary>
    /// <param name="folder">The folder of the module.</param>
    /// <param name="hiddenSize">Elements of a hidden state.</param>
    public static (IReadOnlyList<PoolingKind> Kinds, bool IncludesPrompt) Pooling(string folder, int hiddenSize)
    {
        string path = Path.Combine(folder, "config.json");
        var config = ConfigReader.Open(path);
        RefuseUnknown(config, path, ["word_embedding_dimension", "embedding_dimension", "pooling_mode", "include_prompt",
            .. Modes.Select(mode => mode.Field)]);
        int size = config.Int("embedding_dimension", config.Int("word_embedding_dimension", hiddenSize));
        if (size != hiddenSize)
        {
            throw new BadInputException($"{path}: embedding_dimension is {size}, but the model's hidden states have {hiddenSize} numbers");
        }
        return (KindsOf(config, path), config.Bool("include_prompt", true));
    }

    /// <summary>Refuses the fields of a file that are not known and not empty.</summary>
    public static void RefuseUnknown(ConfigReader config, string path, IReadOnlyCollection<string> known)
    {
        foreach (string name in config.Names.Where(name => !known.Contains(name)))
        {
            if (config.Raw(name) is { } value && !IsEmpty(value))
            {
                throw new BadInputException($"{path}: {name} is not supported, and would change the embeddings; expected " +
                    string.Join(", ", known));
            }
        }
    }

    /// <summary>Refuses a field that has another value than the one that is supported.</summary>
    public static void RequireChoice(ConfigReader config, string path, string name, string supported)
    {
        if (config.StringOrNull(name) is { } value && value != supported)
        {
            throw new BadInputException($"{path}: {name} is \"{value}\", expected \"{supported}\"");
        }
    }

    private static IReadOnlyList<PoolingKind> KindsOf(ConfigReader config, string path)
    {
        PoolingKind[] flagged = [.. Modes.Where(mode => config.Bool(mode.Field, false)).Select(mode => mode.Kind)];
        string[]? named = config.Raw("pooling_mode") switch
        {
            null or { ValueKind: JsonValueKind.Null } => null,
            { ValueKind: JsonValueKind.Array } => config.Strings("pooling_mode"),
            _ => [config.String("pooling_mode")],
        };
        if (named is null)
        {
            return flagged.Length > 0 ? flagged : [PoolingKind.Mean];
        }
        return [.. named.Select(name => PoolingOf(name) ?? throw new BadInputException(
            $"{path}: pooling_mode is \"{name}\", expected {string.Join(", ", PoolingNames)}"))];
    }

    private static string Field(JsonElement entry, string name, string path) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : throw new BadInputException($"{path}: a module has no {name}, expected a text");

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => false,
    };
}

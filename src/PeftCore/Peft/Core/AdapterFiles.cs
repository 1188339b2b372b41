using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>adapter_config.json and adapter_model.safetensors, with Hugging Face PEFT's keys. Keys that do not fit are an error here, in
/// both directions; there they are a warning.</summary>
internal static class AdapterFiles
{
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>What training needs beside the adapter to go on.</summary>
    public const string StateName = "adapter_state.safetensors";

    private const int Attempts = 20;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    public static void Save(CausalModel model, Adapter adapter, string directory) =>
        Save(directory, adapter.Config, adapter.Entries.Select(entry => entry.ToFile()).Concat(SavedTables(model, adapter)));

    /// <summary>Token tables that are saved along with an adapter: those its file had, those of a base whose vocabulary was resized, and
    /// those a LoRA targets under their usual names, as Hugging Face PEFT does. To be asked while the base has its own
    /// parameters.</summary>
    public static IEnumerable<SafetensorsTensor> SavedTables(CausalModel model, Adapter adapter)
    {
        var claimed = Claimed(adapter);
        foreach (var (path, module) in AdapterTables.Of(model))
        {
            if (KeyOf(model, adapter, path, module) is { } key && !claimed.Contains(key))
            {
                yield return ModelWriter.ToFile(key, adapter.Swaps.Find(swap => !swap.IsTrainable && swap.Replaces(module, "weight"))?.Value
                    ?? module.OwnParameter("weight")!);
            }
        }
    }

    /// <summary>Of those tables the ones an adapter of another method needs as well: all but those that are saved because a LoRA targets
    /// them.</summary>
    public static IEnumerable<SafetensorsTensor> KeptTables(CausalModel model, Adapter adapter) =>
        adapter.Tables.Count > 0 || model.ResizedFrom is not null ? SavedTables(model, adapter) : [];

    /// <summary>Writes configuration and weights as one: a reader sees both of the older adapter or both of the new one.</summary>
    public static void Save(string directory, PeftConfig config, IEnumerable<SafetensorsTensor> tensors) => Update(directory, built =>
    {
        SafetensorsWriter.Write(Path.Combine(built, WeightsName), tensors, Metadata);
        config.Save(Path.Combine(built, PeftConfig.FileName));
    });

    /// <summary>Replaces the files of an adapter as one; other files of the directory are kept.</summary>
    public static void Update(string directory, Action<string> build) =>
        AtomicDirectory.Update(directory, build, name => name is WeightsName or PeftConfig.FileName or StateName);

    /// <summary>The configuration file of a directory.</summary>
    public static string ConfigPath(string directory)
    {
        string usual = Path.Combine(directory, PeftConfig.FileName);
        return PendingFiles.Find(usual) ?? usual;
    }

    public static void RefuseIfNotAnAdapter(string directory)
    {
        AtomicDirectory.Recover(directory);
        if (!File.Exists(ConfigPath(directory)))
        {
            string below = Directory.Exists(directory) ? string.Join(", ", Directory.GetDirectories(directory)
                .Where(inner => File.Exists(Path.Combine(inner, PeftConfig.FileName))).Order(StringComparer.Ordinal).Take(5)) : "";
            throw new BadInputException(
                $"{directory}: this is no adapter directory, it has no {PeftConfig.FileName}{(below.Length > 0 ? $"; there is one in " +
                $"{below}" : "")}");
        }
        if (FindWeights(directory) is null)
        {
            throw new BadInputException(File.Exists(Path.Combine(directory, "adapter_model.bin"))
                ? $"{directory}: adapter_model.bin is a pickle, which is not read because it can run code; save the adapter again with " +
                "safetensors"
                : $"{directory}: {WeightsName} is missing");
        }
    }

    /// <summary>The weight file of a directory: the usual one, or the only one with another ending to its name, as converters leave it;
    /// null if there is none.</summary>
    public static string? FindWeights(string directory)
    {
        string usual = Path.Combine(directory, WeightsName);
        return PendingFiles.Find(usual) ?? (Directory.GetFiles(directory, "adapter_model*.safetensors") is [var other] ? other : null);
    }

    public static AdapterWeights OpenWeights(string directory) =>
        AdapterWeights.Open(FindWeights(directory) ?? Path.Combine(directory, WeightsName));

    /// <summary>Reads the configuration and opens the weights; again, if another process replaces them meanwhile.</summary>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static (PeftConfig Config, AdapterWeights Weights) Open(string directory, ICollection<string>? warnings)
    {
        for (int attempt = 0; ; attempt++)
        {
            RefuseIfNotAnAdapter(directory);
            var before = Stamp(directory);
            var found = new List<string>();
            var config = PeftConfig.Load(ConfigPath(directory), found);
            var weights = OpenWeights(directory);
            if (attempt == Attempts || before == Stamp(directory))
            {
                found.ForEach(warning => warnings?.Add(warning));
                return (config, weights);
            }
            weights.Dispose();
        }
    }

    /// <summary>The most elements the tensors of a file can have: none takes less than two bytes.</summary>
    public static long MostElements(AdapterWeights source) => source.Names.Sum(name => source.Get(name).Length) / 2;

    /// <summary>Reads every parameter of an attached adapter; all keys must fit, both ways. Nothing is changed before all is
    /// checked.</summary>
    public static void ReadWeights(Adapter adapter, AdapterWeights source, AdapterTables tables, ICollection<string>? warnings = null)
    {
        var unused = new HashSet<string>(source.Names, StringComparer.Ordinal);
        var entries = adapter.Entries.ToLookup(entry => unused.Remove(entry.Name));
        var claimed = Claimed(adapter);
        unused.ExceptWith(tables.Unclaimed(claimed));
        Refuse(source, adapter.Config, [.. entries[false].Where(entry => !entry.Optional).Select(entry => entry.Name)],
            [.. unused.Order(StringComparer.Ordinal)]);
        foreach (var entry in entries[true])
        {
            entry.Check(source.Get(entry.Name));
        }
        tables.Settle(adapter, claimed, warnings);
        foreach (var entry in entries[true])
        {
            entry.Read(source.Get(entry.Name));
        }
    }

    private static HashSet<string> Claimed(Adapter adapter) => [.. adapter.Entries.Select(entry => entry.Name)];

    /// <summary>The key a token table is saved under; null if it is not saved.</summary>
    private static string? KeyOf(CausalModel model, Adapter adapter, string path, Nn.Module module)
    {
        if (adapter.Tables.Find(table => table.Path == path) is { Key: { } key })
        {
            return key;
        }
        bool isChanged = adapter.Layers.Exists(layer => layer.Path == path && layer.Layer is not TrainableTokenRows);
        return model.ResizedFrom is not null || (isChanged && IsNamed(adapter.Config))
            ? (adapter.Prompt is null ? AdapterParameter.Prefix : AdapterParameter.ModelPrefix) + path +
            (isChanged ? ".base_layer.weight" : ".weight") : null;
    }

    /// <summary>Whether a LoRA targets a token table under its usual name; then Hugging Face PEFT saves it in case it was
    /// resized.</summary>
    private static bool IsNamed(PeftConfig config) => config is Lora.LoraConfig { TargetModules: { } targets } &&
        (targets.Names?.Any(name => name is "embed_tokens" or "lm_head") ??
         (targets.Pattern!.Contains("embed_tokens", StringComparison.Ordinal)
             || targets.Pattern.Contains("lm_head", StringComparison.Ordinal)));

    private static void Refuse(AdapterWeights source, PeftConfig config, List<string> missing, List<string> unused)
    {
        if (missing.Count == 0 && unused.Count == 0)
        {
            return;
        }
        var parts = new List<string>();
        if (missing.Count > 0)
        {
            parts.Add($"{missing.Count} keys are missing ({Some(missing)})");
        }
        if (unused.Count > 0)
        {
            parts.Add($"{unused.Count} keys fit nothing ({Some(unused)})");
        }
        string trainedOn = config.BaseModelNameOrPath is { Length: > 0 } name ? $"; it was trained on {name}" : "";
        throw new BadInputException(
            $"{source.Place}: the adapter does not fit its configuration and this model: {string.Join(" and ", parts)}{trainedOn}");
    }

    /// <summary>Tells one state of an adapter's files from another.</summary>
    private static ((string?, DateTime, long) Config, (string?, DateTime, long) Weights) Stamp(string directory)
    {
        return (Of(ConfigPath(directory)), Of(FindWeights(directory)));

        static (string? Path, DateTime Written, long Length) Of(string? path) =>
            path is null || new FileInfo(path) is not { Exists: true } file ? default : (path, file.LastWriteTimeUtc, file.Length);
    }

    private static string Some(List<string> names) => string.Join(", ", names.Take(3)) + (names.Count > 3 ? ", …" : "");
}

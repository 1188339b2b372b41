using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>adapter_config.json and adapter_model.safetensors, with Hugging Face PEFT's keys. Keys that do not fit are an error here, in both
/// directions; there they are a warning.</summary>
internal static class AdapterFiles
{
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>What training needs beside the adapter to go on.</summary>
    public const string StateName = "adapter_state.safetensors";

    private const int Attempts = 20;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    public static void Save(CausalModel model, Adapter adapter, string directory) =>
        Save(directory, adapter.Config, adapter.Entries.Select(entry => entry.ToFile()).Concat(SavedTables(model, adapter)));

    /// <summary>Base tables that are saved along with an adapter.</summary>
    public static IEnumerable<SafetensorsTensor> SavedTables(CausalModel model, Adapter adapter) =>
        SavedEmbeddings(model, adapter).Select(p => ModelWriter.ToFile(p.FileName, p.Parameter));

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
            throw new BadInputException($"{directory}: this is no adapter directory, it has no {PeftConfig.FileName}");
        }
        if (FindWeights(directory) is null)
        {
            throw new BadInputException(File.Exists(Path.Combine(directory, "adapter_model.bin"))
                ? $"{directory}: adapter_model.bin is a pickle, which is not read because it can run code; save the adapter again with safetensors"
                : $"{directory}: {WeightsName} is missing");
        }
    }

    /// <summary>The weight file of a directory: the usual one, or the only one with another ending to its name, as converters leave it; null if there is none.</summary>
    public static string? FindWeights(string directory)
    {
        string usual = Path.Combine(directory, WeightsName);
        return PendingFiles.Find(usual) ?? (Directory.GetFiles(directory, "adapter_model*.safetensors") is [var other] ? other : null);
    }

    public static WeightSource OpenWeights(string directory) => WeightSource.OpenFile(FindWeights(directory) ?? Path.Combine(directory, WeightsName));

    /// <summary>Reads the configuration and opens the weights; again, if another process replaces them meanwhile.</summary>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static (PeftConfig Config, WeightSource Weights) Open(string directory, ICollection<string>? warnings)
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
    public static long MostElements(WeightSource source) => source.Names.Sum(name => source.Get(name).Length) / 2;

    /// <summary>Reads every parameter of an attached adapter; all keys must fit, both ways. Nothing is changed before all is checked.</summary>
    public static void ReadWeights(CausalModel model, Adapter adapter, WeightSource source)
    {
        var unused = new HashSet<string>(source.Names, StringComparer.Ordinal);
        var embeddings = SavedEmbeddings(model, adapter).Where(embedding => unused.Remove(embedding.FileName)).ToList();
        var entries = adapter.Entries.ToLookup(entry => unused.Remove(entry.Name));
        Refuse(source, adapter.Config, [.. entries[false].Where(entry => !entry.Optional).Select(entry => entry.Name)], [.. unused.Order(StringComparer.Ordinal)]);
        foreach (var entry in entries[true])
        {
            entry.Check(source.Get(entry.Name));
        }
        foreach (var embedding in embeddings)
        {
            WeightReader.Check(source.Get(embedding.FileName), embedding.Parameter.Shape);
        }
        foreach (var entry in entries[true])
        {
            entry.Read(source.Get(entry.Name));
        }
        embeddings.ForEach(embedding => ReadEmbedding(model, adapter, embedding, source.Get(embedding.FileName)));
    }

    /// <summary>Base tables that are saved along because the adapter targets them under their usual names; Hugging Face PEFT does so in case they
    /// were resized. To be asked while the base has its own parameters.</summary>
    private static IEnumerable<AdapterParameter> SavedEmbeddings(CausalModel model, Adapter adapter)
    {
        if (adapter.Config is not Lora.LoraConfig { TargetModules: { } targets } ||
            !(targets.Names?.Any(name => name is "embed_tokens" or "lm_head") ??
              (targets.Pattern!.Contains("embed_tokens", StringComparison.Ordinal) || targets.Pattern.Contains("lm_head", StringComparison.Ordinal))))
        {
            yield break;
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            var module = model.Find(path)!;
            if (layer is not TrainableTokenRows && (module == model.TokenEmbedding || module == model.Head))
            {
                var own = TableOf(adapter, module)?.Parameter.Parameter;
                yield return new AdapterParameter(path, "base_layer.weight", "base_layer.weight", own ?? module.OwnParameter("weight")!);
            }
        }
    }

    /// <summary>The table an adapter brought along, if it is another than the base's.</summary>
    private static ParameterSwap? TableOf(Adapter adapter, Module module) => adapter.Swaps.Find(swap => !swap.Trains && swap.Replaces(module, "weight"));

    private static void ReadEmbedding(CausalModel model, Adapter adapter, AdapterParameter embedding, WeightEntry entry)
    {
        var module = model.Find(embedding.Path)!;
        var own = module.OwnParameter("weight")!;
        var copy = new Parameter(own.Shape);
        WeightReader.Read(entry, copy, own.Value.Backend, own.Value.DType);
        if (TableOf(adapter, module) is { } before)
        {
            adapter.Swaps.Remove(before);
            before.Parameter.Parameter.Dispose();
        }
        if (copy.Value.ToBytes().AsSpan().SequenceEqual(own.Value.ToBytes()))
        {
            copy.Dispose();
        }
        else
        {
            adapter.Swaps.Add(new ParameterSwap(module, "weight", embedding with { Parameter = copy }, trains: false));
        }
    }

    private static void Refuse(WeightSource source, PeftConfig config, List<string> missing, List<string> unused)
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
        throw new BadInputException($"{source.Place}: the adapter does not fit its configuration and this model: {string.Join(" and ", parts)}{trainedOn}");
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

using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

/// <summary>A saved adapter without its base model: configuration and stored tensors.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// model.AddAdapter(new LoraConfig { Rank = 4 });
/// model.Save(outputDirectory);
///
/// var saved = SavedAdapter.Load(outputDirectory); // needs no model
/// Console.WriteLine($"{saved.Config.PeftType}: {saved.Parameters:N0} parameters on {saved.Modules.Count} modules");
/// </code>
/// </example>
public sealed class SavedAdapter
{
    // The last layers of heads that classify; others of these heads have other names.
    private static readonly string[] LastLayers =
        [".classifier.weight", ".score.weight", ".classifier.out_proj.weight", ".classification_head.out_proj.weight"];

    private readonly SafetensorsTensor[] _tensors;

    private readonly SavedLabels _labels;

    private SavedAdapter(PeftConfig config, SafetensorsTensor[] tensors, SavedLabels labels) =>
        (Config, _tensors, _labels) = (config, tensors, labels);

    /// <summary>Method and hyperparameters.</summary>
    public PeftConfig Config { get; }

    /// <summary>Names of the tensors.</summary>
    public IReadOnlyList<string> Names => [.. _tensors.Select(tensor => tensor.Name)];

    /// <summary>Elements of all tensors.</summary>
    public long Parameters => _tensors.Sum(tensor => tensor.Shape.Aggregate(1L, (product, extent) => product * extent));

    /// <summary>Paths of the adapted modules; empty for virtual tokens.</summary>
    public IReadOnlyList<string> Modules => ModulesOf(Names);

    /// <summary>Module paths in the keys of an adapter's file.</summary>
    public static IReadOnlyList<string> ModulesOf(IEnumerable<string> keys) =>
        [.. keys.Where(name => name.StartsWith(AdapterParameter.Prefix, StringComparison.Ordinal))
        .Select(name => name[AdapterParameter.Prefix.Length..]).Select(ModuleOf).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Reads a directory.</summary>
    /// <param name="directory">The directory with adapter_config.json and the weights.</param>
    /// <param name="warnings">Receives a sentence for each unknown field, which is ignored.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or the method is unknown.</exception>
    public static SavedAdapter Load(string directory, ICollection<string>? warnings = null)
    {
        var (config, source) = AdapterDirectory.Open(directory, warnings);
        using var open = source;
        foreach (string warning in source.Warnings())
        {
            warnings?.Add(warning);
        }
        return new SavedAdapter(config, [.. source.ToFile()], source.Labels);
    }

    /// <summary>Reads a LoRA whose initialisation changed the base (PiSSA, OLoRA, CorDA, LoRA-GA), trained and initial, as a plain LoRA of
    /// twice the rank, which is equivalent on the unchanged base.</summary>
    /// <param name="directory">The trained adapter.</param>
    /// <param name="initialDirectory">The same adapter, saved before training.</param>
    /// <param name="warnings">Receives a sentence for each unknown field, which is ignored.</param>
    /// <exception cref="BadInputException">The two are not from one run, or the adapter needs no conversion.</exception>
    public static SavedAdapter LoadConverted(string directory, string initialDirectory, ICollection<string>? warnings = null)
    {
        AdapterDirectory.RefuseIfNotAnAdapter(directory);
        AdapterDirectory.RefuseIfNotAnAdapter(initialDirectory);
        string path = AdapterDirectory.ConfigPath(directory);
        if (PeftConfig.Load(path, warnings) is not LoraConfig { Init.ChangesBase: true } config)
        {
            throw new BadInputException(
                $"{path}: this adapter did not change its base when it started, so there is nothing to take out; it loads as it is");
        }
        using var trained = AdapterDirectory.OpenWeights(directory);
        using var initial = AdapterDirectory.OpenWeights(initialDirectory);
        return new SavedAdapter(PlainConversion.Config(config), [.. PlainConversion.Tensors(trained, initial)], trained.Labels);
    }

    /// <summary>The task whose head an adapter directory holds, and its classes, with which the base is to be loaded; null for an adapter
    /// without a head of its own.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="seed">Seed of weights that neither the base nor the adapter has.</param>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static TaskOptions? TaskOf(string directory, ulong seed = 0)
    {
        AdapterDirectory.RefuseIfNotAnAdapter(directory);
        var config = ConfigReader.Open(AdapterDirectory.ConfigPath(directory));
        if (SavedHead.TaskOf(config.StringOrNull("task_type"), config.ObjectOrNull("auto_mapping")?.StringOrNull("base_model_class"))
            is not { } task)
        {
            return null;
        }
        using var weights = AdapterDirectory.OpenWeights(directory);
        return new TaskOptions
        {
            Task = task,
            Labels = LabelsOf(task, weights),
            Pooling = task == ModelTask.FeatureExtraction ? weights.Labels.Pooling : null,
            Temperature = task == ModelTask.FeatureExtraction ? weights.Labels.Temperature : null,
            ProblemType = task == ModelTask.SequenceClassification ? weights.Labels.ProblemType : null,
            Seed = seed,
            Saved = [.. weights.Names.Where(name => name.StartsWith(AdapterParameter.Prefix, StringComparison.Ordinal))
                .Select(name => name[AdapterParameter.Prefix.Length..])],
        };
    }

    /// <summary>The classes of the saved head: their names in the file's header, or placeholders for the rows of its last layer.</summary>
    private static IReadOnlyList<string>? LabelsOf(ModelTask task, AdapterWeights weights)
    {
        if (task is not (ModelTask.SequenceClassification or ModelTask.TokenClassification or ModelTask.ImageClassification))
        {
            return null;
        }
        string? last = weights.Names.FirstOrDefault(name => LastLayers.Any(end => name.EndsWith(end, StringComparison.Ordinal)));
        return weights.Labels.Names is { Count: > 0 } names ? names
            : last is not null && weights.Get(last).Shape is [var rows, _] ? TaskSpec.Placeholders((int)rows) : null;
    }

    /// <summary>The weight file of an adapter directory; null if there is none.</summary>
    public static string? WeightFileOf(string directory) => AdapterDirectory.FindWeights(directory);

    /// <summary>Saves the adapter in Hugging Face PEFT's files, with unchanged tensors.</summary>
    public void Save(string directory) => AdapterDirectory.Save(directory, Config, _tensors, _labels);

    /// <summary>The module's part of a key: the segments before the adapter's parameter.</summary>
    private static string ModuleOf(string key)
    {
        string[] parts = key.Split('.');
        int own = Array.FindIndex(parts, part => part is "base_layer" or "token_adapter" or "weight" or "bias" || part.Contains('_')
            && IsParameter(part));
        return string.Join('.', own < 0 ? parts : parts[..own]);
    }

    private static bool IsParameter(string part)
    {
        ReadOnlySpan<string> beginnings = ["lora_", "ia3_", "vera_", "hada_", "lokr_", "oft_", "boft_", "hra_", "shira_", "fourierft_",
            "vblora_", "randlora_", "c3a_", "miss_", "ln_tuning_", "trainable_tokens"];
        foreach (string beginning in beginnings)
        {
            if (part.StartsWith(beginning, StringComparison.Ordinal))
            {
                return true;
            }
        }
        return false;
    }
}

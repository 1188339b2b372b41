using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Cli.Verbs;

/// <summary>Shows the content of a model or adapter directory from its configuration and headers; no weight is loaded.</summary>
internal sealed class InspectVerb : Verb
{
    // Fields that are shown if present; families have different names for the same quantity.
    private static readonly string[] ModelFields =
    [
        "hidden_size", "n_embd", "d_model", "intermediate_size", "num_hidden_layers", "n_layer", "num_layers", "num_attention_heads",
        "n_head", "num_key_value_heads",
        "head_dim", "projection_dim", "image_size", "input_size", "patch_size", "max_2d_position_embeddings",
        "vocab_size", "max_position_embeddings", "n_positions", "rope_theta", "sliding_window", "tie_word_embeddings",
        "torch_dtype", "dtype",
    ];

    // Parts of models that have a configuration of their own.
    private static readonly string[] Parts = ["text", "vision"];

    private static readonly string[] AdapterFields =
    [
        "base_model_name_or_path", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save",
        "bias", "use_rslora", "use_dora",
        "init_lora_weights", "num_virtual_tokens",
    ];

    // Fields that are not shown, because they are unimportant or are part of another line.
    private static readonly string[] Silent = ["peft_type", "peft_version", "inference_mode", "megatron_core", "qalora_group_size",
        "auto_mapping"];

    private readonly Argument<string> _directory = new("DIR") { Description = "a model directory, a GGUF file or an adapter directory" };

    public InspectVerb() : base("inspect", "Show what a model or adapter directory holds.") => Add(_directory);

    public override bool Computes => false;

    public override VerbResult Run(Invocation call)
    {
        string path = call.Value(_directory);
        if (File.Exists(path))
        {
            return Model(call, path);
        }
        AtomicDirectory.Recover(path);
        string? adapterConfig = AtomicDirectory.Find(Path.Combine(path, "adapter_config.json"));
        return adapterConfig is not null && AtomicDirectory.Find(Path.Combine(path, "config.json")) is null
            ? Adapter(call, path, ConfigReader.Open(adapterConfig)) : Model(call, path);
    }

    private static VerbResult Model(Invocation call, string path)
    {
        var directory = ModelDirectory.Open(path);
        var config = directory.OpenConfig();
        string[] architectures = config.Raw("architectures") is { ValueKind: JsonValueKind.String } one ? [one.GetString()!]
            : config.Strings("architectures", []);
        string architecture = architectures.FirstOrDefault() ?? config.StringOrNull("model_type") ?? "unknown";
        using var weights = directory.HasWeights ? directory.OpenWeights() : null;
        string? quantised = QuantizationOptions.NameOf(config, weights, out bool isRead);
        var model = quantised is null || isRead ? Declared(call, config, weights) : null;
        bool? tied = model is { Task: ModelTask.CausalLm or ModelTask.MaskedLm or ModelTask.Seq2SeqLm } ? model.IsTied : null;

        List<string[]> rows = [["model", path], ["architecture", architecture], .. Fields(config, ModelFields),
            .. Parts.SelectMany(part => PartFields(config, part))];
        if (quantised is not null)
        {
            rows.Add(["quantised", isRead ? quantised : $"{quantised}, which is not supported: such a model cannot be loaded"]);
        }
        if (model is not null && (model.Task != ModelTask.CausalLm || model.Labels.Count > 0))
        {
            rows.Add(["task", TaskNames.Of(model.Task)]);
        }
        if (model is { Labels.Count: > 0 })
        {
            rows.Add(["classes", string.Join(", ", model.Labels)]);
        }
        if (tied is { } shared)
        {
            rows.Add(["head", shared ? "shares the embedding's table" : "has a table of its own"]);
        }
        rows.Add(["tokenizer", directory.TokenizerPath is { } tokenizer ? Path.GetFileName(tokenizer) : "none (no tokenizer.json)"]);
        var report = new JsonReport().Add("kind", "model").Add("path", path).Add("architecture", architecture)
            .Add("tokenizer", directory.TokenizerPath is not null);
        // Codes and scales are no parameters of the model.
        long? parameters = quantised is null ? null : model?.NamedParameters().Sum(parameter => parameter.Parameter.Shape.Count);
        return Describe(call, rows, report.Add("quantization", quantised).Add("tied_embeddings", tied), weights, parameters);
    }

    /// <summary>The model without its weights; null, with a warning, if it cannot be loaded.</summary>
    private static TransformerModel? Declared(Invocation call, ConfigReader config, WeightSource? weights)
    {
        if (!ModelFamilies.ModelTypes.Contains(config.StringOrNull("model_type") ?? ""))
        {
            return null;
        }
        var warnings = new List<string>();
        try
        {
            return weights is null ? ModelLoader.Declare(config, warnings) : ModelLoader.Declare(config, weights, warnings);
        }
        catch (BadInputException e)
        {
            warnings.Add(e.Message);
            return null;
        }
        finally
        {
            warnings.ForEach(call.Terminal.Warn);
        }
    }

    private static VerbResult Adapter(Invocation call, string path, ConfigReader config)
    {
        string method = config.String("peft_type").ToLowerInvariant();
        string? file = SavedAdapter.WeightFileOf(path);
        using var weights = file is null ? null : WeightSource.OpenFile(file);

        List<string[]> rows = [["adapter", path], ["method", method], .. Fields(config, AdapterFields),
            .. Fields(config, [.. OwnFields(config)])];
        if (weights is not null && SavedAdapter.ModulesOf(weights.Names) is { Count: > 0 } modules)
        {
            rows.Add(["modules", $"{modules.Count}: {string.Join(", ", modules.Take(3))}{(modules.Count > 3 ? ", …" : "")}"]);
        }
        string[] classes = file is not null && SavedAdapter.TaskOf(path) is { Labels: { } labels } ? [.. labels] : [];
        if (classes.Length > 0)
        {
            rows.Add(["classes", string.Join(", ", classes)]);
        }
        var report = new JsonReport().Add("kind", "adapter").Add("path", path).Add("method", method)
            .Add("base_model", config.StringOrNull("base_model_name_or_path"));
        return Describe(call, rows, report, weights);
    }

    /// <summary>The names of the method's own fields that have a value.</summary>
    private static IEnumerable<string> OwnFields(ConfigReader config) =>
        config.Names.Where(name => config.Has(name) && !AdapterFields.Contains(name) && !Silent.Contains(name)
        && config.Raw(name)!.Value is { ValueKind: JsonValueKind.Number or JsonValueKind.String or JsonValueKind.True })
        .Order(StringComparer.Ordinal);

    private static IEnumerable<string[]> Fields(ConfigReader config, string[] names) =>
        names.Where(config.Has).Select(name => new[] { name.Replace('_', ' '), Text(config.Raw(name)!.Value) });

    private static IEnumerable<string[]> PartFields(ConfigReader config, string part) =>
        config.Raw(part + "_config") is { ValueKind: JsonValueKind.Object } own ? ModelFields.Where(name => own.TryGetProperty(name, out _))
            .Select(name => new[] { $"{part}: {name.Replace('_', ' ')}", Text(own.GetProperty(name)) }) : [];

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(Text)),
        JsonValueKind.String => value.GetString()!,
        _ => value.GetRawText(),
    };

    private static VerbResult Describe(Invocation call, List<string[]> rows, JsonReport report, WeightSource? weights,
        long? declared = null)
    {
        WeightEntry[] entries = weights is null ? [] : [.. weights.Names.Select(weights.Get)];
        long parameters = declared ?? entries.Where(entry => entry.DType != "BOOL").Sum(Elements); // Masks are no parameters.
        var dtypes = entries.GroupBy(entry => entry.DType).OrderByDescending(group => group.Sum(Elements)).ToList();
        rows.Add(["weights", weights is null ? "none"
            : $"{entries.Length} tensor{(entries.Length == 1 ? "" : "s")} in {weights.FileCount} file" +
            $"{(weights.FileCount == 1 ? "" : "s")}, " +
            $"{new ByteSize(weights.TotalBytes)}"]);
        rows.Add(["parameters", parameters.ToString("#,0", CultureInfo.InvariantCulture) +
            (dtypes.Count == 0 ? "" : $" ({string.Join(", ", dtypes.Select(Share))})")]);
        call.Table(rows, hasHeader: false);

        var counts = new JsonReport();
        foreach (var group in dtypes)
        {
            counts.Add(group.Key, group.Sum(Elements));
        }

        return VerbResult.Done(report.Add("tensors", entries.Length).Add("parameters", parameters).Add("dtypes", counts)
            .Add("bytes", weights?.TotalBytes ?? 0));
    }

    private static string Share(IGrouping<string, WeightEntry> group) =>
        string.Create(CultureInfo.InvariantCulture, $"{group.Sum(Elements):#,0} {group.Key}");

    private static long Elements(WeightEntry entry) => entry.Shape.Aggregate(1L, (product, length) => product * length);
}

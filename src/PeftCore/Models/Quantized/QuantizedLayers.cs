using PeftCore.Nn;

namespace PeftCore.Models.Quantized;

/// <summary>Which layers of a model are quantised: every linear layer but those of the head, as transformers does it
/// (get_keys_to_not_convert), and those that are skipped by name. Embeddings, norms, convolutions and fused experts are not linear
/// layers.</summary>
internal static class QuantizedLayers
{
    // transformers keeps T5's second projections in F32 (_keep_in_fp32_modules), because F16 overflows there.
    private static readonly Dictionary<string, string[]> KeptByFamily = new(StringComparer.Ordinal) { ["t5"] = ["wo"], ["mt5"] = ["wo"] };

    /// <summary>The layers that can be quantised, by their weight.</summary>
    public static Dictionary<Parameter, Linear> Of(TransformerModel model) =>
        Linears(model).Where(layer => !IsHead(model, layer.Path, layer.Linear)).ToDictionary(layer => layer.Linear.Weight,
            layer => layer.Linear);

    /// <summary>The layers that are quantised while the model is loaded.</summary>
    /// <param name="model">The model.</param>
    /// <param name="skip">More modules to skip.</param>
    public static Dictionary<Parameter, Linear> Chosen(TransformerModel model, IReadOnlyList<string>? skip)
    {
        string[] kept = KeptByFamily.GetValueOrDefault(model.ModelType, []);
        return Linears(model).Where(layer => !IsHead(model, layer.Path, layer.Linear) && !kept.Any(name => IsNamed(layer.Path, name))
            && skip?.Any(name => IsNamed(layer.Path, name)) != true).ToDictionary(layer => layer.Linear.Weight, layer => layer.Linear);
    }

    /// <summary>The paths of the linear layers that are not quantised; null if they are those that transformers leaves out by
    /// itself.</summary>
    public static IReadOnlyList<string>? Skipped(TransformerModel model)
    {
        string[] kept = KeptByFamily.GetValueOrDefault(model.ModelType, []);
        string[] skipped = [.. Linears(model).Where(layer => layer.Linear.Weight.Value.Format is null
            && !kept.Any(name => IsNamed(layer.Path, name))).Select(layer => layer.Path)];
        bool isUsual = model.VocabularyHead is { } head && skipped.All(path => model.Find(path) == head);
        return isUsual ? null : skipped;
    }

    /// <summary>A name in <paramref name="skip"/> that no linear layer has; null if there is none.</summary>
    public static string? Unknown(TransformerModel model, IReadOnlyList<string>? skip) =>
        skip?.FirstOrDefault(name => !Linears(model).Any(layer => IsNamed(layer.Path, name)));

    private static IEnumerable<(string Path, Linear Linear)> Linears(TransformerModel model)
    {
        var seen = new HashSet<Parameter>();
        foreach (var (path, module) in model.NamedModules())
        {
            if (module is Linear linear && seen.Add(linear.Weight))
            {
                yield return (path, linear);
            }
        }
    }

    private static bool IsHead(TransformerModel model, string path, Linear linear) => linear == model.OutputLayer
        || linear.Weight == model.TokenTable?.Weight || model.HeadModules.Any(name => IsBelow(path, name))
        || (model.HasNewHead && model.IsHead(path + ".weight"));

    /// <summary>Whether a path is a module of a name or below one, or ends in the name.</summary>
    private static bool IsNamed(string path, string name) => IsBelow(path, name) || path.EndsWith("." + name, StringComparison.Ordinal)
        || path.Contains("." + name + ".", StringComparison.Ordinal);

    private static bool IsBelow(string path, string name) => path == name || path.StartsWith(name + ".", StringComparison.Ordinal);
}

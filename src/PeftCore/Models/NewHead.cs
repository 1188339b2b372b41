using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Gives a model the head of another task than that of its weight file: random weights (normal, deviation 0.02, as transformers'
/// default), zero biases, ones for norms.</summary>
internal static class NewHead
{
    /// <summary>Whether a tensor of the file belongs to a head that this model does not have.</summary>
    public static bool IsLeftOut(TransformerModel model, string name)
    {
        if (model.IsOtherHead(name))
        {
            return true;
        }
        string prefix = model.BasePrefix.Length > 0 ? model.BasePrefix : model.MissingPrefix;
        return (model.HasNewHead || model.Task == ModelTask.FeatureExtraction) && prefix.Length > 0
            && !name.StartsWith(prefix, StringComparison.Ordinal);
    }

    /// <summary>Initialises the parameters of a new head that the file does not have, and warns of those that no adapter will
    /// load.</summary>
    public static void Initialize(TransformerModel model, WeightSource weights, Backend backend, DType? dtype, TaskOptions? task,
        ICollection<string>? warnings)
    {
        if (!model.HasNewHead)
        {
            return;
        }
        var created = new List<string>();
        foreach (var (path, parameter) in model.NamedParameters().Where(p => !p.Parameter.IsMaterialized))
        {
            ModelLoader.Initialize(path, parameter, backend, dtype ?? DType.F32, task?.Seed ?? 0, (ulong)created.Count);
            created.Add(path);
        }
        model.NewModules = [.. created.Select(path => NameOf(model, path)).Distinct()];
        string[] random = [.. created.Except(task?.Saved ?? [])];
        if (random.Length > 0)
        {
            warnings?.Add($"{weights.Place}: the weights of {string.Join(", ", random)} are not in the file; they are random until they " +
                "are trained.");
        }
    }

    /// <summary>The first module of a path below the body's prefix.</summary>
    private static string NameOf(TransformerModel model, string path)
    {
        string below = path.StartsWith(model.BasePrefix, StringComparison.Ordinal) ? path[model.BasePrefix.Length..] : path;
        return below.Split('.')[0];
    }
}

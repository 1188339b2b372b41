using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Conditions on targets in addition to their names.</summary>
/// <param name="Exclude">Modules that are not selected.</param>
/// <param name="Saved">Modules that are trained in full; neither they nor the modules inside them are targets.</param>
/// <param name="Layers">Indices of the selected blocks; null or empty for all.</param>
/// <param name="LayersPattern">Names of the list of blocks; null or empty for any.</param>
/// <param name="Strict">Whether a name that matches nothing is an error even if others match.</param>
internal sealed record TargetFilter(ModuleSelector? Exclude = null, IReadOnlyList<string>? Saved = null, IReadOnlyList<int>? Layers = null,
    IReadOnlyList<string>? LayersPattern = null, bool Strict = true)
{
    public bool Passes(string path) => !(Exclude?.Matches(path) ?? false) && !SavedModules.Covers(Saved, path) && InLayers(path);

    /// <summary>Whether the block of a path is selected. Its index is the first number after the name of the list.</summary>
    private bool InLayers(string path)
    {
        if (Layers is not { Count: > 0 })
        {
            return true;
        }
        foreach (string name in LayersPattern is { Count: > 0 } ? LayersPattern : ["[^.]*"])
        {
            var match = new PathPattern(name, "layers_pattern", @".*?\.{0}\.(?<number>\d+)\..*").Match(path);
            if (match.Success)
            {
                return NumberText.TryDigits(match.Groups["number"].Value, out int number) && Layers.Contains(number);
            }
        }
        return false;
    }
}

/// <summary>Finds the layers a method attaches to.</summary>
internal static class TargetMatching
{
    /// <summary>The selected layers with their paths, in the model's order.</summary>
    /// <exception cref="BadInputException">No module is selected, or one is of a kind that the method does not support; the message
    /// suggests similar names.</exception>
    public static List<(string Path, Layer Layer)> Find(TransformerModel model, ModuleSelector targets, TargetFilter filter) =>
        Find(model, targets, filter, module => module is Linear or Embedding, "neither a linear layer nor an embedding");

    /// <summary>The selected layers, which must be of the kinds a method accepts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="filter">Further conditions.</param>
    /// <param name="accepts">Whether a method can attach to a module.</param>
    /// <param name="otherwise">The accepted kinds for the error sentence: "neither … nor …".</param>
    public static List<(string Path, Layer Layer)> Find(TransformerModel model, ModuleSelector targets, TargetFilter filter,
        Func<Module, bool> accepts, string otherwise)
    {
        var found = new List<(string, Layer)>();
        foreach (var (path, module) in model.NamedModules().Where(m => m.Path.Length > 0 && m.Module is not ExpertLinear
            && !HoldsBuffersAlone(m.Module) && Selects(model, targets, m.Path, m.Module) && filter.Passes(m.Path)))
        {
            if (module is not Layer layer || !accepts(module))
            {
                throw Unsupported(path, module, accepts, otherwise);
            }
            found.Add((path, layer));
        }
        var idle = targets.Names?.Where(name => !model.NamedModules().Any(module => IsOrEndsIn(module.Path, name))).ToList() ?? [];
        if (found.Count == 0 || (filter.Strict && idle.Count > 0))
        {
            throw NothingFound(model, targets, filter, idle, accepts);
        }
        return found;
    }

    // Weights that files have and nothing reads, such as a norm whose output a head leaves out.
    private static bool HoldsBuffersAlone(Module module) =>
        module.OwnParameters.Count > 0 && module.Children.Count == 0 && module.OwnParameters.All(own => own.Value.IsBuffer);

    /// <summary>Whether a module's path ends in this text.</summary>
    public static bool HasEnding(TransformerModel model, string name) =>
        model.NamedModules().Any(module => module.Path.Length > 0 && module.Path.EndsWith(name, StringComparison.Ordinal));

    /// <summary>The modules whose paths equal one of these names or end in a dot and the name.</summary>
    public static IEnumerable<(string Path, Module Module)> ByName(TransformerModel model, IReadOnlyList<string> names, string field) =>
        Matching(model, names, field, IsOrEndsIn);

    /// <summary>The modules whose paths end in one of these texts.</summary>
    public static IEnumerable<(string Path, Module Module)> EndingIn(TransformerModel model, IReadOnlyList<string> names, string field) =>
        Matching(model, names, field, (path, name) => name.Length > 0 && path.EndsWith(name, StringComparison.Ordinal));

    private static IEnumerable<(string Path, Module Module)> Matching(TransformerModel model, IReadOnlyList<string> names, string field,
        Func<string, string, bool> matching)
    {
        foreach (string name in names)
        {
            var matches = model.NamedModules().Where(module => module.Path.Length > 0 && matching(module.Path, name)).ToList();
            if (matches.Count == 0)
            {
                throw new BadInputException($"{field}: no module is called \"{name}\"{NearMiss(model, [name], _ => true)}");
            }
            foreach (var match in matches)
            {
                yield return match;
            }
        }
    }

    /// <summary>A value of a table such as rank_pattern: that of the first pattern that matches the end of a path, or the
    /// fallback.</summary>
    public static T Lookup<T>(IReadOnlyList<KeyValuePair<string, T>> patterns, string path, T fallback, string field)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (new PathPattern(pattern, field, @"(?:.*\.)?{0}").Matches(path))
            {
                return value;
            }
        }
        return fallback;
    }

    /// <summary>A pattern that no layer matches has no effect: an error for a new adapter, a warning for a file.</summary>
    public static void CheckPatterns<T>(AttachContext context, string field, IReadOnlyList<KeyValuePair<string, T>> patterns,
        Adapter adapter)
    {
        foreach (string pattern in patterns.Select(pattern => pattern.Key))
        {
            var regex = new PathPattern(pattern, field, @"(?:.*\.)?{0}");
            if (adapter.Layers.Exists(layer => regex.Matches(layer.Path)))
            {
                continue;
            }
            string sentence = $"{field}: no layer of the adapter matches \"{pattern}\", so its value has no effect";
            if (context.IsNew)
            {
                throw new BadInputException(sentence + "; correct it or leave it out");
            }
            context.Warnings?.Add($"{context.Place}: {sentence}");
        }
    }

    private static bool Selects(TransformerModel model, ModuleSelector targets, string path, Module module) =>
        targets.IsAllLinear ? module is Linear && module != model.OutputLayer : targets.Matches(path);

    private static bool IsOrEndsIn(string path, string name) => path == name || path.EndsWith("." + name, StringComparison.Ordinal);

    private static BadInputException Unsupported(string path, Module module, Func<Module, bool> accepts, string otherwise)
    {
        var inside = module.NamedModules().Where(m => accepts(m.Module)).Select(m => m.Path).ToList();
        string kind = module.GetType().Name;
        return new BadInputException($"target modules: \"{path}\" is {otherwise} but a {kind}" +
            (inside.Count > 0 ? $"; name the layers inside it, such as {string.Join(", ", inside.Take(4))}" : "; leave it out"));
    }

    private static BadInputException NothingFound(TransformerModel model, ModuleSelector targets, TargetFilter filter, List<string> idle,
        Func<Module, bool> accepts)
    {
        if (idle.Count == 0 && model.NamedModules().Any(m => m.Path.Length > 0 && Selects(model, targets, m.Path, m.Module)))
        {
            string layers = filter.Layers is { Count: > 0 }
                ? $"layers {string.Join(", ", filter.Layers)} of {model.LayerCount} (they count from 0), " : "";
            return new BadInputException(
                $"target modules: \"{targets}\" names layers, but none is left after {layers}exclude_modules and modules_to_save");
        }
        string named = idle.Count > 0 ? string.Join(", ", idle.Select(name => $"\"{name}\"")) : $"\"{targets}\"";
        return new BadInputException(
            $"target modules: nothing in this {model.ModelType} model matches {named}{NearMiss(model, idle, accepts)}");
    }

    private static string NearMiss(TransformerModel model, IReadOnlyList<string> names, Func<Module, bool> counts)
    {
        var known = model.NamedModules().Where(module => counts(module.Module) && module.Module.Name.Any(char.IsLetter))
            .Select(module => module.Module.Name).Distinct().ToList();
        var near = names.SelectMany(name => Nearest(Last(name), known)).Distinct().ToList();
        return near.Count > 0 ? $"; did you mean {string.Join(" or ", near)}?" : $"; it has {string.Join(", ", known)}";
    }

    private static IEnumerable<string> Nearest(string name, List<string> known)
    {
        var containing = known.Where(candidate => name.Length > 1 && candidate.Contains(name, StringComparison.OrdinalIgnoreCase)).ToList();
        if (containing.Count > 0)
        {
            return containing;
        }
        var distances = known.Select(candidate => (Name: candidate, Edits: Distance(name, candidate)))
            .Where(pair => pair.Edits <= Math.Min(3, pair.Name.Length / 2)).ToList();
        return distances.Where(pair => pair.Edits == distances.Min(other => other.Edits)).Select(pair => pair.Name);
    }

    private static string Last(string path) => path[(path.LastIndexOf('.') + 1)..];

    /// <summary>Levenshtein's edit distance.</summary>
    private static int Distance(string a, string b)
    {
        int[] row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}

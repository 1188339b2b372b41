using System.Text.RegularExpressions;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Finds the layers a method attaches to.</summary>
internal static class TargetMatching
{
    private static readonly TimeSpan RegexTimeout = TimeSpan.FromSeconds(2);

    /// <summary>The layers selected, with their paths, in the model's order.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="targets">What to select.</param>
    /// <param name="exclude">What not to select, whatever the targets say.</param>
    /// <param name="keep">Modules trained whole, which are never targets.</param>
    /// <param name="layers">Numbers of the blocks to take; null for all.</param>
    /// <param name="layersPattern">Names of the list of blocks; null for any.</param>
    /// <exception cref="BadInputException">Nothing is selected; the message names near misses.</exception>
    public static List<(string Path, Layer Layer)> Find(CausalModel model, ModuleSelector targets, ModuleSelector? exclude, IReadOnlyList<string>? keep,
        IReadOnlyList<int>? layers, IReadOnlyList<string>? layersPattern)
    {
        var found = new List<(string, Layer)>();
        bool unsupported = false;
        foreach (var (path, module) in model.NamedModules())
        {
            if (path.Length == 0 || !Selects(model, targets, path, module) || (exclude?.Matches(path) ?? false) ||
                (keep?.Any(name => IsOrEndsIn(path, name)) ?? false) || !InLayers(path, layers, layersPattern))
            {
                continue;
            }
            if (module is Linear or Embedding)
            {
                found.Add((path, (Layer)module));
            }
            else
            {
                unsupported = true;
            }
        }
        return found.Count > 0 ? found : throw NothingFound(model, targets, unsupported, layers);
    }

    /// <summary>The modules with these names, each with its path.</summary>
    public static IEnumerable<(string Path, Module Module)> ByName(CausalModel model, IReadOnlyList<string> names, string field)
    {
        foreach (string name in names)
        {
            var matches = model.NamedModules().Where(module => IsOrEndsIn(module.Path, name)).ToList();
            if (matches.Count == 0)
            {
                throw new BadInputException($"{field}: no module is called \"{name}\"{NearMiss(model, [name])}");
            }
            foreach (var match in matches)
            {
                yield return match;
            }
        }
    }

    /// <summary>The first key of a pattern table that matches the end of a path.</summary>
    public static T Lookup<T>(IReadOnlyList<KeyValuePair<string, T>> patterns, string path, T fallback)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (Regex.IsMatch(path, $@"\A(.*\.)?({pattern})\z", RegexOptions.CultureInvariant, RegexTimeout))
            {
                return value;
            }
        }
        return fallback;
    }

    private static bool Selects(CausalModel model, ModuleSelector targets, string path, Module module) =>
        targets.IsAllLinear ? module is Linear && module != model.Head : targets.Matches(path);

    private static bool IsOrEndsIn(string path, string name) => path == name || path.EndsWith("." + name, StringComparison.Ordinal);

    private static bool InLayers(string path, IReadOnlyList<int>? layers, IReadOnlyList<string>? patterns)
    {
        if (layers is null)
        {
            return true;
        }
        IEnumerable<string> names = patterns is { Count: > 0 } ? patterns : [@"[^.]*"];
        foreach (string name in names)
        {
            var match = Regex.Match(path, $@"\A.*?\.{name}\.(\d+)\.", RegexOptions.CultureInvariant, RegexTimeout);
            if (match.Success)
            {
                return layers.Contains(int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture));
            }
        }
        return false;
    }

    private static BadInputException NothingFound(CausalModel model, ModuleSelector targets, bool unsupported, IReadOnlyList<int>? layers)
    {
        if (unsupported)
        {
            return new BadInputException($"target modules: \"{targets}\" names modules that are neither linear layers nor embeddings; name the layers inside them");
        }
        string where = layers is null ? "" : $" in layers {string.Join(", ", layers)} of {model.LayerCount}";
        return new BadInputException($"target modules: nothing in this {model.ModelType} model matches \"{targets}\"{where}{NearMiss(model, targets.Names ?? [])}");
    }

    private static string NearMiss(CausalModel model, IReadOnlyList<string> names)
    {
        var known = model.NamedModules().Where(module => module.Module is Linear or Embedding).Select(module => module.Module.Name).Distinct().ToList();
        var near = names.SelectMany(name => known.Where(candidate => Spelling.Distance(Last(name), candidate) <= 3)).Distinct().ToList();
        return near.Count > 0 ? $"; did you mean {string.Join(", ", near)}?" : $"; it has {string.Join(", ", known)}";
    }

    private static string Last(string path) => path[(path.LastIndexOf('.') + 1)..];
}

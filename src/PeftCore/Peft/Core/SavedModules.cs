using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Trained copies of base parameters in addition to a method's layers: modules in full ("modules_to_save") and biases.</summary>
internal sealed class SavedModules(AttachContext context, IReadOnlyList<string> names)
{
    private readonly HashSet<(Module, string)> _taken = [];

    /// <summary>Whether a path is that of a named module or of a module inside it.</summary>
    public static bool Covers(IReadOnlyList<string>? names, string path) => names?.Any(name => Covers(name, path)) ?? false;

    /// <summary>Creates a copy of every parameter of the named modules.</summary>
    public IEnumerable<ParameterSwap> Modules()
    {
        foreach (var (root, module) in TargetMatching.ByName(context.Base, Named(), "modules_to_save"))
        {
            foreach (var (below, part) in module.NamedModules())
            {
                foreach (var (name, parameter) in part.OwnParameters.Where(own => _taken.Add((part, own.Key))).ToList())
                {
                    string suffix = part.PathOf(below, name);
                    yield return Copy(root, part, name, parameter, "modules_to_save.{0}." + suffix, suffix);
                }
            }
        }
    }

    /// <summary>The names that must exist. Hugging Face PEFT writes all possible names of a classifier ("classifier", "score"), so for a
    /// file one existing name is enough.</summary>
    private IReadOnlyList<string> Named()
    {
        var there = context.IsNew ? [] : names.Where(name => TargetMatching.Exists(context.Base, name)).ToList();
        return there.Count > 0 ? there : names;
    }

    /// <summary>Creates a copy of every trained bias, except those of modules that are copied in full.</summary>
    public IEnumerable<ParameterSwap> Biases(BiasMode mode, HashSet<string> targets)
    {
        foreach (var (path, module) in mode == BiasMode.None ? [] : context.Base.NamedModules())
        {
            foreach (var (name, bias) in module.OwnParameters.Where(own => IsBias(own.Key, own.Value)).ToList())
            {
                bool isTarget = name == "bias" && targets.Contains(path);
                if ((mode == BiasMode.All || isTarget) && !Covers(names, path))
                {
                    string suffix = isTarget ? "base_layer.bias" : name;
                    yield return Copy(path, module, name, bias, suffix, suffix);
                }
            }
        }
    }

    // PEFT takes every parameter with "bias" in its name, such as gate_up_proj_bias of gpt-oss.
    private static bool IsBias(string name, Parameter parameter) =>
        !parameter.IsBuffer && (name == "bias" || name.EndsWith("_bias", StringComparison.Ordinal));

    /// <summary>Creates a copy of the bias of each of these modules.</summary>
    public IEnumerable<ParameterSwap> BiasesOf(IEnumerable<(string Path, Module Module)> modules) =>
        modules.Select(module => Copy(module.Path, module.Module, "bias", module.Module.OwnParameter("bias")!, "bias", "bias"));

    private static bool Covers(string name, string path)
    {
        for (int at = name.Length == 0 ? -1 : path.IndexOf(name, StringComparison.Ordinal); at >= 0; at = path.IndexOf(name, at + 1,
            StringComparison.Ordinal))
        {
            int end = at + name.Length;
            if ((at == 0 || path[at - 1] == '.') && (end == path.Length || path[end] == '.'))
            {
                return true;
            }
        }
        return false;
    }

    private ParameterSwap Copy(string path, Module module, string name, Parameter original, string memorySuffix, string fileSuffix) =>
        new(module, name, new AdapterParameter(path, memorySuffix, fileSuffix, context.NewCopy(original)));
}

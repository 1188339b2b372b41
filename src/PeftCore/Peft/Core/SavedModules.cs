using PeftCore.Models;
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
        foreach (var (root, module) in TargetMatching.EndingIn(context.Base, Named(), "modules_to_save"))
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

    /// <summary>As <see cref="Modules"/>, without the parameters that others replace.</summary>
    public IEnumerable<ParameterSwap> ModulesExcept(IEnumerable<ParameterSwap> others)
    {
        _taken.UnionWith(others.Select(other => (other.Module, other.Name)));
        return Modules();
    }

    /// <summary>The names that must exist. Hugging Face PEFT writes all possible names of a classifier ("classifier", "score"), so of
    /// these, and of all names in a file, one that exists is enough.</summary>
    private IReadOnlyList<string> Named()
    {
        var head = SavedHead.NamesOf(context.Base);
        var optional = names.Where(name => !context.IsNew || head.Contains(name)).ToList();
        return optional.Exists(IsThere) ? [.. names.Distinct().Where(name => IsThere(name) || !optional.Contains(name))] : names;

        bool IsThere(string name) => TargetMatching.HasEnding(context.Base, name);
    }

    /// <summary>Creates a copy of every trained bias, except those of modules that are copied in full.</summary>
    public IEnumerable<ParameterSwap> Biases(BiasMode mode, HashSet<string> targets)
    {
        foreach (var (path, module) in mode == BiasMode.None ? [] : context.Base.NamedModules())
        {
            foreach (var (name, bias) in module.OwnParameters.Where(own => IsBias(path, own.Key, own.Value)).ToList())
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

    // Older versions of PEFT took every parameter with "bias" in its name, such as gate_up_proj_bias of gpt-oss: read from such a file.
    private bool IsBias(string path, string name, Parameter parameter) => !parameter.IsBuffer && (name == "bias"
        || (name.EndsWith("_bias", StringComparison.Ordinal)
            && context.StoredShape($"{AdapterParameter.Prefix}{path}.{name}") is not null));

    /// <summary>Creates a copy of the bias of each of these modules.</summary>
    public IEnumerable<ParameterSwap> BiasesOf(IEnumerable<(string Path, Module Module)> modules) =>
        modules.Select(module => Copy(module.Path, module.Module, "bias", module.Module.OwnParameter("bias")!, "bias", "bias"));

    // A module or one around it ends in the name, as Hugging Face PEFT compares: "classifier" names "pre_classifier" too.
    private static bool Covers(string name, string path)
    {
        for (int end = name.Length == 0 ? -1 : 0; end >= 0 && end < path.Length;)
        {
            end = path.IndexOf('.', end + 1) is var dot and >= 0 ? dot : path.Length;
            if (path.AsSpan(0, end).EndsWith(name, StringComparison.Ordinal))
            {
                return true;
            }
        }
        return false;
    }

    private ParameterSwap Copy(string path, Module module, string name, Parameter original, string memorySuffix, string fileSuffix) =>
        new(module, name, new AdapterParameter(path, memorySuffix, fileSuffix, context.NewCopy(original, path)));
}

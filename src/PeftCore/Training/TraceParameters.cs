using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The parameters of a traced step: their names by memory, and the modules that they belong to.</summary>
internal sealed class TraceParameters
{
    // Hugging Face PEFT's prefix of the names of an adapter's parameters.
    private static readonly string[] Prefixes = ["base_model.model.", "base_model."];

    private readonly ITrainable _trainable;
    private readonly Dictionary<Storage, string> _names = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, Module> _modules;

    public TraceParameters(ITrainable trainable)
    {
        _trainable = trainable;
        _modules = trainable.Model.NamedModules().ToDictionary(module => module.Path, module => module.Module);
        foreach (var (name, parameter) in trainable.Parameters.Concat(trainable.Frozen))
        {
            Add(name, parameter);
        }
        foreach (var (path, parameter) in trainable.Model.NamedParameters())
        {
            Add(path, parameter);
        }
    }

    /// <summary>The name of the parameter that a storage holds; null if it holds none.</summary>
    public string? NameOf(Storage storage) => _names.GetValueOrDefault(storage);

    /// <summary>The path of the module of a parameter, which is the model's, "", for those of a whole adapter.</summary>
    public string ModuleOf(string parameter)
    {
        string path = Plain(parameter);
        while (path.Length > 0 && !_modules.ContainsKey(path))
        {
            int dot = path.LastIndexOf('.');
            path = dot < 0 ? "" : path[..dot];
        }
        return path;
    }

    /// <summary>The rows of <see cref="StepTrace.Parameters"/>.</summary>
    public IReadOnlyList<(string, string, string, string, Shape, DType, long)> Rows()
    {
        var seen = new HashSet<Parameter>();
        var rows = _modules.ToDictionary(module => module.Key, module => module.Value.OwnParameters
            .Select(own => Row(module.Key, own.Key, own.Value, Status(own.Value, seen))).ToList());
        foreach (var (path, name, original) in _trainable.Replaced)
        {
            string module = ModuleOf(path);
            rows[module].Add(Row(module, name, original, "replaced"));
        }
        foreach (var (name, parameter) in _trainable.Parameters.Concat(_trainable.Frozen).Where(p => seen.Add(p.Parameter)))
        {
            string module = ModuleOf(name), plain = Plain(name);
            rows[module].Add(Row(module, module.Length == 0 ? plain : plain[(module.Length + 1)..], parameter,
                parameter.RequiresGrad ? "trains" : "frozen"));
        }
        rows[""].AddRange(_trainable.Constants.Select(constant => ("", TypeOf(""), constant.Name, "constant", constant.Value.Shape,
            constant.Value.DType, constant.Value.Storage.ReservedBytes)));
        return [.. _modules.Keys.SelectMany(path => rows[path])];
    }

    private string TypeOf(string module) => _modules[module].GetType().Name;

    private string Status(Parameter parameter, HashSet<Parameter> seen) => !seen.Add(parameter) ? "tied"
        : !parameter.RequiresGrad ? "frozen" : _trainable.Copies.Contains(parameter) ? "trains a copy" : "trains";

    private (string, string, string, string, Shape, DType, long) Row(string module, string name, Parameter parameter, string status)
    {
        bool isHere = parameter is { IsMaterialized: true, Offloaded: null };
        return (module, TypeOf(module), name, status, parameter.Shape, isHere ? parameter.Value.DType : DType.F32,
            status == "tied" ? 0 : isHere ? parameter.Value.Storage.ReservedBytes : parameter.ByteCount);
    }

    private static string Plain(string name) =>
        Array.Find(Prefixes, prefix => name.StartsWith(prefix, StringComparison.Ordinal)) is { } prefix ? name[prefix.Length..] : name;

    private void Add(string name, Parameter parameter)
    {
        // Reading an offloaded parameter would copy it to the device.
        if (parameter is { IsMaterialized: true, Offloaded: null })
        {
            _names.TryAdd(parameter.Value.Storage, name);
        }
    }
}

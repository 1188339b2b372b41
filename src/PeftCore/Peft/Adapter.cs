using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>One adapter on a model: its configuration, its parameters, the layers it changes, and the base parameters it replaces while it is
/// active.</summary>
internal sealed class Adapter(string name, PeftConfig config)
{
    public string Name => name;

    public PeftConfig Config => config;

    /// <summary>The adapter's layers by module path.</summary>
    public List<(string Path, LayerAdapter Layer)> Layers { get; } = [];

    /// <summary>Parameters that stand in the place of the base's own while the adapter is active.</summary>
    public List<ParameterSwap> Swaps { get; } = [];

    public IEnumerable<AdapterParameter> Parameters => Layers.SelectMany(layer => layer.Layer.Parameters.Select(p => p with { Path = layer.Path }))
        .Concat(Swaps.Where(swap => swap.Trains).Select(swap => swap.Parameter));

    public void SetTrains(bool trains)
    {
        foreach (var parameter in Parameters)
        {
            parameter.Parameter.Trains = trains;
        }
    }

    public void Free()
    {
        Layers.ForEach(layer => layer.Layer.Free());
        foreach (var parameter in Layers.SelectMany(layer => layer.Layer.Parameters).Select(p => p.Parameter)
            .Concat(Swaps.Select(swap => swap.Parameter.Parameter)).Distinct())
        {
            parameter.Dispose();
        }
    }
}

/// <summary>A parameter of an adapter and its names.</summary>
/// <param name="Path">Path of the module it belongs to.</param>
/// <param name="MemorySuffix">What follows the path in memory; {0} is the adapter's name.</param>
/// <param name="FileSuffix">What follows the path in the file.</param>
/// <param name="Parameter">The values.</param>
internal readonly record struct AdapterParameter(string Path, string MemorySuffix, string FileSuffix, Parameter Parameter)
{
    private const string Prefix = "base_model.model.";

    /// <summary>The name Hugging Face PEFT has for it in memory.</summary>
    public string MemoryName(string adapter) => Prefix + Path + "." + string.Format(System.Globalization.CultureInfo.InvariantCulture, MemorySuffix, adapter);

    /// <summary>Its key in adapter_model.safetensors.</summary>
    public string FileName => Prefix + Path + "." + FileSuffix;
}

/// <summary>A parameter that takes a base parameter's place: a module trained whole, a bias, a changed base weight.</summary>
internal sealed class ParameterSwap(Module module, string name, AdapterParameter parameter, bool trains = true)
{
    private Parameter? _original;

    public Module Module => module;

    public string Name => name;

    public AdapterParameter Parameter => parameter;

    public bool Trains => trains;

    /// <summary>Whether the parameter stands in the module now.</summary>
    public bool Active => _original is not null;

    /// <summary>The parameter that is not in use while this one is.</summary>
    public Parameter? Original => _original;

    public void Activate() => _original ??= module.Exchange(name, parameter.Parameter);

    public void Deactivate()
    {
        if (_original is { } original)
        {
            module.Exchange(name, original);
            _original = null;
        }
    }
}

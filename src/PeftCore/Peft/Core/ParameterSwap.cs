using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>A parameter that replaces one of the base while the swap is active: a trained copy of a weight or bias, or a merged weight. The
/// base's parameter keeps its values.</summary>
internal sealed class ParameterSwap(Module module, string name, AdapterParameter parameter, bool trainable = true)
{
    private Parameter? _original;

    public Module Module => module;

    public string Name => name;

    public AdapterParameter Parameter => parameter;

    /// <summary>The replacing parameter.</summary>
    public Parameter Value => parameter.Parameter;

    /// <summary>Whether the adapter trains and saves the parameter.</summary>
    public bool IsTrainable => trainable;

    /// <summary>The base's parameter while this swap is active; null otherwise.</summary>
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

    /// <summary>Whether this swap replaces a parameter of a module.</summary>
    public bool Replaces(Module owner, string parameterName) => module == owner && name == parameterName;
}

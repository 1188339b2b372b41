using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>A parameter that takes a base parameter's place: a module trained whole, a bias, a changed base weight.</summary>
internal sealed class ParameterSwap(Module module, string name, AdapterParameter parameter, bool trainable = true)
{
    private Parameter? _original;

    public Module Module => module;

    public string Name => name;

    public AdapterParameter Parameter => parameter;

    /// <summary>What takes the base's place.</summary>
    public Parameter Value => parameter.Parameter;

    public bool IsTrainable => trainable;

    /// <summary>The parameter that is not in use while this one is; null while this one is not.</summary>
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

    /// <summary>Whether this takes the place of one parameter of one module.</summary>
    public bool Replaces(Module owner, string parameterName) => module == owner && name == parameterName;
}

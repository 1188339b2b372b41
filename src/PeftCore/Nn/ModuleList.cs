namespace PeftCore.Nn;

/// <summary>Modules named by their index.</summary>
public sealed class ModuleList : Module
{
    /// <summary>Adds a module under the next index.</summary>
    public T Append<T>(T module) where T : Module => Add($"{Children.Count}", module);
}

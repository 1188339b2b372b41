namespace PeftCore.Peft;

/// <summary>Base of the configuration of an externally defined method that adapts linear layers chosen by name. The method declares its
/// fields as rows (<see cref="ConfigFields{T}"/>) and creates the adapter of one layer. The library attaches, saves, loads, switches and
/// merges it once it is registered with <see cref="PeftMethods.Register"/>.</summary>
public abstract record LinearAdapterConfig : TargetedConfig
{
    /// <summary>Creates the adapter of one layer.</summary>
    /// <param name="site">The layer.</param>
    protected abstract LinearAdapter CreateAdapter(AdapterSite site);

    internal override Adapter AttachTo(AttachContext context) => new TargetedLayers(context, this).Attach((path, layer, number) =>
        new LinearAdapterLayer(layer, CreateAdapter(new AdapterSite(context, path, layer, number))));
}

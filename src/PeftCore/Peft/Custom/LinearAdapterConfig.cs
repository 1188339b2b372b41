using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Base of a method's configuration, for a method from outside that changes linear layers chosen by name. It says which fields
/// adapter_config.json has beside those of <see cref="TargetedConfig"/>, and makes the adapter of one layer. The library attaches, saves,
/// loads, switches and merges it once it is registered with <see cref="PeftMethods.Register"/>.</summary>
public abstract record LinearAdapterConfig : TargetedConfig
{
    /// <summary>The defaults of the shared fields.</summary>
    protected LinearAdapterConfig()
    {
    }

    /// <summary>Reads the shared fields: target_modules, exclude_modules, layers_to_transform, modules_to_save and so on.</summary>
    /// <param name="config">adapter_config.json.</param>
    protected LinearAdapterConfig(ConfigReader config) : base(config)
    {
    }

    /// <summary>Makes the adapter of one layer.</summary>
    /// <param name="site">The layer.</param>
    protected abstract LinearAdapter CreateAdapter(AdapterSite site);

    /// <summary>Adds the method's own fields to adapter_config.json. A field that is not added here is refused when it is
    /// given.</summary>
    protected abstract void WriteFields(JsonObject json);

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers;

    internal override void WriteOwn(JsonObject json) => WriteFields(json);

    internal override Adapter Attach(AttachContext context) => new TargetedLayers(context, this).Attach((path, layer, number) =>
        new LinearAdapterLayer(layer, CreateAdapter(new AdapterSite(context, path, layer, number))));
}

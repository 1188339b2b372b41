using PeftCore.Nn;

namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of full fine-tuning: every parameter of the base is trained, as a copy, which the adapter's file holds. Methods
/// that train less are compared with it. Tied tables stay tied. Hugging Face PEFT does not have it: merge it for other programs.</summary>
public sealed record FullConfig : PeftConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<FullConfig> Fields { get; } = new ConfigFields<FullConfig>(new())
        .Common();

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var adapter = context.NewAdapter(this);
        var copies = new Dictionary<Parameter, Parameter>();
        foreach (var (path, module) in context.Base.NamedModules())
        {
            foreach (var (name, original) in module.OwnParameters.Where(own => !own.Value.IsBuffer).ToList())
            {
                bool isTied = copies.TryGetValue(original, out var copy);
                copy ??= copies[original] = context.NewCopy(original, path);
                // A tied table is trained and saved once, in the module that comes first.
                adapter.Swaps.Add(new ParameterSwap(module, name,
                    new AdapterParameter(path, isTied ? name : "modules_to_save.{0}." + name, name, copy), trainable: !isTied));
            }
        }
        return adapter;
    }
}

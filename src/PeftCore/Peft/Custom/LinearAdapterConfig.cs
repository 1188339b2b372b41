namespace PeftCore.Peft;

/// <summary>Base of the configuration of an externally defined method that adapts linear layers chosen by name. The method declares its
/// fields as rows (<see cref="ConfigFields{T}"/>) and creates the adapter of one layer. The library attaches, saves, loads, switches and
/// merges it once it is registered with <see cref="PeftMethods.Register"/>.</summary>
/// <example>
/// <code>
/// PeftMethods.Register("OUTPUT_SHIFT", OutputShiftConfig.Fields);
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// model.AddAdapter(new OutputShiftConfig { TargetModules = ModuleSelector.Of("down_proj") });
///
/// sealed record OutputShiftConfig : LinearAdapterConfig
/// {
///     public static ConfigFields&lt;OutputShiftConfig> Fields { get; } = new ConfigFields&lt;OutputShiftConfig>(new()).Targets();
///
///     protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputShift(site);
/// }
///
/// // y + shift, one number for each output
/// sealed class OutputShift : LinearAdapter
/// {
///     private readonly Parameter _shift;
///
///     public OutputShift(AdapterSite site) : base(site) => _shift = Add("shift", [site.Layer.Outputs]);
///
///     public override Tensor Forward(Tensor x, Tensor y) => y.AddRow(_shift.Value);
/// }
/// </code>
/// </example>
public abstract record LinearAdapterConfig : TargetedConfig
{
    /// <summary>Creates the adapter of one layer.</summary>
    /// <param name="site">The layer.</param>
    protected abstract LinearAdapter CreateAdapter(AdapterSite site);

    internal override Adapter AttachTo(AttachContext context) => new TargetedLayers(context, this).Attach((path, layer, number) =>
        new LinearAdapterLayer(layer, CreateAdapter(new AdapterSite(context, path, layer, number))));
}
